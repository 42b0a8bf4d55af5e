//! Whether a layer is off, only watches, or acts; and what it did.

use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use headgate_types::Ratio;

use super::{num, verdict::Refusal};
use crate::ParseError;

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

/// Enforces for all.
impl Default for Mode {
    fn default() -> Self {
        Self::Enforce(Ratio::new(1.0).unwrap_or_default())
    }
}

const ALLOWED: &str = "off, observe, enforce, or enforce:25% for a share of what is refused";

impl FromStr for Mode {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => return Ok(Self::Off),
            "observe" => return Ok(Self::Observe),
            "enforce" => return Ok(Self::default()),
            _ => {}
        }
        let share = text.strip_prefix("enforce:").filter(|share| share.ends_with('%'));
        let share = share.and_then(|share| share.parse().ok());
        share.map(Self::Enforce).ok_or_else(|| ParseError::new(0..text.len(), "no mode", ALLOWED))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Observe => f.write_str("observe"),
            Self::Enforce(share) if share.as_f64() >= 1.0 => f.write_str("enforce"),
            Self::Enforce(share) => write!(f, "enforce:{share}"),
        }
    }
}

/// What a layer makes of its own refusal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ruled {
    /// There was none, or the layer is off.
    Admitted,
    /// It is counted, and the request passes.
    WouldRefuse(Refusal),
    /// It is carried out.
    Refused(Refusal),
}

impl Ruled {
    /// The refusal that is to be carried out.
    pub fn refused(self) -> Option<Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Admitted | Self::WouldRefuse(_) => None,
        }
    }
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
        Self::new(Mode::default())
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
        self.rule(refusal, draw).refused()
    }

    /// Counts what the layer decided, and says what becomes of it.
    pub fn rule(&self, refusal: Option<Refusal>, draw: u64) -> Ruled {
        if !self.is_on() {
            return Ruled::Admitted;
        }
        let Some(refusal) = refusal else {
            self.admitted.fetch_add(1, Ordering::Relaxed);
            return Ruled::Admitted;
        };
        self.would_refuse.fetch_add(1, Ordering::Relaxed);
        if self.enforces(draw) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            Ruled::Refused(refusal)
        } else {
            self.admitted.fetch_add(1, Ordering::Relaxed);
            Ruled::WouldRefuse(refusal)
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
