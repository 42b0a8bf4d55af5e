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
/// What a user did in the last seconds counts beside it, so that a flood is known at once.
const NOW: Duration = Duration::from_secs(1);
/// So many calls more than its share may a user send at once, as a page does.
const PAGE: f64 = 8.0;
/// A mean over so many calls tells what one costs.
const COST_CALLS: u32 = 64;
const MICROS: u32 = 1000;
/// The median is taken anew this often.
const MEDIAN_EVERY: Duration = Duration::from_secs(1);
/// Half-octave bins of usage.
const BINS: usize = 64;

/// Permit-milliseconds per user: the cost of a call is the time for which it held a permit, so a
/// few slow calls weigh as much as many fast ones (Netflix concurrency-limits 121).
#[derive(Debug)]
pub struct Usage {
    long: Cells,
    short: Cells,
    /// Microseconds of a permit that a call takes, by a moving mean.
    cost: AtomicU32,
    median: AtomicU32,
    median_at: AtomicU64,
}

/// Sums of the last one to two turns, per user.
#[derive(Debug)]
struct Cells {
    sums: [Box<[AtomicU32]>; 2],
    length: Duration,
    turn: AtomicU64,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            long: Cells::new(HALF),
            short: Cells::new(NOW),
            cost: AtomicU32::new(0),
            median: AtomicU32::new(0),
            median_at: AtomicU64::new(0),
        }
    }
}

impl Usage {
    /// Counts a user's request on its arrival, with what a call costs on average, so that a flood
    /// is known while its calls still wait or run. A page's calls stay within what is allowed at
    /// once, so they have one level.
    pub fn ask(&self, user: u64, now: Moment) {
        let millis = self.cost.load(Ordering::Relaxed) / MICROS;
        self.short.add(user, millis.max(1), now);
    }

    /// Charges a user for a permit held that long, or for a refused request with what a typical
    /// call takes: who asks for much is heavy whether or not it gets it.
    pub fn charge(&self, user: u64, held: Duration, now: Moment) {
        let millis = u32::try_from(held.as_millis()).unwrap_or(u32::MAX);
        self.long.add(user, millis.max(1), now);
        let micros = u32::try_from(held.as_micros()).unwrap_or(u32::MAX);
        let cost = self.cost.load(Ordering::Relaxed);
        let cost = if cost == 0 { micros } else { cost - cost / COST_CALLS + micros / COST_CALLS };
        self.cost.store(cost, Ordering::Relaxed);
        self.refresh(now);
    }

    /// A user's usage as a multiple of the median user's, over a minute or over the last second,
    /// whichever is more; 1 while nothing is known.
    pub fn times_median(&self, user: u64, now: Moment) -> f64 {
        let median = f64::from(self.median.load(Ordering::Relaxed));
        if median <= 0.0 {
            return 1.0;
        }
        let long = self.long.used(user, now) / median;
        let known =
            now.since(Moment::ZERO).as_secs_f64().clamp(NOW.as_secs_f64(), HALF.as_secs_f64());
        let share = median * NOW.as_secs_f64() / known;
        let page = PAGE * f64::from(self.cost.load(Ordering::Relaxed)) / 1000.0;
        long.max(self.short.used(user, now) / (share + page).max(1.0))
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
        for used in self.long.larger() {
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

impl Cells {
    fn new(length: Duration) -> Self {
        let cells = || (0..CELLS).map(|_| AtomicU32::new(0)).collect();
        Self { sums: [cells(), cells()], length, turn: AtomicU64::new(0) }
    }

    fn add(&self, user: u64, millis: u32, now: Moment) {
        let turn = self.turn(now);
        if let Some(cell) = self.cell(turn, user) {
            let sum = cell.load(Ordering::Relaxed).saturating_add(millis);
            cell.store(sum, Ordering::Relaxed);
        }
    }

    /// What a user has used in this turn, and half of what it has in the one before.
    fn used(&self, user: u64, now: Moment) -> f64 {
        let turn = self.turn(now);
        let used = |turn| self.cell(turn, user).map_or(0, |cell| cell.load(Ordering::Relaxed));
        f64::from(used(turn)) + f64::from(used(turn + 1) / 2)
    }

    /// For each cell the larger of its two sums.
    fn larger(&self) -> impl Iterator<Item = u32> + '_ {
        let pairs = self.sums[0].iter().zip(&self.sums[1]);
        pairs.map(|(this, that)| this.load(Ordering::Relaxed).max(that.load(Ordering::Relaxed)))
    }

    fn of(&self, turn: u64) -> &[AtomicU32] {
        if turn.is_multiple_of(2) { &self.sums[0] } else { &self.sums[1] }
    }

    fn cell(&self, turn: u64, user: u64) -> Option<&AtomicU32> {
        self.of(turn).get(usize::try_from(num::mix(user) % CELLS as u64).unwrap_or(0))
    }

    /// The turn's number; its cells start at zero, and so do the other's if it was passed over.
    fn turn(&self, now: Moment) -> u64 {
        let turn = now.as_nanos() / u64::try_from(self.length.as_nanos()).unwrap_or(1);
        let before = self.turn.load(Ordering::Relaxed);
        let is_first = turn > before
            && self
                .turn
                .compare_exchange(before, turn, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_first {
            self.of(turn).iter().for_each(|cell| cell.store(0, Ordering::Relaxed));
            if turn > before + 1 {
                self.of(turn + 1).iter().for_each(|cell| cell.store(0, Ordering::Relaxed));
            }
        }
        turn
    }
}
