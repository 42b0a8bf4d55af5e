//! Work that waits, in a lane for each key: keys side by side, and each key's work in its order.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use headgate_types::Moment;

/// A key's lane.
pub(super) type Key = Arc<str>;

/// Work by keys. Of each key at most one piece is at work.
#[derive(Debug)]
pub(super) struct Lanes<W> {
    keys: HashMap<Key, Lane<W>>,
    /// Keys whose next piece may begin, the longest ready first.
    ready: VecDeque<Key>,
    /// Keys whose next piece may begin at a moment, told apart by a number.
    asleep: BTreeMap<(Moment, u64), Key>,
    slept: u64,
}

#[derive(Debug)]
struct Lane<W> {
    waiting: VecDeque<W>,
    is_running: bool,
}

impl<W> Default for Lanes<W> {
    fn default() -> Self {
        Self { keys: HashMap::new(), ready: VecDeque::new(), asleep: BTreeMap::new(), slept: 0 }
    }
}

impl<W> Lanes<W> {
    /// Adds work behind what its key has already.
    pub(super) fn push(&mut self, key: Key, work: W) {
        if let Some(lane) = self.keys.get_mut(&key) {
            lane.waiting.push_back(work);
        } else {
            let lane = Lane { waiting: VecDeque::from([work]), is_running: false };
            self.keys.insert(Arc::clone(&key), lane);
            self.ready.push_back(key);
        }
    }

    /// Begins the work that has been ready longest. Its key's next piece waits until it
    /// [ends](Self::end).
    pub(super) fn start(&mut self) -> Option<(Key, W)> {
        while let Some(key) = self.ready.pop_front() {
            let Some(lane) = self.keys.get_mut(&key) else { continue };
            if lane.is_running {
                continue;
            }
            if let Some(work) = lane.waiting.pop_front() {
                lane.is_running = true;
                return Some((key, work));
            }
            self.keys.remove(&key);
        }
        None
    }

    /// Whether any work is ready to begin.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// A key's work is over, and its next piece may begin.
    pub(super) fn end(&mut self, key: &Key) {
        let Some(lane) = self.keys.get_mut(key) else { return };
        lane.is_running = false;
        if lane.waiting.is_empty() {
            self.keys.remove(key);
        } else {
            self.ready.push_back(Arc::clone(key));
        }
    }

    /// A key's work is to be begun again, before all others of the key. None: as soon as anybody's.
    pub(super) fn again(&mut self, key: &Key, work: W, at: Option<Moment>) {
        let Some(lane) = self.keys.get_mut(key) else { return };
        lane.is_running = false;
        lane.waiting.push_front(work);
        match at {
            None => self.ready.push_front(Arc::clone(key)),
            Some(at) => {
                self.slept += 1;
                self.asleep.insert((at, self.slept), Arc::clone(key));
            }
        }
    }

    /// Makes keys ready whose moment has come.
    pub(super) fn wake(&mut self, now: Moment) {
        while let Some(first) = self.asleep.first_entry() {
            if first.key().0 > now {
                return;
            }
            self.ready.push_back(first.remove());
        }
    }

    /// When the next key wakes.
    pub(super) fn wakes_at(&self) -> Option<Moment> {
        self.asleep.first_key_value().map(|((at, _), _)| *at)
    }

    /// Drops work that waits.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&W) -> bool) {
        self.keys.retain(|_, lane| {
            lane.waiting.retain(&mut keep);
            lane.is_running || !lane.waiting.is_empty()
        });
    }

    /// Pieces that wait.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.keys.values().map(|lane| lane.waiting.len()).sum()
    }
}

#[cfg(test)]
mod tests;
