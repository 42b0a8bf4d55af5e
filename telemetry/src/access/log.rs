//! The queue of written lines, and the thread that empties it.

use std::{
    cell::Cell,
    fmt,
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use crossbeam_queue::ArrayQueue;
use metrics::Counter;

use super::{Line, json};
use crate::{catalog, metrics::Metrics};

/// Lines that wait for the writer at most: what 300,000 requests a second bring between two rounds.
pub const LINES_QUEUED_MAX: usize = 16_384;
/// Bytes of all lines that wait for the writer at most.
pub const BYTES_QUEUED_MAX: usize = 32 * 1024 * 1024;
/// How long the writer rests after it found the queue empty.
pub const WRITE_INTERVAL: Duration = Duration::from_millis(50);

/// Bytes that the writer gathers before it writes.
const BATCH_BYTES: usize = 256 * 1024;

thread_local! {
    /// The length of the thread's last line: the next will hardly differ.
    static LENGTH: Cell<usize> = const { Cell::new(768) };
}

/// Takes access lines. Cheap to clone.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

struct Shared {
    queue: ArrayQueue<Vec<u8>>,
    /// Bytes in `queue`.
    bytes: AtomicUsize,
    dropped: AtomicU64,
    dropped_metric: Counter,
    written_metric: Counter,
    is_closing: AtomicBool,
    has_ended: Mutex<bool>,
    ended: Condvar,
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
            queue: ArrayQueue::new(LINES_QUEUED_MAX),
            bytes: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            dropped_metric: metrics.counter(&catalog::ACCESS_LINES, &["dropped"]),
            written_metric: metrics.counter(&catalog::ACCESS_LINES, &["written"]),
            is_closing: AtomicBool::new(false),
            has_ended: Mutex::new(false),
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

    /// Writes the line down and queues it, or drops and counts it when the queue is full or the
    /// writer closed. Never blocks and makes no system call.
    pub fn record(&self, line: &Line<'_>) {
        let mut bytes = Vec::with_capacity(LENGTH.get() + 64);
        json::write(&mut bytes, line);
        LENGTH.set(bytes.len());
        self.shared.push(bytes);
    }

    /// Lines dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Relaxed)
    }
}

impl Shared {
    fn push(&self, line: Vec<u8>) {
        let length = line.len();
        let queued = self.bytes.fetch_add(length, Relaxed);
        let is_refused = self.is_closing.load(Relaxed) || queued + length > BYTES_QUEUED_MAX;
        if is_refused || self.queue.push(line).is_err() {
            self.bytes.fetch_sub(length, Relaxed);
            self.drop_lines(1);
        }
    }

    fn drop_lines(&self, count: u64) {
        self.dropped.fetch_add(count, Relaxed);
        self.dropped_metric.increment(count);
    }

    fn write_until_closed(&self, mut sink: impl Write) {
        let mut batch = Vec::with_capacity(BATCH_BYTES);
        let mut is_broken = false;
        loop {
            // Read before the queue is: what was queued before the close is still written.
            let is_closing = self.is_closing.load(Relaxed);
            while let lines @ 1.. = self.gather(&mut batch) {
                let result = sink.write_all(&batch).and_then(|()| sink.flush());
                match &result {
                    Ok(()) => self.written_metric.increment(lines),
                    Err(_) => self.drop_lines(lines),
                }
                report(result.as_ref().err(), &mut is_broken);
            }
            if is_closing {
                break;
            }
            thread::park_timeout(WRITE_INTERVAL);
        }
        *self.has_ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ended.notify_all();
    }

    /// Fills the batch and counts its lines.
    fn gather(&self, batch: &mut Vec<u8>) -> u64 {
        batch.clear();
        let mut lines = 0;
        while batch.len() < BATCH_BYTES
            && let Some(line) = self.queue.pop()
        {
            self.bytes.fetch_sub(line.len(), Relaxed);
            batch.extend_from_slice(&line);
            lines += 1;
        }
        lines
    }
}

/// Once when the sink breaks and once when it works again, not for each batch.
fn report(error: Option<&io::Error>, is_broken: &mut bool) {
    match error {
        Some(error) if !*is_broken => tracing::warn!(%error, "access lines can't be written"),
        None if *is_broken => tracing::info!("access lines are written again"),
        _ => {}
    }
    *is_broken = error.is_some();
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
    /// Writes what is queued, for as long as that may take at most; later lines are dropped.
    ///
    /// Returns whether everything was written. A sink that blocks keeps its thread until the
    /// process ends.
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
