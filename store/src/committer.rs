//! The one thread that writes: it gathers what waits while the last sync runs, and answers.

use std::{
    collections::VecDeque,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use crate::{
    batch::Batch,
    engine::Engine,
    error::{Closed, Error},
    pending::{Answer, Pending, pending},
    settings::Settings,
    subscription::Subscriptions,
};

/// A group larger than this one makes the committer wait a little for the next to fill.
const GATHER_ABOVE: usize = 8;

/// The part of the space kept free that is left to batches which do not grow the store: one in so
/// many.
const RESERVE_PART: u64 = 4;

/// What the handles and the committer share.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    limits: Limits,
    pub(crate) counters: Counters,
    pub(crate) subscriptions: Subscriptions,
}

#[derive(Debug)]
struct Limits {
    queue_batches: usize,
    queue_bytes: usize,
    group_batches: usize,
    group_bytes: usize,
    gather: Duration,
    free_space_min: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    live: VecDeque<Work>,
    upkeep: VecDeque<Work>,
    bytes: usize,
    /// How many live batches the committer sleeps for; one when it is idle, none while it works.
    awaited: Option<usize>,
    closed: Option<Closed>,
}

#[derive(Debug)]
struct Work {
    batch: Batch,
    bytes: usize,
    answer: Answer,
}

/// What happened since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) acknowledged: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) groups: AtomicU64,
    pub(crate) busy: AtomicU64,
}

impl Queue {
    pub(crate) fn new(settings: &Settings) -> Self {
        let bytes =
            |size: headgate_types::ByteSize| usize::try_from(size.as_bytes()).unwrap_or(usize::MAX);
        Self {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            limits: Limits {
                queue_batches: settings.queue_batches_max.max(1),
                queue_bytes: bytes(settings.queue_bytes_max),
                group_batches: settings.group_batches_max.max(1),
                group_bytes: bytes(settings.group_bytes_max),
                gather: settings.gather,
                free_space_min: settings.free_space_min.as_bytes(),
            },
            counters: Counters::default(),
            subscriptions: Subscriptions::default(),
        }
    }

    /// Takes a valid batch in, or says why not.
    pub(crate) fn submit(&self, batch: Batch) -> Result<Pending, Error> {
        let bytes = batch.bytes();
        let mut waiting = self.waiting.lock();
        if let Some(closed) = &waiting.closed {
            return Err(Error::Closed(closed.clone()));
        }
        let batches = waiting.live.len() + waiting.upkeep.len();
        // An empty queue takes any valid batch, also one above the bound on bytes.
        let too_many_bytes = batches > 0 && waiting.bytes + bytes > self.limits.queue_bytes;
        if batches >= self.limits.queue_batches || too_many_bytes {
            self.counters.busy.fetch_add(1, Ordering::Relaxed);
            return Err(Error::Busy);
        }
        let (answer, pending) = pending();
        waiting.bytes += bytes;
        let lane = if batch.is_upkeep() { &mut waiting.upkeep } else { &mut waiting.live };
        lane.push_back(Work { batch, bytes, answer });
        let enough = waiting.live.len().max(waiting.upkeep.len().min(1));
        let wakes = waiting.awaited.is_some_and(|awaited| enough >= awaited);
        if wakes {
            waiting.awaited = None;
        }
        drop(waiting);
        if wakes {
            self.arrived.notify_one();
        }
        Ok(pending)
    }

    /// Takes nothing in any more. The first reason stands.
    pub(crate) fn close(&self, reason: Closed) {
        let mut waiting = self.waiting.lock();
        waiting.closed.get_or_insert(reason);
        drop(waiting);
        self.arrived.notify_all();
        self.subscriptions.close();
    }

    pub(crate) fn closed(&self) -> Option<Closed> {
        self.waiting.lock().closed.clone()
    }

    pub(crate) fn depth(&self) -> usize {
        let waiting = self.waiting.lock();
        waiting.live.len() + waiting.upkeep.len()
    }

    /// Waits for work and takes one group of it; none when the store is closed and idle.
    fn next_group(&self, last: usize) -> Option<Vec<Work>> {
        let mut waiting = self.waiting.lock();
        while waiting.live.is_empty() && waiting.upkeep.is_empty() {
            if waiting.closed.is_some() {
                return None;
            }
            waiting.awaited = Some(1);
            self.arrived.wait(&mut waiting);
        }
        let gathers = last > GATHER_ABOVE && waiting.closed.is_none();
        if gathers && waiting.live.len() < last && !self.limits.gather.is_zero() {
            waiting.awaited = Some(last);
            // Woken early or late makes no difference to what is right, only to how full it is.
            self.arrived.wait_for(&mut waiting, self.limits.gather);
        }
        waiting.awaited = None;
        Some(self.take_group(&mut waiting))
    }

    fn take_group(&self, waiting: &mut Waiting) -> Vec<Work> {
        let (mut group, mut bytes) = (Vec::new(), 0);
        while group.len() < self.limits.group_batches {
            let fits = |work: &Work| bytes == 0 || bytes + work.bytes <= self.limits.group_bytes;
            let Some(work) = waiting.live.pop_front_if(|work| fits(work)) else { break };
            bytes += work.bytes;
            group.push(work);
        }
        // One step of upkeep rides along, so that it neither starves nor holds up what is live.
        group.extend(waiting.upkeep.pop_front());
        waiting.bytes -= group.iter().map(|work| work.bytes).sum::<usize>();
        group
    }
}

/// Carries out groups until the store is closed. A failure closes it for good.
pub(crate) fn run(queue: &Arc<Queue>, engine: &dyn Engine) {
    let mut last = 0;
    while let Some(group) = queue.next_group(last) {
        last = group.len();
        // A panic of the engine must not leave callers waiting for ever.
        let result = panic::catch_unwind(AssertUnwindSafe(|| commit(queue, engine, group)));
        let failed = match result {
            Ok(Ok(())) => continue,
            Ok(Err(closed)) => closed,
            Err(_) => Closed::CommitterGone,
        };
        tracing::error!(reason = %failed, "store closed, open it again to recover");
        queue.close(failed);
        break;
    }
    let reason = queue.closed().unwrap_or(Closed::Stopped);
    let mut waiting = queue.waiting.lock();
    let left: Vec<_> = waiting.live.drain(..).collect();
    let upkeep: Vec<_> = waiting.upkeep.drain(..).collect();
    drop(waiting);
    for work in left.into_iter().chain(upkeep) {
        work.answer.give(Err(Error::Closed(reason.clone())));
    }
}

fn commit(queue: &Queue, engine: &dyn Engine, group: Vec<Work>) -> Result<(), Closed> {
    let (batches, answers) = refuse_growth(queue, engine, group)?;
    if batches.is_empty() {
        return Ok(());
    }
    let verdicts = match engine.commit(&batches) {
        Ok(verdicts) => verdicts,
        Err(failure) => {
            let closed = Closed::from(failure);
            // Closed before anyone hears of it, so that who is told is not let in again.
            queue.close(closed.clone());
            for answer in answers {
                answer.give(Err(Error::Closed(closed.clone())));
            }
            return Err(closed);
        }
    };
    debug_assert_eq!(verdicts.len(), answers.len(), "a verdict for each batch");
    queue.counters.groups.fetch_add(1, Ordering::Relaxed);
    let done = batches.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_ok());
    queue.subscriptions.tell(done.map(|(batch, _)| batch));
    for (answer, verdict) in answers.into_iter().zip(verdicts) {
        let counters = &queue.counters;
        let counter = if verdict.is_ok() { &counters.acknowledged } else { &counters.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        answer.give(verdict);
    }
    Ok(())
}

/// Refuses what grows the store while the file system has too little space left for the rest. What
/// may use the reserve is refused when a part of it is left, so that deletes and upkeep still pass.
fn refuse_growth(
    queue: &Queue,
    engine: &dyn Engine,
    group: Vec<Work>,
) -> Result<(Vec<Batch>, Vec<Answer>), Closed> {
    let mut available = u64::MAX;
    if group.iter().any(|work| work.batch.grows()) {
        available = engine.size()?.available_bytes;
    }
    let (mut batches, mut answers) = (Vec::new(), Vec::new());
    for work in group {
        let floor = queue.limits.free_space_min;
        let floor = if work.batch.uses_reserve() { floor / RESERVE_PART } else { floor };
        if work.batch.grows() && available < floor {
            queue.counters.refused.fetch_add(1, Ordering::Relaxed);
            work.answer.give(Err(Error::Full));
            continue;
        }
        batches.push(work.batch);
        answers.push(work.answer);
    }
    Ok((batches, answers))
}

#[cfg(test)]
mod tests;
