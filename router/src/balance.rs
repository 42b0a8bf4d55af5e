//! Picks the endpoint that is asked.

use headgate_types::Moment;

/// Picks endpoints by power of two choices over peak-EWMA latency.
#[derive(Debug)]
pub struct Balancer {}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The endpoint answered as it should.
    Success,
    /// It did not.
    Failure,
}

/// One call to an endpoint, in flight until it is finished or dropped.
#[derive(Debug)]
pub struct Call {
    endpoint: usize,
}

impl Balancer {
    /// Makes a balancer for that many endpoints.
    pub fn new(_endpoints_count: usize) -> Self {
        Self {}
    }

    /// Picks an endpoint that was not tried.
    pub fn pick(
        &self,
        _now: Moment,
        _random: u64,
        _is_tried: impl Fn(usize) -> bool,
    ) -> Option<Call> {
        None
    }
}

impl Call {
    /// The endpoint's index.
    pub const fn endpoint(&self) -> usize {
        self.endpoint
    }

    /// Ends the call.
    pub fn finish(self, _now: Moment, _end: End) {}
}
