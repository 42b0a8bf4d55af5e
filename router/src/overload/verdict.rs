//! The one answer of every protective layer: admitted, or refused with the reason.

use std::{fmt, time::Duration};

/// The layer that refused, in the order in which a request meets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Connections and memory.
    Connections,
    /// The edge itself: scheduler lag, CPU, requests in flight.
    Instance,
    /// Requests per time.
    Rate,
    /// Requests at once, with their queue.
    Concurrency,
    /// An endpoint's breaker.
    Breaker,
    /// The share of a failing route that is not even tried.
    Throttle,
    /// Retries per successes.
    RetryBudget,
    /// The time that is left.
    Deadline,
}

/// Why a layer refused. Each has one word that answers, metrics and traces share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Tasks wait too long for their turn on the edge. Observed and limit in seconds.
    SchedulerLag,
    /// Whoever operates the edge wants it so. Observed and limit as shares.
    Operator,
    /// The edge's CPU quota is used up. Observed and limit as shares of the quota.
    Cpu,
    /// A key used up its rate. Observed and limit in requests per second.
    RateExceeded,
    /// All permits are out.
    LimitReached,
    /// The permits that are left are kept for higher classes.
    ClassReserve,
    /// The permits that are left belong to another partition's guaranteed share.
    PartitionShare,
    /// The priority level is above what the capacity suffices for.
    Level,
    /// No room to wait.
    QueueFull,
    /// The wait would be longer than allowed. Observed and limit in seconds.
    QueueWait,
    /// The queue has been standing; who waited too long is let go. Observed and limit in seconds.
    QueueStanding,
    /// The time left does not suffice. Observed and limit in seconds.
    DeadlineTooClose,
    /// The endpoint failed too often.
    BreakerOpen,
    /// As many probes are on their way as allowed.
    ProbesTaken,
    /// The route's recent share of successes is too low.
    FailureRate,
    /// No retry is left in the budget.
    BudgetEmpty,
}

impl Layer {
    /// The word used in answers, metrics and traces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Instance => "instance",
            Self::Rate => "rate",
            Self::Concurrency => "concurrency",
            Self::Breaker => "breaker",
            Self::Throttle => "throttle",
            Self::RetryBudget => "retry_budget",
            Self::Deadline => "deadline",
        }
    }
}

impl Reason {
    /// The word used in answers, metrics and traces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::SchedulerLag => "scheduler_lag",
            Self::Cpu => "cpu",
            Self::RateExceeded => "rate_exceeded",
            Self::LimitReached => "limit_reached",
            Self::ClassReserve => "class_reserve",
            Self::PartitionShare => "partition_share",
            Self::Level => "level",
            Self::QueueFull => "queue_full",
            Self::QueueWait => "queue_wait",
            Self::QueueStanding => "queue_standing",
            Self::DeadlineTooClose => "deadline_too_close",
            Self::BreakerOpen => "breaker_open",
            Self::ProbesTaken => "probes_taken",
            Self::FailureRate => "failure_rate",
            Self::BudgetEmpty => "budget_empty",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a request may not pass, with everything an operator needs to explain it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refusal {
    /// Who refused.
    pub layer: Layer,
    /// Why.
    pub reason: Reason,
    /// What was measured, in the reason's unit.
    pub observed: f64,
    /// What it may be at most (or, for a deadline, at least).
    pub limit: f64,
    /// When trying again makes sense.
    pub retry_after: Duration,
    /// The request's rank, from 0 (kept longest) to 511.
    pub level: u16,
    /// Ranks from this one on were refused; 512 when the rank played no part.
    pub threshold: u16,
}

/// The threshold that refuses nobody: one above the last rank.
pub const ADMIT_ALL: u16 = 512;

impl Refusal {
    /// A refusal in which the rank played no part.
    pub const fn new(layer: Layer, reason: Reason, observed: f64, limit: f64) -> Self {
        Self {
            layer,
            reason,
            observed,
            limit,
            retry_after: Duration::from_secs(1),
            level: 0,
            threshold: ADMIT_ALL,
        }
    }

    /// Sets when trying again makes sense.
    #[must_use]
    pub const fn after(mut self, retry_after: Duration) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// Sets the request's rank and the threshold it met.
    #[must_use]
    pub const fn at_level(mut self, level: u16, threshold: u16) -> Self {
        self.level = level;
        self.threshold = threshold;
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, reason, observed, limit, .. } = self;
        write!(f, "{layer};reason={reason};observed={observed:.3};limit={limit:.3}")
    }
}

/// What a layer says to one request. `P` is what an admitted one holds while it runs.
#[must_use = "an admitted request's permit is released when it is dropped"]
#[derive(Debug)]
pub enum Verdict<P = ()> {
    /// It may pass.
    Admitted(P),
    /// It may not.
    Refused(Refusal),
}

impl<P> Verdict<P> {
    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Admitted(_) => None,
            Self::Refused(refusal) => Some(refusal),
        }
    }

    /// The permit, if admitted.
    pub fn admitted(self) -> Option<P> {
        match self {
            Self::Admitted(permit) => Some(permit),
            Self::Refused(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
