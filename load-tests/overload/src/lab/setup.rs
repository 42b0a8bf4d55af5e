//! What a scenario wants: who asks, who answers, and how the edge is configured.

use std::ops::Range;

use headgate_sim::{
    traffic::Stream,
    upstream::{Change, Endpoint, Time},
};
use headgate_types::Class;

/// The usual call.
pub(crate) const USUAL: Time = Time::Erlang2(0.05);

/// A concurrency limit as configured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Concurrency {
    /// Where it starts; the edge's own default without.
    pub(crate) initial: Option<u32>,
    /// The most that it may be.
    pub(crate) max: Option<u32>,
    /// What it does; the layers' usual mode without.
    pub(crate) mode: Option<&'static str>,
}

/// How long clients wait: shorter than in the simulator, so that what is unprotected holds half as
/// many connections.
const PATIENCE: f64 = 1.0;

/// What runs.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Chooses the arrivals and the times of calls.
    pub(crate) seed: u64,
    /// How long clients ask.
    pub(crate) seconds: f64,
    /// Who asks. A stream's `upstream` names the route as well, and its `service` the last part of
    /// the path.
    pub(crate) streams: Vec<Stream>,
    /// Who answers.
    pub(crate) endpoints: Vec<Endpoint>,
    /// Which endpoints form an upstream, with a route each; all in one where none is named.
    pub(crate) upstreams: Vec<Range<usize>>,
    /// What befalls an endpoint, and when.
    pub(crate) changes: Vec<(f64, usize, Change)>,
    /// Whether the layers act.
    pub(crate) protects: bool,
    /// What the client-side throttle does; the layers' usual mode without.
    pub(crate) throttle: Option<&'static str>,
    /// Whether failed attempts are repeated once.
    pub(crate) retries: bool,
    /// The limit of each upstream.
    pub(crate) concurrency: Concurrency,
    /// Bytes of an answer.
    pub(crate) body_bytes: usize,
    /// Timeout of every route.
    pub(crate) timeout_seconds: f64,
    /// Whether the edge writes access lines.
    pub(crate) logs: bool,
    /// Further lines of `[edge.overload]`.
    pub(crate) overload: String,
    /// Further lines of the team's file.
    pub(crate) team: String,
}

impl Setup {
    /// The usual upstream, and nobody who asks.
    pub(crate) fn usual(seed: u64, seconds: f64, protects: bool) -> Self {
        Self {
            seed,
            seconds,
            streams: Vec::new(),
            endpoints: vec![Endpoint::new(20, &[USUAL])],
            upstreams: Vec::new(),
            changes: Vec::new(),
            protects,
            throttle: None,
            retries: false,
            concurrency: Concurrency::default(),
            body_bytes: 256,
            timeout_seconds: 5.0,
            logs: false,
            overload: String::new(),
            team: String::new(),
        }
    }

    /// Clients of one class that ask at a rate.
    pub(crate) fn steady(class: Class, rate: f64) -> Stream {
        Stream { patience: PATIENCE, ..Stream::steady(class, rate) }
    }

    /// The usual mix of classes at these rates.
    #[must_use]
    pub(crate) fn mix(mut self, rate: &[(f64, f64)]) -> Self {
        self.streams = Stream::mix(rate);
        for stream in &mut self.streams {
            stream.patience = PATIENCE;
        }
        self
    }
}
