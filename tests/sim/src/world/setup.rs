//! What a world is made of.

use headgate_router::overload::concurrency::Settings;

use crate::{
    rivals::Rule,
    traffic::Stream,
    upstream::{Change, Endpoint},
};

/// A gate of the edge.
#[derive(Clone, Debug)]
pub struct GateSetup {
    /// What moves its limit.
    pub rule: Rule,
    /// Where the limit starts, unless where the rule says.
    pub initial: Option<u32>,
    /// Everything else.
    pub settings: Settings,
}

impl GateSetup {
    /// A gate with the rule's defaults.
    pub fn new(rule: Rule) -> Self {
        Self { rule, initial: None, settings: Settings::default() }
    }
}

/// What the edge does after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retries {
    /// Nothing.
    None,
    /// One retry, however many there are.
    Unlimited,
    /// One retry from a budget.
    Budgeted,
}

/// A world to run.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent parts of a world, each read by its name"
)]
pub struct Setup {
    /// Chooses the history.
    pub seed: u64,
    /// How long, in seconds.
    pub seconds: f64,
    /// Who asks.
    pub streams: Vec<Stream>,
    /// Who answers.
    pub endpoints: Vec<Endpoint>,
    /// Which endpoints form an upstream; all in one where none is named.
    pub upstreams: Vec<std::ops::Range<usize>>,
    /// Whether endpoints are chosen by load and have breakers; else in turn.
    pub balances: bool,
    /// What the edge tries again.
    pub retries: Retries,
    /// What befalls an endpoint, and when in seconds.
    pub changes: Vec<(f64, usize, Change)>,
    /// The edge's gates; none: everything passes.
    pub gates: Vec<GateSetup>,
    /// The edge's own timeout in seconds.
    pub timeout: f64,
    /// Whether the edge minds deadlines.
    pub deadlines: bool,
    /// Whether levels come from usage and hash; else by lot for each request.
    pub fair_levels: bool,
    /// Whether rtts of all calls are kept in the figures.
    pub keep_rtts: bool,
}

impl Setup {
    /// The usual upstream (20 slots, Erlang-2 of 50 ms: 400 requests a second) behind one gate.
    pub fn usual(seed: u64, seconds: f64, rule: Option<Rule>) -> Self {
        Self {
            seed,
            seconds,
            streams: Vec::new(),
            endpoints: vec![Endpoint::new(20, &[crate::upstream::Time::Erlang2(0.05)])],
            upstreams: Vec::new(),
            balances: false,
            retries: Retries::None,
            changes: Vec::new(),
            gates: rule.map(GateSetup::new).into_iter().collect(),
            timeout: 5.0,
            deadlines: true,
            fair_levels: true,
            keep_rtts: false,
        }
    }
}
