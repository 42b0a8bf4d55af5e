//! The buffers that lines are written into, and the thread that empties them.

use std::{
    fmt,
    io::{self, Write},
    mem,
    sync::{
        Arc, Condvar, Mutex as Waited, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use metrics::Counter;
use parking_lot::{Mutex, MutexGuard};

use super::{
    Line, json,
    refusals::{LeftOut, Refusals},
};
use crate::{catalog, metrics::Metrics};

/// Bytes of lines that wait in one buffer at most: what one thread writes in [`WRITE_INTERVAL`]
/// at 100,000 requests a second.
pub const BUFFER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Buffers. A thread keeps to one, so that up to this many threads never meet.
pub const BUFFERS: usize = 16;
/// How long the writer rests between two rounds at most.
pub const WRITE_INTERVAL: Duration = Duration::from_millis(25);
/// How long it rests at least, whatever there is to write.
const WRITE_INTERVAL_MIN: Duration = Duration::from_millis(2);
/// Bytes that a buffer should have gathered by the next round: so few that the processor's caches
/// still hold them, and the buffers do not push everything else out.
const BATCH_BYTES: usize = 64 << 10;

/// Takes access lines. Cheap to clone.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

struct Shared {
    buffers: [Aligned; BUFFERS],
    refusals: Refusals,
    dropped: AtomicU64,
    dropped_metric: Counter,
    written_metric: Counter,
    left_out_metric: Counter,
    is_closing: AtomicBool,
    has_ended: Waited<bool>,
    ended: Condvar,
}

/// Apart from its neighbors, so that threads do not share a cache line.
#[derive(Default)]
#[repr(align(128))]
struct Aligned(Mutex<Buffer>);

#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    lines: u64,
    is_closed: bool,
}

thread_local! {
    /// The buffer that the thread keeps to.
    static PLACE: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Relaxed) % BUFFERS
    };
}

impl Log {
    /// Begins to write to `sink` on a thread of its own.
    ///
    /// # Errors
    ///
    /// When the thread can't be started.
    pub fn start<W>(sink: W, metrics: &Metrics) -> io::Result<(Self, Writer)>
    where
        W: Write + Send + 'static,
    {
        let shared = Arc::new(Shared {
            buffers: Default::default(),
            refusals: Refusals::default(),
            dropped: AtomicU64::new(0),
            dropped_metric: metrics.counter(&catalog::ACCESS_LINES, &["dropped"]),
            written_metric: metrics.counter(&catalog::ACCESS_LINES, &["written"]),
            left_out_metric: metrics.counter(&catalog::ACCESS_LINES, &["left_out"]),
            is_closing: AtomicBool::new(false),
            has_ended: Waited::new(false),
            ended: Condvar::new(),
        });
        let write = {
            let shared = Arc::clone(&shared);
            move || shared.write_until_closed(sink)
        };
        let thread = thread::Builder::new().name("headgate-access".to_owned()).spawn(write)?;
        let writer = Writer { shared: Arc::clone(&shared), thread: thread.thread().clone() };
        Ok((Self { shared }, writer))
    }

    /// Writes the line into the thread's buffer, or drops and counts it when the buffer is full or
    /// the log closed. Never waits and makes no system call.
    pub fn record(&self, line: &Line<'_>) {
        let buffer = self.shared.free_buffer();
        if !buffer.is_some_and(|mut buffer| buffer.append(line)) {
            self.shared.drop_lines(1);
        }
    }

    /// The same for an exchange that was refused for load with this code:
    /// [`REFUSAL_LINES_PER_SECOND`](super::REFUSAL_LINES_PER_SECOND) of them have lines, and those
    /// that are left out are counted in a line of their own.
    pub fn record_refusal(&self, line: &Line<'_>, code: &'static str) {
        let told = self.shared.refusals.count(line.time, code);
        if let Some(left_out) = told.before {
            let buffer = self.shared.free_buffer();
            if !buffer.is_some_and(|mut buffer| buffer.append_left_out(&left_out)) {
                self.shared.drop_lines(1);
            }
        }
        if told.has_line {
            self.record(line);
        } else {
            self.shared.left_out_metric.increment(1);
        }
    }

    /// Lines dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Relaxed)
    }
}

impl Shared {
    /// The thread's buffer, or the next one that nobody holds at this instant.
    fn free_buffer(&self) -> Option<MutexGuard<'_, Buffer>> {
        let place = PLACE.with(|place| *place);
        let buffers = self.buffers.iter().cycle().skip(place).take(BUFFERS);
        buffers.map(|buffer| &buffer.0).find_map(Mutex::try_lock)
    }

    fn drop_lines(&self, count: u64) {
        self.dropped.fetch_add(count, Relaxed);
        self.dropped_metric.increment(count);
    }

    fn write_until_closed(&self, mut sink: impl Write) {
        let mut batch = Buffer::default();
        let mut is_broken = false;
        let mut rest = WRITE_INTERVAL;
        loop {
            let mut largest = 0;
            let is_closing = self.is_closing.load(Relaxed);
            for Aligned(buffer) in &self.buffers {
                let taken = if is_closing {
                    // Closed under the lock: a line comes before it and is written, or is refused.
                    let mut buffer = buffer.lock();
                    buffer.is_closed = true;
                    buffer.take(&mut batch)
                } else {
                    // Who holds it is writing a line; the next round is soon enough, and nobody
                    // has to wake this thread.
                    buffer.try_lock().is_some_and(|mut buffer| buffer.take(&mut batch))
                };
                if taken {
                    largest = largest.max(batch.bytes.len());
                    self.write(&mut sink, &mut batch, &mut is_broken);
                }
            }
            let untold =
                if is_closing { self.refusals.last() } else { self.refusals.overdue(rest) };
            if untold.is_some_and(|left_out| batch.append_left_out(&left_out)) {
                self.write(&mut sink, &mut batch, &mut is_broken);
            }
            if is_closing {
                break;
            }
            rest = rest_after(rest, largest);
            thread::park_timeout(rest);
        }
        *self.has_ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ended.notify_all();
    }

    fn write(&self, sink: &mut impl Write, batch: &mut Buffer, is_broken: &mut bool) {
        let result = sink.write_all(&batch.bytes).and_then(|()| sink.flush());
        match &result {
            Ok(()) => self.written_metric.increment(batch.lines),
            Err(_) => self.drop_lines(batch.lines),
        }
        // Once when the sink breaks and once when it works again, not for each batch.
        match &result {
            Err(error) if !*is_broken => tracing::warn!(%error, "access lines can't be written"),
            Ok(()) if *is_broken => tracing::info!("access lines are written again"),
            _ => {}
        }
        *is_broken = result.is_err();
        batch.bytes.clear();
        batch.lines = 0;
    }
}

/// The rest after which a buffer should hold [`BATCH_BYTES`], if lines come as they did in the
/// last one.
fn rest_after(rest: Duration, gathered: usize) -> Duration {
    let wanted = rest.mul_f64(BATCH_BYTES as f64 / gathered.max(1) as f64);
    wanted.clamp(WRITE_INTERVAL_MIN, WRITE_INTERVAL)
}

impl Buffer {
    /// Adds a line, or says that there is no room.
    fn append(&mut self, line: &Line<'_>) -> bool {
        self.has_room() && {
            json::write(&mut self.bytes, line);
            self.lines += 1;
            true
        }
    }

    /// Adds a line of who has none, or says that there is no room.
    fn append_left_out(&mut self, left_out: &LeftOut) -> bool {
        self.has_room() && {
            json::write_left_out(&mut self.bytes, left_out);
            self.lines += 1;
            true
        }
    }

    fn has_room(&self) -> bool {
        !self.is_closed && self.bytes.len() < BUFFER_BYTES_MAX
    }

    /// Exchanges its lines for an empty batch, so that neither allocates again; false when there
    /// are none.
    fn take(&mut self, batch: &mut Self) -> bool {
        if self.lines == 0 {
            return false;
        }
        mem::swap(&mut self.bytes, &mut batch.bytes);
        mem::swap(&mut self.lines, &mut batch.lines);
        true
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

/// Owns the writing thread; dropping it closes the log without waiting.
#[must_use = "dropping it closes the log"]
pub struct Writer {
    shared: Arc<Shared>,
    thread: thread::Thread,
}

impl Writer {
    /// Writes what has been recorded, for as long as that may take at most; later lines are
    /// dropped and counted.
    ///
    /// Returns whether the writer has ended. A sink that blocks keeps its thread until the process
    /// ends.
    pub fn close(self, within: Duration) -> bool {
        self.signal();
        let has_ended = self.shared.has_ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.shared.ended.wait_timeout_while(has_ended, within, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn signal(&self) {
        self.shared.is_closing.store(true, Relaxed);
        self.thread.unpark();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.signal();
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
