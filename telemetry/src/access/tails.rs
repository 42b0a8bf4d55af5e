//! Who watches lines as they come, and what waits for each of them.

use std::{
    fmt,
    future::poll_fn,
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use parking_lot::{Mutex, RwLock};

use super::{Line, json};

/// Those who watch at once at most: each has every line of the edge tested.
pub const TAILS_MAX: usize = 8;
/// Bytes of lines that wait for one of them at most; what comes then is dropped and counted.
pub const TAIL_BYTES_MAX: usize = 256 << 10;

/// Tells which lines are wanted.
pub type Wants = Box<dyn Fn(&Line<'_>) -> bool + Send + Sync>;

/// Gives lines to those who watch. Costs one load where nobody does. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tails(Arc<Shared>);

#[derive(Default)]
struct Shared {
    count: AtomicUsize,
    queues: RwLock<Vec<Arc<Queue>>>,
}

struct Queue {
    wants: Wants,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    reader: Option<Waker>,
}

/// Whoever watches; dropped, it watches no more.
pub struct Tail {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
}

/// What has come since the last time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Lines, each with its newline.
    pub lines: Vec<u8>,
    /// Lines that were wanted and found no room.
    pub dropped: u64,
}

impl Tails {
    /// Watches the lines that are wanted, from now on. None: [`TAILS_MAX`] do.
    pub fn follow(&self, wants: Wants) -> Option<Tail> {
        let mut queues = self.0.queues.write();
        if queues.len() >= TAILS_MAX {
            return None;
        }
        let queue = Arc::new(Queue { wants, waiting: Mutex::default() });
        queues.push(Arc::clone(&queue));
        self.0.count.store(queues.len(), Relaxed);
        Some(Tail { shared: Arc::clone(&self.0), queue })
    }

    /// Whether anybody watches.
    pub fn is_followed(&self) -> bool {
        self.0.count.load(Relaxed) > 0
    }

    /// Gives a line to everybody who wants it. Waits for nobody who reads.
    pub fn tell(&self, line: &Line<'_>) {
        for queue in self.0.queues.read().iter().filter(|queue| (queue.wants)(line)) {
            let mut waiting = queue.waiting.lock();
            if waiting.lines.len() >= TAIL_BYTES_MAX {
                waiting.dropped += 1;
                continue;
            }
            json::write(&mut waiting.lines, line);
            let reader = waiting.reader.take();
            drop(waiting);
            if let Some(reader) = reader {
                reader.wake();
            }
        }
    }
}

impl Tail {
    /// Ready with what has come, once something has.
    pub fn poll_told(&self, context: &mut Context<'_>) -> Poll<Told> {
        let mut waiting = self.queue.waiting.lock();
        if waiting.lines.is_empty() && waiting.dropped == 0 {
            waiting.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let (lines, dropped) = (mem::take(&mut waiting.lines), mem::take(&mut waiting.dropped));
        Poll::Ready(Told { lines, dropped })
    }

    /// Waits for what comes.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn told(&self) -> Told {
        poll_fn(|context| self.poll_told(context)).await
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let mut queues = self.shared.queues.write();
        queues.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
        self.shared.count.store(queues.len(), Relaxed);
    }
}

impl fmt::Debug for Tails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tails").field("count", &self.0.count).finish_non_exhaustive()
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
