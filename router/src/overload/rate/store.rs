//! Governor's state per key, in a table that never grows.

use governor::{nanos::Nanos, state::StateStore};
use parking_lot::Mutex;

use crate::overload::num;

/// Keys per set.
const WAYS: usize = 8;

/// A set-associative table: a key may stand in any of the [`WAYS`] places of its set.
///
/// When its set is full, a new key takes the place of the one with the earliest theoretical arrival
/// time: the one that has used least of its burst, or nothing at all. That forgives it least.
#[derive(Debug)]
pub(super) struct Store {
    sets: Box<[Mutex<[Entry; WAYS]>]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// The key's bits, spread; 0 is an empty place.
    key: u64,
    /// Theoretical arrival time of the next request.
    arrival: u64,
}

impl Store {
    pub(super) fn new(keys: usize) -> Self {
        let sets = (keys / WAYS).max(1);
        Self { sets: (0..sets).map(|_| Mutex::new([Entry::default(); WAYS])).collect() }
    }
}

impl StateStore for Store {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let key = num::mix(*key).max(1);
        let set = usize::try_from(key % self.sets.len() as u64).unwrap_or(0);
        let Some(set) = self.sets.get(set) else {
            return decide(None).map(|(outcome, _)| outcome);
        };
        let mut set = set.lock();
        let known = set.iter_mut().find(|entry| entry.key == key);
        let arrival = known.as_ref().map(|entry| Nanos::new(entry.arrival));
        let (outcome, next) = decide(arrival)?;
        let place = match known {
            Some(entry) => Some(entry),
            None => set.iter_mut().min_by_key(|entry| entry.arrival),
        };
        if let Some(place) = place {
            *place = Entry { key, arrival: next.as_u64() };
        }
        Ok(outcome)
    }
}
