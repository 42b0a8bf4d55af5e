//! Who may open a connection now: a burst that finds the pool empty would otherwise open one for
//! each of its requests, and pay for more connections than for calls, although the first ones come
//! back before the last are there.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Connections to one endpoint that a thread opens at once, at least. Beyond it as many as there are
/// already, so that their number doubles with each round trip, as TCP's does in slow start.
const OPENINGS_MIN: usize = 16;

/// Turns at opening connections to one endpoint from one thread, first come, first served. Who has
/// to wait also takes a connection that is given back meanwhile, as in Go's `net/http`; unlike
/// there, waiting does not open one beside it.
///
/// `K` is a connection that is given back.
#[derive(Debug)]
pub(super) struct Turns<K> {
    /// Places of connections that are there, or being opened or waited for.
    pub(super) places: Arc<AtomicUsize>,
    state: Mutex<State<K>>,
}

#[derive(Debug)]
struct State<K> {
    /// Connections that are being opened.
    under_way: usize,
    waiting: VecDeque<oneshot::Sender<Turn<K>>>,
}

/// What somebody may do who needs a connection.
#[derive(Debug)]
pub(super) enum Turn<K> {
    /// Open one. The right is to be held until it is there.
    Open(Right<K>),
    /// Take this one.
    Take(K),
}

/// The right to open a connection. Dropped, it goes to the next who waits.
#[derive(Debug)]
pub(super) struct Right<K>(Option<Arc<Turns<K>>>);

impl<K> Default for Turns<K> {
    fn default() -> Self {
        let state = Mutex::new(State { under_way: 0, waiting: VecDeque::new() });
        Self { places: Arc::default(), state }
    }
}

impl<K> Turns<K> {
    /// The turn of somebody who has reserved a place, now or later. There are no more who wait than
    /// places.
    pub(super) fn ask(self: &Arc<Self>) -> Result<Turn<K>, oneshot::Receiver<Turn<K>>> {
        let mut state = self.state.lock();
        let others = self.places.load(Ordering::Relaxed).saturating_sub(1);
        if state.waiting.is_empty() && state.has_room(others) {
            state.under_way += 1;
            return Ok(Turn::Open(Right(Some(Arc::clone(self)))));
        }
        // Whoever waits has a place, so some here have left.
        if state.waiting.len() > others {
            state.waiting.retain(|one| !one.is_closed());
        }
        let (tell, told) = oneshot::channel();
        state.waiting.push_back(tell);
        Err(told)
    }

    /// Hands a connection that is given back to the first who waits; here it is again if nobody
    /// does.
    pub(super) fn offer(&self, mut kept: K) -> Option<K> {
        loop {
            let Some(first) = self.state.lock().waiting.pop_front() else { return Some(kept) };
            match first.send(Turn::Take(kept)) {
                Err(Turn::Take(again)) => kept = again,
                Ok(()) | Err(Turn::Open(_)) => return None,
            }
        }
    }

    fn ended(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.under_way = state.under_way.saturating_sub(1);
        while state.has_room(self.places.load(Ordering::Relaxed)) {
            let Some(first) = state.waiting.pop_front() else { return };
            match first.send(Turn::Open(Right(Some(Arc::clone(self))))) {
                Ok(()) => state.under_way += 1,
                // Nothing was given, so nothing is given back.
                Err(Turn::Open(mut right)) => right.0 = None,
                Err(Turn::Take(_)) => {}
            }
        }
    }
}

impl<K> State<K> {
    /// Whether one more may be opened, of so many places that others have.
    fn has_room(&self, places: usize) -> bool {
        let there = places.saturating_sub(self.under_way + self.waiting.len());
        self.under_way < there.max(OPENINGS_MIN)
    }
}

impl<K> Drop for Right<K> {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.ended();
        }
    }
}

#[cfg(test)]
mod tests;
