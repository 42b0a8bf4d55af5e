//! Who is shed first: levels inside a class from usage, and the threshold from what arrives.

use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use headgate_types::{Class, LEVELS, Moment, Priority};

use super::{num, verdict::ADMIT_ALL};

pub(super) use self::pages::Pages;
pub use self::usage::Usage;

mod pages;
mod usage;

/// Nanoseconds of the time for which a user keeps its place: an hour, as in `DAGOR`.
const EPOCH_NANOS: u64 = 3_600_000_000_000;

/// Gives a request its level inside its class.
///
/// Ordinary users share the better half of the levels by a hash that changes hourly, so that the
/// same user is not always the first to go, and all calls of one page stand or fall together: at
/// 50 % independent shedding a page of four calls survives 6 % of the time, with one level for all
/// calls 50 % (`DAGOR`, Zhou et al., 2018). Heavy users, whose calls held permits for more than
/// three times as long as the median user's, fill the other half, the heavier the later
/// (failsafe-go's usage tracker; the median instead of a quantile, so that one user's flood does
/// not push ordinary users up).
pub fn level(class: Class, user: u64, usage: &Usage, now: Moment) -> Priority {
    let half = LEVELS / 2;
    let times = usage.times_median(user, now) / HEAVY;
    let level = if times > 1.0 {
        f64::from(half) + (times.log2() * 12.0).min(f64::from(half - 1))
    } else {
        let epoch = now.as_nanos() / EPOCH_NANOS;
        f64::from(half) * num::unit(user ^ num::mix(epoch))
    };
    Priority::new(class, u8::try_from(num::index(level)).unwrap_or(LEVELS - 1))
}

/// Whether a level that [`level`] gave is a heavy user's.
pub fn is_heavy(priority: Priority) -> bool {
    priority.level() >= LEVELS / 2
}

/// From how many times the median usage on a user is heavy.
const HEAVY: f64 = 3.0;

/// How much arrives at each rank, and the rank from which on requests are shed.
///
/// All arrivals count, also those that are shed: were only the admitted counted, shedding would
/// bias the distribution that it is based on.
#[derive(Debug)]
pub struct Threshold {
    /// Arrivals of late at each rank, in units of 1 / [`UNIT`], fading.
    arrivals: Box<[AtomicU32]>,
    first_shed: AtomicU16,
}

const RANKS: usize = ADMIT_ALL as usize;
const UNIT: u32 = 256;
/// Never shed more than this share of arrivals: a gate that is shut learns nothing and never
/// opens (Finagle stops at 75 %, Envoy at 80 %; less suffices here, as 20 times the capacity may
/// arrive).
pub const SHED_MAX: f64 = 0.95;

impl Default for Threshold {
    fn default() -> Self {
        Self {
            arrivals: (0..RANKS).map(|_| AtomicU32::new(0)).collect(),
            first_shed: AtomicU16::new(ADMIT_ALL),
        }
    }
}

impl Threshold {
    /// Counts an arrival, and says from which rank on requests are shed if this is one of them.
    pub fn sheds(&self, rank: u16) -> Option<u16> {
        if let Some(arrivals) = self.arrivals.get(usize::from(rank)) {
            arrivals.fetch_add(UNIT, Ordering::Relaxed);
        }
        let first_shed = self.first_shed.load(Ordering::Relaxed);
        (rank >= first_shed).then_some(first_shed)
    }

    /// The first rank that is shed; 512 when none is.
    pub fn first_shed(&self) -> u16 {
        self.first_shed.load(Ordering::Relaxed)
    }

    /// Sets the threshold so that the least important share `shed` of arrivals is refused. Where
    /// the share falls inside a rank, that rank passes, and so do all classes above `highest`.
    pub fn shed(&self, shed: f64, highest: usize) {
        let counts = self.arrivals.iter().map(|count| f64::from(count.load(Ordering::Relaxed)));
        let total: f64 = counts.clone().sum();
        let keep = total * (1.0 - shed.clamp(0.0, SHED_MAX));
        let mut kept = 0.0;
        let below = counts.take_while(|count| {
            let is_below = kept < keep;
            kept += count;
            is_below
        });
        let least = highest * usize::from(LEVELS);
        let first = u16::try_from(below.count().max(least)).unwrap_or(ADMIT_ALL);
        let is_idle = shed <= 0.0 || total <= 0.0;
        self.first_shed.store(if is_idle { ADMIT_ALL } else { first }, Ordering::Relaxed);
    }

    /// Lets earlier arrivals count for less: `keep` of what they did.
    pub fn fade(&self, keep: f64) {
        for count in &self.arrivals {
            let seen = count.load(Ordering::Relaxed);
            let faded = num::count(f64::from(seen) * (1.0 - keep)).min(seen);
            // What arrives in between stays counted.
            count.fetch_sub(faded, Ordering::Relaxed);
        }
    }

    /// Arrivals of late, fading, in requests, per class.
    pub fn arrivals(&self) -> [f64; 4] {
        let mut classes = self.arrivals.chunks(usize::from(LEVELS)).map(|ranks| {
            let counts = ranks.iter().map(|count| f64::from(count.load(Ordering::Relaxed)));
            counts.sum::<f64>() / f64::from(UNIT)
        });
        std::array::from_fn(|_| classes.next().unwrap_or(0.0))
    }
}

#[cfg(test)]
mod tests;
