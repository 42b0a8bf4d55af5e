//! A number and the time of its last change in one atomic word.

use std::sync::atomic::{AtomicU64, Ordering};

use headgate_types::Moment;

/// A number with the time of its last change, so that both change together without a lock.
///
/// The upper half is the number as `f32`; the lower half is the time in ticks of 2^20 ns, about a
/// millisecond. Ticks wrap after 52 days: a word that was left alone for longer than half of that
/// passes as fresh once. Time never runs backwards: where threads pass each other, the later tick
/// stays.
#[derive(Debug, Default)]
pub(crate) struct Stamped(AtomicU64);

const TICK_SECONDS: f32 = 0.001_048_576;

impl Stamped {
    pub(crate) fn new(number: f32, now: Moment) -> Self {
        Self(AtomicU64::new(pack(number, tick(now))))
    }

    /// The number, and the seconds since its last change.
    pub(crate) fn get(&self, now: Moment) -> (f32, f32) {
        let (number, at) = unpack(self.0.load(Ordering::Relaxed));
        (number, seconds_since(at, tick(now)))
    }

    /// Replaces the number by what `next` makes of it and of the seconds since its last change.
    /// False when `next` declines; then nothing has changed.
    pub(crate) fn update(&self, now: Moment, next: impl Fn(f32, f32) -> Option<f32>) -> bool {
        let now = tick(now);
        let next = |word| {
            let (number, at) = unpack(word);
            let seconds = seconds_since(at, now);
            let at = if seconds > 0.0 { now } else { at };
            next(number, seconds).map(|number| pack(number, at))
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

fn tick(moment: Moment) -> u32 {
    lower_half(moment.as_nanos() >> 20)
}

/// Zero when the second tick is not later.
fn seconds_since(earlier: u32, later: u32) -> f32 {
    let ticks = later.wrapping_sub(earlier);
    if ticks > u32::MAX / 2 { 0.0 } else { ticks as f32 * TICK_SECONDS }
}

fn pack(number: f32, tick: u32) -> u64 {
    u64::from(number.to_bits()) << 32 | u64::from(tick)
}

fn unpack(word: u64) -> (f32, u32) {
    (f32::from_bits(lower_half(word >> 32)), lower_half(word))
}

fn lower_half(word: u64) -> u32 {
    u32::try_from(word & u64::from(u32::MAX)).expect("32 bits are left")
}

#[cfg(test)]
mod tests;
