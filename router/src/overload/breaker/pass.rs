//! The right to call an endpoint, and what it counts for.

use crate::overload::{leases::Lease, mode::Switch, verdict::Refusal};

/// A call that the breaker let pass.
#[must_use = "how the call ended is to be recorded; a probe that was not made is given back"]
#[derive(Debug)]
pub struct Pass {
    pub(super) probe: Option<Lease>,
    pub(super) generation: u32,
}

/// Generations of passes that were given while closed, and that enforcing would not have given.
pub(super) const WHILE_CLOSED: u32 = u32::MAX;
const NOT_ENFORCED: u32 = u32::MAX - 1;

impl Pass {
    pub(super) const fn while_closed() -> Self {
        Self { probe: None, generation: WHILE_CLOSED }
    }

    /// Whether enforcing would have given it too, so that the call's end counts. A layer that is
    /// off gives none that does.
    pub fn counts(&self) -> bool {
        self.generation != NOT_ENFORCED
    }

    /// Whether the call is a probe, which no retry should follow.
    pub fn is_probe(&self) -> bool {
        self.probe.is_some()
    }
}

/// A pass that enforcing would not have given: how its call ends counts for nothing.
pub(in crate::overload) struct NotEnforced;

impl From<NotEnforced> for Pass {
    fn from(_: NotEnforced) -> Self {
        Self { probe: None, generation: NOT_ENFORCED }
    }
}

impl From<NotEnforced> for Option<Pass> {
    fn from(it: NotEnforced) -> Self {
        Some(it.into())
    }
}

/// Counts a decision; where it is not enforced, the call passes all the same.
pub(in crate::overload) fn settle<P: From<NotEnforced>>(
    switch: &Switch,
    draw: u64,
    decide: impl FnOnce() -> Result<P, Refusal>,
) -> Result<P, Refusal> {
    if !switch.is_on() {
        return Ok(P::from(NotEnforced));
    }
    let (pass, refusal) = match decide() {
        Ok(pass) => (pass, None),
        Err(refusal) => (P::from(NotEnforced), Some(refusal)),
    };
    match switch.settle(refusal, draw) {
        Some(refusal) => Err(refusal),
        None => Ok(pass),
    }
}
