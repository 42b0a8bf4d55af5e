//! What a concurrency limit's rule sees and says.

use std::{fmt, time::Duration};

use headgate_types::Moment;

/// How a call ended, as a limit's rule sees it: the three ends of Netflix's concurrency-limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// It was answered; its time tells about load.
    Success,
    /// It says nothing about load: the client left, or the answer came from elsewhere.
    Ignore,
    /// Load was refused or timed out: a timeout, a reset, 429 or 503.
    Dropped,
}

/// The end of one call.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When it was let in.
    pub started: Moment,
    /// When it ended.
    pub ended: Moment,
    /// Calls in flight when it was let in, itself included.
    pub in_flight: u32,
    /// Whether anyone was refused or had to wait for a permit since the last sample.
    pub limited: bool,
    /// Whether seats were left then, but kept for a partition with a share of its own.
    pub held_back: bool,
    /// Calls of one kind share a no-load RTT: the route's or partition's number.
    pub kind: usize,
    /// How it ended.
    pub end: End,
}

impl Sample {
    /// How long the call took.
    pub fn rtt(&self) -> Duration {
        self.ended.since(self.started)
    }
}

/// Why a limit moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Where it started, or a value set by hand.
    Set,
    /// All permits were used and calls took no longer than unloaded.
    Headroom,
    /// Calls waited at the upstream.
    Queueing,
    /// Calls waited far beyond doubt, or longer than is ever healthy.
    Overload,
    /// The upstream refused or timed out.
    Loss,
    /// To see what a small move changes.
    Probe,
    /// A cut cost throughput and won no time: the calls themselves take longer.
    Rebaselined,
    /// The upstream answers as before an incident.
    Recovered,
}

impl Cause {
    /// The word used in metrics and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Headroom => "headroom",
            Self::Queueing => "queueing",
            Self::Overload => "overload",
            Self::Loss => "loss",
            Self::Probe => "probe",
            Self::Rebaselined => "rebaselined",
            Self::Recovered => "recovered",
        }
    }
}

/// A rule that moves a concurrency limit.
pub trait Limit: fmt::Debug + Send {
    /// Calls that may be in flight.
    fn limit(&self) -> u32;

    /// Whether the limit was lowered far of late, and it is not known yet whether that was right.
    fn is_unsure(&self) -> bool {
        false
    }

    /// Sets the bounds of the limit; what was learnt stays.
    fn set_bounds(&mut self, _min: u32, _max: u32) {}

    /// Learns from the end of a call.
    fn on_sample(&mut self, sample: &Sample);

    /// The time that an unloaded call takes, once known.
    fn no_load_rtt(&self) -> Option<Duration> {
        None
    }

    /// Why the limit last moved.
    fn cause(&self) -> Cause {
        Cause::Set
    }
}

/// A limit that never moves.
#[derive(Clone, Copy, Debug)]
pub struct Fixed(pub u32);

impl Limit for Fixed {
    fn limit(&self) -> u32 {
        self.0
    }

    fn on_sample(&mut self, _sample: &Sample) {}
}
