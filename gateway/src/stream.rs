//! The stream under hyper, with the deadlines that hyper does not keep: a total one for a request
//! head, and one for a connection that idles.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use atomic_waker::AtomicWaker;
use bytes::{Buf, Bytes};
use headgate_types::{Clock, Moment};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

pub(crate) use self::idle::IdleShare;

mod idle;

/// Time that a client gets to read an answer that came before its request had ended.
const LINGER_FOR: Duration = Duration::from_secs(2);
/// Reads before other connections get their turn.
const LINGER_READS: usize = 16;

/// Looks at an idle connection in its idle time, at which that may turn out to have become shorter.
const LOOKS: u32 = 8;

/// What hangs a connection's clock: exchanges in progress, and since when nothing or half a head
/// has arrived. Shared by the stream and the exchanges on it.
#[derive(Debug)]
pub(crate) struct Activity {
    clock: Arc<dyn Clock>,
    idle_share: Arc<IdleShare>,
    open: AtomicUsize,
    /// Nanoseconds; 0 while no head is being read.
    head_since: AtomicU64,
    /// Nanoseconds.
    idle_since: AtomicU64,
    head_timed_out: AtomicBool,
    lingers: AtomicBool,
    has_asked: AtomicBool,
    has_idled: AtomicBool,
    is_cut: AtomicBool,
    /// Wakes a write that waits for the client when the connection is cut.
    waiting: AtomicWaker,
}

impl Activity {
    /// Starts as a connection whose first head is being read.
    pub(crate) fn new(clock: Arc<dyn Clock>, idle_share: &Arc<IdleShare>) -> Arc<Self> {
        let now = clock.now().as_nanos();
        Arc::new(Self {
            clock,
            idle_share: Arc::clone(idle_share),
            open: AtomicUsize::new(0),
            head_since: AtomicU64::new(now.max(1)),
            idle_since: AtomicU64::new(now),
            head_timed_out: AtomicBool::new(false),
            lingers: AtomicBool::new(false),
            has_asked: AtomicBool::new(false),
            has_idled: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
            waiting: AtomicWaker::new(),
        })
    }

    /// Marks an exchange until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        Busy { activity: Arc::clone(self), ended_at: None }
    }

    /// Notes that the connection has sent a request, or never will. True the first time.
    pub(crate) fn asks_first(&self) -> bool {
        !self.has_asked.swap(true, Ordering::Relaxed)
    }

    /// Whether the connection has sent a request.
    pub(crate) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// Whether the connection has idled for its time and should be closed politely. Only changes
    /// while its stream is polled.
    pub(crate) fn has_idled(&self) -> bool {
        self.has_idled.load(Ordering::Relaxed)
    }

    /// Whether a head took longer than it may.
    pub(crate) fn head_timed_out(&self) -> bool {
        self.head_timed_out.load(Ordering::Relaxed)
    }

    /// Lets the connection read on when it closes, so that bytes which nobody wants do not make
    /// the system drop the answer before the client has read it (RFC 9112, 9.6).
    pub(crate) fn linger(&self) {
        self.lingers.store(true, Ordering::Relaxed);
    }

    /// Breaks the connection off, as soon as its client takes nothing.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        self.waiting.wake();
    }

    fn is_busy(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    fn bytes_arrived(&self) {
        if !self.is_busy() && self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(self.clock.now().as_nanos().max(1), Ordering::Relaxed);
        }
    }
}

/// One exchange in progress on a connection.
#[derive(Debug)]
pub(crate) struct Busy {
    activity: Arc<Activity>,
    ended_at: Option<Moment>,
}

impl Busy {
    /// Notes when the exchange ended, for whoever has read the clock already.
    pub(crate) fn ended(&mut self, now: Moment) {
        self.ended_at = Some(now);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let now = self.ended_at.unwrap_or_else(|| self.activity.clock.now());
        self.activity.idle_since.store(now.as_nanos(), Ordering::Relaxed);
        self.activity.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The deadlines of a connection between exchanges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// From the first byte of a head to its end.
    pub(crate) head: Duration,
    /// From the end of an exchange to the next head's first byte, or a share of that while memory
    /// runs out.
    pub(crate) idle: Duration,
    /// Between two pieces of what the client is sent.
    pub(crate) unread: Duration,
    /// Whether an idle HTTP/2 frame counts as a head begun. False for HTTP/2, whose frames are
    /// not heads: there the idle limit bounds both.
    pub(crate) reads_heads: bool,
}

/// A stream that ends when its client is too slow between exchanges, or takes no answer.
pub(crate) struct EdgeStream<S> {
    io: S,
    prefix: Bytes,
    activity: Arc<Activity>,
    patience: Patience,
    timer: Pin<Box<Sleep>>,
    armed_for: Moment,
    idle_told: Option<Moment>,
    is_shut: bool,
    linger_timer: Option<Pin<Box<Sleep>>>,
    /// Runs while the client takes nothing.
    unread_timer: Option<Pin<Box<Sleep>>>,
}

impl<S> fmt::Debug for EdgeStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeStream").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> EdgeStream<S> {
    /// Wraps a stream of which `prefix` was read already.
    pub(crate) fn new(io: S, prefix: Bytes, activity: Arc<Activity>, patience: Patience) -> Self {
        let look_after = patience.idle / LOOKS;
        let armed_for = activity.clock.now() + look_after;
        let timer = Box::pin(sleep(look_after));
        Self {
            io,
            prefix,
            activity,
            patience,
            timer,
            armed_for,
            idle_told: None,
            is_shut: false,
            linger_timer: None,
            unread_timer: None,
        }
    }

    /// Ends a write that makes no progress: hyper asks a body for nothing while its client takes
    /// nothing, so no other timer runs.
    fn write_in_time<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.unread_timer = None;
            return written;
        }
        self.activity.waiting.register(cx.waker());
        if self.activity.is_cut.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let limit = self.patience.unread;
        let timer = self.unread_timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// The moment at which patience ends, as things stand.
    fn due(&self) -> Moment {
        let head_since = self.activity.head_since.load(Ordering::Relaxed);
        if self.patience.reads_heads && head_since != 0 {
            return Moment::from_nanos(head_since) + self.patience.head;
        }
        if let Some(told) = self.idle_told {
            return told + self.patience.head;
        }
        let idle = self.activity.idle_share.of(self.patience.idle);
        Moment::from_nanos(self.activity.idle_since.load(Ordering::Relaxed)) + idle
    }

    /// Ready with an error when patience has ended.
    ///
    /// The timer is armed rarely: it may fire too early, never too late, and an early one is armed
    /// anew. So a connection in use costs a few timers per idle limit, not one per request.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let due = self.due();
            if due < self.armed_for {
                self.arm(due);
            }
            ready!(self.timer.as_mut().poll(cx));
            let now = self.activity.clock.now();
            let due = self.due();
            if now < due {
                self.arm(due);
                continue;
            }
            if self.activity.head_since.load(Ordering::Relaxed) != 0 && self.patience.reads_heads {
                self.activity.head_timed_out.store(true, Ordering::Relaxed);
                self.answer_timeout(cx);
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            if self.idle_told.is_some() {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.idle_told = Some(now);
            self.activity.has_idled.store(true, Ordering::Relaxed);
        }
    }

    /// Keeps the timer running through an exchange: hyper may not read again when one ends, and
    /// then the timer is what finds the connection idle.
    fn poll_timer_in_use(&mut self, cx: &mut Context<'_>) {
        while self.timer.as_mut().poll(cx).is_ready() {
            self.arm(self.activity.clock.now() + self.patience.idle);
        }
    }

    /// Reads and drops what the client still sends, until it closes or has had its time.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.linger_timer.get_or_insert_with(|| Box::pin(sleep(LINGER_FOR)));
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut dropped = [0; 4_096];
        for _ in 0..LINGER_READS {
            let mut buf = ReadBuf::new(&mut dropped);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn arm(&mut self, due: Moment) {
        let now = self.activity.clock.now();
        let left = due.since(now).min(self.patience.idle / LOOKS);
        self.timer.as_mut().reset(Instant::now() + left);
        self.armed_for = now + left;
    }

    /// Says 408 where nothing else has been said: between exchanges nobody else writes.
    fn answer_timeout(&mut self, cx: &mut Context<'_>) {
        let answer =
            b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        // The client may be gone or its window full; the connection ends either way.
        if matches!(Pin::new(&mut self.io).poll_write(cx, answer), Poll::Ready(Ok(_))) {
            let _sent = Pin::new(&mut self.io).poll_flush(cx);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for EdgeStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.prefix.is_empty() {
            let length = this.prefix.len().min(buf.remaining());
            buf.put_slice(this.prefix.get(..length).unwrap_or_default());
            this.prefix.advance(length);
            return Poll::Ready(Ok(()));
        }
        let filled = buf.filled().len();
        match Pin::new(&mut this.io).poll_read(cx, buf) {
            Poll::Ready(read) => {
                if buf.filled().len() > filled {
                    this.activity.bytes_arrived();
                }
                Poll::Ready(read)
            }
            Poll::Pending if this.activity.is_busy() => {
                this.poll_timer_in_use(cx);
                Poll::Pending
            }
            Poll::Pending => this.poll_patience(cx).map(Err),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for EdgeStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.write_in_time(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.write_in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        this.write_in_time(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_shut {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            this.is_shut = true;
        }
        if this.activity.lingers.load(Ordering::Relaxed) {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
