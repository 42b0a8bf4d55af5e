//! A request's body on its way to the origin.

use std::{
    error::Error as _,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use atomic_waker::AtomicWaker;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    sync::oneshot,
    time::{Instant, Sleep},
};

use crate::{
    Error,
    body::{Capture, ClientBody},
    headers,
};

/// A request's body: none, or the client's as it arrives.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// No body; such a request can be sent again.
    Empty,
    /// The client's.
    Streaming(Box<Streaming>),
}

/// What a request body may use up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestBodyLimits {
    /// Bytes in all.
    pub(crate) bytes_max: u64,
    /// Time between two pieces.
    pub(crate) idle: Duration,
}

/// A client's body with its limits.
#[derive(Debug)]
pub(crate) struct Streaming {
    incoming: ClientBody,
    first: Option<Frame<Bytes>>,
    limits: RequestBodyLimits,
    bytes: u64,
    watch: Arc<BodyWatch>,
    timer: Option<Pin<Box<Sleep>>>,
    waits_since: Option<Instant>,
    /// Where the body is kept for a copy of the request.
    kept: Option<Kept>,
}

/// A body that is kept, and who gets it.
type Kept = (Capture, oneshot::Sender<Option<Bytes>>);

/// A request's body as its exchange sees it: how far it has come, what went wrong, and the right to
/// end it.
#[derive(Debug, Default)]
pub(crate) struct BodyWatch {
    what: AtomicU8,
    bytes: AtomicU64,
    is_open: AtomicBool,
    /// Nanoseconds for which the client was waited for.
    waited: AtomicU64,
    /// Whether it is now.
    is_waiting: AtomicBool,
    /// Whoever waits for the next piece.
    reader: AtomicWaker,
}

const NO_FAULT: u8 = 0;
const TOO_LARGE: u8 = 1;
const IDLE: u8 = 2;
const MALFORMED: u8 = 3;
const CLIENT_LEFT: u8 = 4;
const UNWANTED: u8 = 5;

impl BodyWatch {
    /// The fault, if there is one.
    pub(crate) fn fault(&self, limits: RequestBodyLimits) -> Option<Error> {
        match self.what.load(Ordering::Relaxed) {
            NO_FAULT | UNWANTED => None,
            TOO_LARGE => Some(Error::BodyTooLarge { body_bytes_max: limits.bytes_max }),
            IDLE => Some(Error::BodyTimeout),
            MALFORMED => Some(Error::BadRequest("malformed body framing")),
            _ => Some(Error::ClientLeft),
        }
    }

    /// Bytes that the client has sent of the body so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// For how long the client was waited for.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited.load(Ordering::Relaxed))
    }

    /// Whether the client is waited for, or was when nobody wanted more of its body.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting.load(Ordering::Relaxed)
    }

    /// Whether somebody still reads, or will read, the client's body.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Ends the body: its answer is complete, and nobody wants the rest.
    pub(crate) fn cancel(&self) {
        self.set(UNWANTED);
        self.reader.wake();
    }

    fn set(&self, what: u8) {
        self.what.store(what, Ordering::Relaxed);
    }
}

/// The body can't be passed on to its end; [`BodyWatch`] knows why.
#[derive(Debug, thiserror::Error)]
#[error("request body broken off")]
pub(crate) struct BrokenOff;

impl RequestBody {
    /// Passes on a client's body within its limits.
    pub(crate) fn streaming(
        incoming: ClientBody,
        limits: RequestBodyLimits,
        watch: Arc<BodyWatch>,
    ) -> Self {
        watch.is_open.store(true, Ordering::Relaxed);
        Self::Streaming(Box::new(Streaming {
            incoming,
            first: None,
            limits,
            bytes: 0,
            watch,
            timer: None,
            waits_since: None,
            kept: None,
        }))
    }

    /// Looks at what has arrived already, so that a body that starts malformed, or above its
    /// limit, is refused before any endpoint hears of the request.
    ///
    /// # Errors
    ///
    /// [`BrokenOff`], with the reason in the watch.
    pub(crate) async fn look_ahead(&mut self) -> Result<(), BrokenOff> {
        let Self::Streaming(streaming) = self else { return Ok(()) };
        // The first poll asks the connection to read on, which it does when this task yields.
        for _ in 0..2 {
            let polled = std::future::poll_fn(|cx| Poll::Ready(streaming.poll_next(cx))).await;
            match polled {
                Poll::Ready(Some(Ok(frame))) => {
                    streaming.first = Some(frame);
                    return Ok(());
                }
                Poll::Ready(Some(Err(broken))) => return Err(broken),
                Poll::Ready(None) => return Ok(()),
                Poll::Pending => tokio::task::yield_now().await,
            }
        }
        Ok(())
    }
}

impl Streaming {
    /// Keeps the body while it passes by. Nothing is told when it breaks off.
    pub(crate) fn capture(&mut self, bytes_max: usize) -> oneshot::Receiver<Option<Bytes>> {
        let (tell, told) = oneshot::channel();
        let mut capture = Capture::new(bytes_max);
        if let Some(piece) = self.first.as_ref().and_then(Frame::data_ref) {
            capture.keep(piece);
        }
        self.kept = Some((capture, tell));
        told
    }

    fn tell_kept(&mut self) {
        if let Some((capture, tell)) = self.kept.take() {
            // Nobody listens any more when the copy was given up.
            drop(tell.send(capture.whole()));
        }
    }

    /// Counts the wait for the client that ends now.
    fn waited(&mut self) {
        if let Some(since) = self.waits_since.take() {
            let nanos = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.watch.waited.fetch_add(nanos, Ordering::Relaxed);
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if polled.is_ready() && self.waits_since.is_some() {
            self.waited();
            self.watch.is_waiting.store(false, Ordering::Relaxed);
        }
        match polled {
            Poll::Ready(Some(Ok(mut frame))) => {
                self.timer = None;
                if let Some(trailers) = frame.trailers_mut() {
                    headers::strip_ours(trailers);
                }
                Poll::Ready(Some(self.count(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.watch.set(if is_malformed(&error) { MALFORMED } else { CLIENT_LEFT });
                Poll::Ready(Some(Err(BrokenOff)))
            }
            Poll::Ready(None) => {
                self.tell_kept();
                Poll::Ready(None)
            }
            Poll::Pending => {
                if self.waits_since.is_none() {
                    self.waits_since = Some(Instant::now());
                    self.watch.is_waiting.store(true, Ordering::Relaxed);
                }
                self.watch.reader.register(cx.waker());
                if self.watch.what.load(Ordering::Relaxed) == UNWANTED {
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
                let idle = self.limits.idle;
                let timer = self.timer.get_or_insert_with(|| {
                    Box::pin(tokio::time::sleep_until(Instant::now() + idle))
                });
                std::task::ready!(timer.as_mut().poll(cx));
                self.watch.set(IDLE);
                Poll::Ready(Some(Err(BrokenOff)))
            }
        }
    }

    fn count(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BrokenOff> {
        if let Some(data) = frame.data_ref() {
            self.bytes += data.len() as u64;
            self.watch.bytes.store(self.bytes, Ordering::Relaxed);
            if let Some((capture, _)) = &mut self.kept {
                capture.keep(data);
            }
        }
        if self.bytes > self.limits.bytes_max {
            self.kept = None;
            self.watch.set(TOO_LARGE);
            return Err(BrokenOff);
        }
        Ok(frame)
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        // Nobody asks for the end of a body whose length is known.
        if self.first.is_none() && self.incoming.is_end_stream() {
            self.tell_kept();
        }
        self.waited();
        self.watch.is_open.store(false, Ordering::Relaxed);
    }
}

/// Tells bad framing from a client that left: hyper wraps the former in an error of bad input.
fn is_malformed(error: &hyper::Error) -> bool {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let bad_input = [io::ErrorKind::InvalidInput, io::ErrorKind::InvalidData];
    error.is_parse() || io.is_some_and(|error| bad_input.contains(&error.kind()))
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Streaming(streaming) => streaming.poll_next(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streaming(streaming) => {
                streaming.first.is_none() && streaming.incoming.is_end_stream()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            // A frame taken ahead is no longer in the incoming body's own hint, so the length is
            // left to the `content-length` that travels with the head.
            Self::Streaming(streaming) if streaming.first.is_some() => SizeHint::default(),
            Self::Streaming(streaming) => streaming.incoming.size_hint(),
        }
    }
}
