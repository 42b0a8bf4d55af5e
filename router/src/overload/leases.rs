//! A few places that are held for a limited time.

use super::sync::{AtomicU64, Ordering};

/// Most places.
pub const PLACES_MAX: usize = 8;

/// Up to [`PLACES_MAX`] places, each held until it is given back or its time is over.
///
/// A half-open breaker's probes hold them. Without an end of its own, a probe whose end nobody
/// reports keeps the breaker half-open forever (resilience4j 903, Sentinel 1638).
#[derive(Debug)]
pub struct Leases {
    /// When each place becomes free, in nanoseconds; 0 is free.
    ends: [AtomicU64; PLACES_MAX],
    count: usize,
}

/// A held place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    place: usize,
    end: u64,
}

impl Lease {
    /// When its time is over, in nanoseconds.
    pub fn end(self) -> u64 {
        self.end
    }
}

impl Leases {
    /// That many places, at most [`PLACES_MAX`].
    pub fn new(count: usize) -> Self {
        Self { ends: std::array::from_fn(|_| AtomicU64::new(0)), count: count.min(PLACES_MAX) }
    }

    /// Holds a place from `now` to `end` (nanoseconds); none if all are held.
    pub fn take(&self, now: u64, end: u64) -> Option<Lease> {
        self.ends.iter().take(self.count).enumerate().find_map(|(place, held)| {
            let until = held.load(Ordering::SeqCst);
            let is_free = until <= now && end > now;
            let exchange = || held.compare_exchange(until, end, Ordering::SeqCst, Ordering::SeqCst);
            (is_free && exchange().is_ok()).then_some(Lease { place, end })
        })
    }

    /// Gives a place back; false if its time was over and someone else holds it.
    pub fn give(&self, lease: Lease) -> bool {
        self.ends.get(lease.place).is_some_and(|held| {
            held.compare_exchange(lease.end, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        })
    }

    /// Whether a place would be found.
    pub fn is_any_free(&self, now: u64) -> bool {
        self.ends.iter().take(self.count).any(|held| held.load(Ordering::SeqCst) <= now)
    }

    /// Whether a place was held to the end of its time and not given back.
    pub fn is_any_over(&self, now: u64) -> bool {
        self.ends.iter().take(self.count).any(|held| {
            let until = held.load(Ordering::SeqCst);
            until != 0 && until <= now
        })
    }

    /// Frees all places; leases that are out are no longer good.
    pub fn clear(&self) {
        for held in &self.ends {
            held.store(0, Ordering::SeqCst);
        }
    }
}
