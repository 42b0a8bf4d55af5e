//! Whether a layer is off, only watches, or acts; and what it did.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use headgate_types::Ratio;

use super::{num, verdict::Refusal};

/// What a layer may do with its refusals.
///
/// After Envoy's local rate limit, whose fractions `filter_enabled` and `filter_enforced` have
/// counters of their own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Nothing is computed.
    Off,
    /// Everything is computed and counted, and nobody is refused.
    Observe,
    /// That share of those whom the layer refuses is refused; the rest is counted as observed.
    Enforce(Ratio),
}

/// What a layer has decided since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that passed.
    pub admitted: u64,
    /// Requests that the rule refused, whether or not they were let through.
    pub would_refuse: u64,
    /// Requests that were refused: never more than `would_refuse`.
    pub refused: u64,
}

/// A layer's mode, which can change while requests pass, and its counts.
#[derive(Debug)]
pub struct Switch {
    /// [`OFF`], [`OBSERVE`], or the enforced share in steps of 1 / [`STEPS`].
    mode: AtomicU32,
    admitted: AtomicU64,
    would_refuse: AtomicU64,
    refused: AtomicU64,
}

const OFF: u32 = u32::MAX;
const OBSERVE: u32 = u32::MAX - 1;
const STEPS: f64 = 10_000.0;
/// Parts this draw from others that layers make from the same number.
const DRAW: u64 = 0x5157_4954_4348;

impl Default for Switch {
    /// Enforces for all.
    fn default() -> Self {
        Self::new(Mode::Enforce(Ratio::new(1.0).unwrap_or_default()))
    }
}

impl Switch {
    /// Starts in `mode` with counts at zero.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode: AtomicU32::new(encode(mode)),
            admitted: AtomicU64::new(0),
            would_refuse: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Changes the mode from the next request on. Counts and learnt state stay.
    pub fn set(&self, mode: Mode) {
        self.mode.store(encode(mode), Ordering::Relaxed);
    }

    /// The mode in force.
    pub fn mode(&self) -> Mode {
        match self.mode.load(Ordering::Relaxed) {
            OFF => Mode::Off,
            OBSERVE => Mode::Observe,
            steps => Mode::Enforce(Ratio::new(f64::from(steps) / STEPS).unwrap_or_default()),
        }
    }

    /// Whether anything has to be computed.
    pub fn is_on(&self) -> bool {
        self.mode.load(Ordering::Relaxed) != OFF
    }

    /// Whether a refusal would be carried out for the request with this `draw`.
    ///
    /// `draw` is any number that belongs to the request, such as its trace ID's low half, so that
    /// all calls of one page fall on the same side of a partial enforcement.
    pub fn enforces(&self, draw: u64) -> bool {
        match self.mode.load(Ordering::Relaxed) {
            OFF | OBSERVE => false,
            steps => num::unit(draw ^ DRAW) * STEPS < f64::from(steps),
        }
    }

    /// Counts what the layer decided, and gives back the refusal if it is to be carried out.
    pub fn settle(&self, refusal: Option<Refusal>, draw: u64) -> Option<Refusal> {
        if !self.is_on() {
            return None;
        }
        let Some(refusal) = refusal else {
            self.admitted.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.would_refuse.fetch_add(1, Ordering::Relaxed);
        if self.enforces(draw) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            Some(refusal)
        } else {
            self.admitted.fetch_add(1, Ordering::Relaxed);
            None
        }
    }

    /// What was decided so far.
    pub fn counts(&self) -> Counts {
        Counts {
            admitted: self.admitted.load(Ordering::Relaxed),
            would_refuse: self.would_refuse.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

fn encode(mode: Mode) -> u32 {
    match mode {
        Mode::Off => OFF,
        Mode::Observe => OBSERVE,
        Mode::Enforce(share) => num::count(share.as_f64() * STEPS),
    }
}

#[cfg(test)]
mod tests;
