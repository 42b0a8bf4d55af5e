//! Words with a bounded set of values, shared by metrics and access lines.

use headgate_types::{Outcome, RetryAdvice};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every value, in the order of [`Self::index`].
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word used in metrics and access lines.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// Position in [`Self::ALL`].
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// How a probe ended.
    ProbeResult {
        /// It was answered, and all that it began is done.
        Ok = "ok",
        /// The edge's own listener gave no answer.
        Unreachable = "unreachable",
        /// An answer other than 2xx.
        Status = "status",
        /// It was not over within its time.
        Timeout = "timeout",
        /// A handler refused its event or gave it up.
        Handler = "handler",
    }
}

words! {
    /// How one attempt at an upstream ended.
    AttemptResult {
        /// An answer below 500.
        Ok = "ok",
        /// An answer of 500 or above.
        Origin5xx = "origin_5xx",
        /// No connection to the endpoint.
        Connect = "connect",
        /// No TLS with the endpoint.
        Tls = "tls",
        /// The endpoint's certificate is not good.
        Untrusted = "untrusted",
        /// The endpoint said that it did nothing with the request.
        Refused = "refused",
        /// A pooled connection had died while it idled; nothing of the request was read.
        Stale = "stale",
        /// The endpoint broke off before the end of its answer.
        Reset = "reset",
        /// The endpoint answered what is no valid HTTP.
        Garbled = "garbled",
        /// No answer within the attempt's time.
        Timeout = "timeout",
        /// Given up because the client left or the exchange's deadline passed.
        Cancelled = "cancelled",
        /// The endpoint's connections were all in use.
        Exhausted = "exhausted",
    }
}

words! {
    /// What a tester's token for an arm was good for.
    ArmToken {
        /// It chose the arm.
        Used = "used",
        /// Nothing: it is past its end.
        Expired = "expired",
        /// Nothing: it can't be read, no key of the testers signed it, or it is meant for something
        /// else.
        Invalid = "invalid",
        /// Nothing: it lasts longer than a token may.
        TooLong = "too_long",
        /// Nothing: it names another route, or an arm that the route has not.
        Foreign = "foreign",
    }
}

words! {
    /// What became of a request's copy.
    MirrorResult {
        /// Both answers agree in all that is compared.
        Same = "same",
        /// They do not.
        Different = "different",
        /// They agree as far as they can be compared: a body is no JSON, or too long.
        Incomparable = "incomparable",
        /// The mirror gave no answer.
        Failed = "failed",
        /// The mirror gave none in time.
        Timeout = "timeout",
        /// The caller got no answer as a whole that could be compared.
        Unanswered = "unanswered",
        /// Too many copies were under way; it was not sent.
        Dropped = "dropped",
        /// The request's body was too long; it was not sent.
        TooLarge = "too_large",
    }
}

words! {
    /// How an exchange ended, as far as it matters for keeping it.
    Kept {
        /// The edge had no room for it, and another time may be better.
        Shed = "shed",
        /// The edge refused it for what it was.
        Rejected = "rejected",
        /// The origin or the edge failed, or the client left.
        Failed = "failed",
        /// It was answered. Of many, some are kept.
        Passed = "passed",
    }
}

impl Kept {
    /// How an exchange of this outcome ended.
    pub const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => Self::Passed,
            Outcome::NoRoute
            | Outcome::DeniedAuth
            | Outcome::DeniedPolicy
            | Outcome::ClientBadRequest
            | Outcome::ClientTooLarge
            | Outcome::IdempotencyMissing
            | Outcome::IdempotencyConflict => Self::Rejected,
            // Something else answered, because the origin could not.
            Outcome::OkDegraded => Self::Shed,
            other => match other.retry() {
                RetryAdvice::After => Self::Shed,
                _ => Self::Failed,
            },
        }
    }
}

words! {
    /// What a protective layer said of a request.
    Ruled {
        /// It may pass.
        Admitted = "admitted",
        /// It may not, but the layer only observes: it passed.
        WouldRefuse = "would_refuse",
        /// It may not.
        Refused = "refused",
    }
}

words! {
    /// A protective layer, in the order in which requests meet them.
    Layer {
        /// Connections and memory.
        Connections = "connections",
        /// The edge itself.
        Instance = "instance",
        /// Requests per time.
        Rate = "rate",
        /// Requests at once.
        Concurrency = "concurrency",
        /// An endpoint's breaker.
        Breaker = "breaker",
        /// The share of a failing route that is not even tried.
        Throttle = "throttle",
        /// Retries per successes.
        RetryBudget = "retry_budget",
        /// The time that is left.
        Deadline = "deadline",
    }
}

words! {
    /// Why a protective layer refused.
    LayerReason {
        /// It did not.
        None = "none",
        /// Tasks wait too long for their turn on the edge.
        SchedulerLag = "scheduler_lag",
        /// The edge's CPU quota is used up.
        Cpu = "cpu",
        /// Whoever operates the edge wants it so.
        Operator = "operator",
        /// A key used up its rate.
        RateExceeded = "rate_exceeded",
        /// All permits are out.
        LimitReached = "limit_reached",
        /// The permits that are left are kept for higher classes.
        ClassReserve = "class_reserve",
        /// The permits that are left are another partition's.
        PartitionShare = "partition_share",
        /// The rank is above what the capacity suffices for.
        Level = "level",
        /// No room to wait.
        QueueFull = "queue_full",
        /// The wait would be too long.
        QueueWait = "queue_wait",
        /// The queue has been standing.
        QueueStanding = "queue_standing",
        /// The time left does not suffice.
        DeadlineTooClose = "deadline_too_close",
        /// The endpoint failed too often.
        BreakerOpen = "breaker_open",
        /// As many probes are on their way as may be.
        ProbesTaken = "probes_taken",
        /// The route fails too often.
        FailureRate = "failure_rate",
        /// No retry is left.
        BudgetEmpty = "budget_empty",
    }
}

words! {
    /// What a concurrency limit stands in front of.
    GateScope {
        /// An upstream.
        Upstream = "upstream",
        /// A route.
        Route = "route",
    }
}

words! {
    /// How a breaker stands.
    BreakerState {
        /// Traffic flows.
        Closed = "closed",
        /// It does not.
        Open = "open",
        /// A few calls try whether it may.
        HalfOpen = "half_open",
        /// It flows, less than its share.
        Ramp = "ramp",
    }
}

words! {
    /// The kind of listener that accepted a connection.
    Listener {
        /// Without TLS.
        Plain = "plain",
        /// With TLS.
        Tls = "tls",
    }
}

words! {
    /// Why a client's connection was refused.
    Refusal {
        /// The edge has as many connections as it may.
        InAll = "in_all",
        /// The client address has as many connections as it may.
        PerClient = "per_client",
        /// The edge has no memory for more.
        Memory = "memory",
    }
}

words! {
    /// Why a request head never became an exchange.
    BadHead {
        /// It is no valid HTTP.
        Malformed = "malformed",
        /// It is above the limit of bytes or headers.
        TooLarge = "too_large",
        /// It did not end in time.
        Timeout = "timeout",
        /// The client left in its middle.
        Incomplete = "incomplete",
    }
}

words! {
    /// Why an identity source denied a request.
    Denial {
        /// No credential.
        Missing = "missing",
        /// A credential that can't be read.
        Malformed = "malformed",
        /// A token signed in a way that the source does not accept.
        Algorithm = "algorithm",
        /// A token signed by a key, or an API key, that the source does not know.
        UnknownKey = "unknown_key",
        /// A token of which its server says that it is not active.
        Inactive = "inactive",
        /// A signature that does not verify.
        Signature = "signature",
        /// Past its end.
        Expired = "expired",
        /// Before its begin.
        NotYetValid = "not_yet_valid",
        /// Another issuer's.
        Issuer = "issuer",
        /// Meant for another audience.
        Audience = "audience",
        /// Without a scope that the route demands.
        Scope = "scope",
        /// Without a claim that the route demands.
        Claim = "claim",
        /// The keys that would verify it are out of reach.
        KeysUnavailable = "keys_unavailable",
        /// The server that could tell is out of reach.
        SourceUnavailable = "source_unavailable",
    }
}

words! {
    /// How a delivery of an event to its handler ended.
    Settled {
        /// Its result is recorded.
        Done = "done",
        /// It was refused for good, which is recorded.
        Rejected = "rejected",
        /// An earlier delivery has the outcome.
        Replayed = "replayed",
        /// It failed, and is tried again later.
        Deferred = "deferred",
        /// It was given up.
        Parked = "parked",
        /// Whether its effect happened is not known.
        Held = "held",
        /// A person must look, since an earlier delivery.
        Waiting = "waiting",
        /// It came too late.
        Expired = "expired",
        /// Its key was used for another event.
        Conflict = "conflict",
        /// Another delivery is at work.
        Busy = "busy",
        /// Something that the handler needs is down.
        Dependency = "dependency",
        /// Another delivery took the key over.
        Fenced = "fenced",
        /// The store failed, and the delivery comes again.
        Failed = "failed",
    }
}

words! {
    /// What came of a load of the configuration.
    Reload {
        /// All that the files say is in force.
        Applied = "applied",
        /// In force but for the teams whose files have faults.
        Degraded = "degraded",
        /// What the files say was in force already.
        Unchanged = "unchanged",
        /// Nothing of it took effect.
        Rejected = "rejected",
    }
}
