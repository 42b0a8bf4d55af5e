//! Which pages have begun, in fixed memory.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use headgate_types::Moment;

use crate::overload::num;

/// Pages that are remembered at least; a newer one takes the place of an older.
const CELLS: usize = 4096;
/// How long after its first call a page counts as begun, and how many calls of it.
const BEGUN_FOR: Duration = Duration::from_secs(5);
const CALLS_MAX: u64 = 32;
const TICK_NANOS: u64 = 100_000_000;
const COUNT_BITS: u32 = 8;
const TICK_BITS: u32 = 24;

/// Pages or sessions of which a call was admitted of late.
///
/// What was spent on them is lost if the rest is refused (Netflix concurrency-limits 33). Bounded
/// in time and calls, so that nobody can make all of its calls one page.
#[derive(Debug)]
pub(crate) struct Pages {
    /// A page's tag, the tick of its first call and a count of calls.
    cells: Box<[AtomicU64]>,
}

impl Default for Pages {
    fn default() -> Self {
        Self { cells: (0..CELLS).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Pages {
    /// Notes that a call of the page was admitted.
    pub(crate) fn admitted(&self, page: u64, now: Moment) {
        let Some((cell, tag)) = self.cell(page) else { return };
        let word = cell.load(Ordering::Relaxed);
        let is_begun = is_begun(word, tag, now);
        let is_full = word & ((1 << COUNT_BITS) - 1) >= CALLS_MAX;
        let next = if !is_begun {
            tag | tick(now) << COUNT_BITS | 1
        } else if is_full {
            word
        } else {
            word + 1
        };
        cell.store(next, Ordering::Relaxed);
    }

    /// Whether a call of the page goes on with what was begun.
    pub(crate) fn is_begun(&self, page: u64, now: Moment) -> bool {
        self.cell(page).is_some_and(|(cell, tag)| {
            let word = cell.load(Ordering::Relaxed);
            is_begun(word, tag, now) && word & ((1 << COUNT_BITS) - 1) < CALLS_MAX
        })
    }

    fn cell(&self, page: u64) -> Option<(&AtomicU64, u64)> {
        let hash = num::mix(page);
        let cell = self.cells.get(usize::try_from(hash % CELLS as u64).unwrap_or(0))?;
        // Never zero, which is a cell that was not used.
        Some((cell, (hash | 1 << 63) >> (TICK_BITS + COUNT_BITS) << (TICK_BITS + COUNT_BITS)))
    }
}

fn tick(now: Moment) -> u64 {
    now.as_nanos() / TICK_NANOS % (1 << TICK_BITS)
}

fn is_begun(word: u64, tag: u64, now: Moment) -> bool {
    let began = word >> COUNT_BITS & ((1 << TICK_BITS) - 1);
    let ticks = tick(now).wrapping_sub(began) % (1 << TICK_BITS);
    let is_same = word >> (TICK_BITS + COUNT_BITS) == tag >> (TICK_BITS + COUNT_BITS);
    is_same && u128::from(ticks * TICK_NANOS) < BEGUN_FOR.as_nanos()
}

#[cfg(test)]
mod tests;
