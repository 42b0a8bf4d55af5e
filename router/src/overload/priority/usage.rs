//! How long each user's calls have held permits, in fixed memory.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use headgate_types::Moment;

use crate::overload::num;

/// Users that are told apart; more share cells, and a cell's usage is its users' sum.
const CELLS: usize = 4096;
/// Usage is that of the last one to two halves of a minute.
const HALF: Duration = Duration::from_secs(30);
/// The median is taken anew this often.
const MEDIAN_EVERY: Duration = Duration::from_secs(1);
/// Half-octave bins of usage.
const BINS: usize = 64;

/// Permit-milliseconds per user: the cost of a call is the time for which it held a permit, so a
/// few slow calls weigh as much as many fast ones (Netflix concurrency-limits 121).
#[derive(Debug)]
pub struct Usage {
    cells: [Box<[AtomicU32]>; 2],
    half: AtomicU64,
    median: AtomicU32,
    median_at: AtomicU64,
}

impl Default for Usage {
    fn default() -> Self {
        let cells = || (0..CELLS).map(|_| AtomicU32::new(0)).collect();
        Self {
            cells: [cells(), cells()],
            half: AtomicU64::new(0),
            median: AtomicU32::new(0),
            median_at: AtomicU64::new(0),
        }
    }
}

impl Usage {
    /// Charges a user for a permit held that long.
    pub fn charge(&self, user: u64, held: Duration, now: Moment) {
        let half = self.turn(now);
        let millis = u32::try_from(held.as_millis()).unwrap_or(u32::MAX).max(1);
        if let Some(cell) = self.cell(half, user) {
            let sum = cell.load(Ordering::Relaxed).saturating_add(millis);
            cell.store(sum, Ordering::Relaxed);
        }
        self.refresh(now);
    }

    /// A user's usage as a multiple of the median user's; 1 while nothing is known.
    pub fn times_median(&self, user: u64, now: Moment) -> f64 {
        let half = self.turn(now);
        let median = self.median.load(Ordering::Relaxed);
        let used = self.cell(half, user).map_or(0, |cell| cell.load(Ordering::Relaxed))
            + self.cell(half + 1, user).map_or(0, |cell| cell.load(Ordering::Relaxed)) / 2;
        if median == 0 { 1.0 } else { f64::from(used) / f64::from(median) }
    }

    fn cell(&self, half: u64, user: u64) -> Option<&AtomicU32> {
        let cells = if half.is_multiple_of(2) { &self.cells[0] } else { &self.cells[1] };
        cells.get(usize::try_from(num::mix(user) % CELLS as u64).unwrap_or(0))
    }

    /// The half minute's number; its cells start at zero.
    fn turn(&self, now: Moment) -> u64 {
        let half = now.as_nanos() / u64::try_from(HALF.as_nanos()).unwrap_or(1);
        let before = self.half.load(Ordering::Relaxed);
        let is_first = half > before
            && self
                .half
                .compare_exchange(before, half, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_first {
            let cells = if half.is_multiple_of(2) { &self.cells[0] } else { &self.cells[1] };
            cells.iter().for_each(|cell| cell.store(0, Ordering::Relaxed));
        }
        half
    }

    fn refresh(&self, now: Moment) {
        let due = self.median_at.load(Ordering::Relaxed);
        let next = (now + MEDIAN_EVERY).as_nanos();
        if now.as_nanos() < due
            || self
                .median_at
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        let mut bins = [0_u32; BINS];
        for (this, that) in self.cells[0].iter().zip(&self.cells[1]) {
            let used = this.load(Ordering::Relaxed).max(that.load(Ordering::Relaxed));
            let bin = num::index((f64::from(used).log2() * 2.0).max(0.0));
            if let Some(count) = bins.get_mut(bin).filter(|_| used > 0) {
                *count += 1;
            }
        }
        let users: u32 = bins.iter().sum();
        let mut seen = 0;
        let middle = bins.iter().position(|count| {
            seen += count;
            seen * 2 >= users
        });
        let median = middle.filter(|_| users > 0).map_or(0.0, |bin| (bin as f64 / 2.0).exp2());
        self.median.store(num::count(median.min(1e9)), Ordering::Relaxed);
    }
}
