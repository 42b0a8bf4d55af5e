//! Words with a bounded set of values, shared by metrics and access lines.

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
    /// How one attempt at an upstream ended.
    AttemptResult {
        /// An answer below 500.
        Ok = "ok",
        /// An answer of 500 or above.
        Origin5xx = "origin_5xx",
        /// No connection to the endpoint.
        Connect = "connect",
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
