//! The rules, by number. A number is never given twice.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

use crate::audit::{Mark, Subject, edge, overload, owners, routes, upstreams};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Housekeeping.
    Low,
    /// Likely a mistake, or to be done soon.
    Medium,
    /// Harms somebody soon, or opens a way in.
    High,
    /// Harms somebody now.
    Critical,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is no severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseSeverityError;

impl fmt::Display for ParseSeverityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected low, medium, high or critical")
    }
}

impl std::error::Error for ParseSeverityError {}

impl FromStr for Severity {
    type Err = ParseSeverityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or(ParseSeverityError)
    }
}

/// A rule of the audit.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Its number, which it keeps: `HGA001`.
    pub id: &'static str,
    /// Its name in words.
    pub name: &'static str,
    /// How much its findings matter.
    pub severity: Severity,
    /// What it finds.
    pub finds: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    pub(crate) find: fn(&Subject<'_>) -> Vec<Mark>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rule").field(&self.id).finish()
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Rule {}

/// As its number.
impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

impl Rule {
    /// The rule of a number or a name.
    pub fn named(text: &str) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(text) || rule.name == text)
    }
}

/// All rules, by number.
pub const RULES: &[Rule] = &[
    Rule {
        id: "HGA001",
        name: "public-route",
        severity: Severity::Medium,
        finds: "A route that anybody may call, as often as they like: it has no `rate` that is enforced.",
        remedy: "Name an identity source in `auth` or a `rate`, or ignore the rule for this route.",
        find: routes::public,
    },
    Rule {
        id: "HGA002",
        name: "tries-exceed-timeout",
        severity: Severity::Medium,
        finds: "A route whose tries may together take longer than its `timeout`: the last ones are cut short.",
        remedy: "Shorten `try_timeout`, lower `retry.max`, or give the exchange more time.",
        find: routes::tries,
    },
    Rule {
        id: "HGA003",
        name: "route-past-end",
        severity: Severity::Medium,
        finds: "A route that is served after the day in `ends`, or still strangles a legacy service after that of `strangle`.",
        remedy: "Take the route out, or move `ends`.",
        find: routes::past_end,
    },
    Rule {
        id: "HGA004",
        name: "claim-without-routes",
        severity: Severity::Low,
        finds: "A claim in which its team has no route.",
        remedy: "Give the claim back, so that others can have it.",
        find: owners::without_routes,
    },
    Rule {
        id: "HGA005",
        name: "claim-without-traffic",
        severity: Severity::Low,
        finds: "A claim whose routes have had no request. Only with `--admin`, since the edge's start or as far back as facts of requests are kept.",
        remedy: "Ask the team whether the routes are still needed.",
        find: owners::without_traffic,
    },
    Rule {
        id: "HGA006",
        name: "unreachable-route",
        severity: Severity::High,
        finds: "A route that no request reaches: for each method and device class another route on the same path goes before it.",
        remedy: "Take the route out, or let the others match less.",
        find: routes::unreachable,
    },
    Rule {
        id: "HGA007",
        name: "certificate-expired",
        severity: Severity::Critical,
        finds: "A certificate of the TLS listener, or one of its chain, that is over: clients refuse it. Likewise one that the edge shows to an upstream, and authorities of an upstream that are all over.",
        remedy: "Renew the certificate.",
        find: edge::expired_certificates,
    },
    Rule {
        id: "HGA008",
        name: "certificate-expiring",
        severity: Severity::High,
        finds: "A certificate of the TLS listener, or one of its chain, that ends within 30 days. Likewise one that the edge shows to an upstream, and the last of an upstream's authorities.",
        remedy: "Renew the certificate.",
        find: edge::expiring_certificates,
    },
    Rule {
        id: "HGA009",
        name: "upstream-without-routes",
        severity: Severity::Low,
        finds: "An upstream that no route leads to.",
        remedy: "Take the upstream out, or route to it.",
        find: routes::idle_upstreams,
    },
    Rule {
        id: "HGA010",
        name: "retry-not-idempotent",
        severity: Severity::Low,
        finds: "A route that takes no idempotent method and names retries of requests that were sent, which are never made.",
        remedy: "Leave `connect` alone in `retry.on`, or let callers repeat safely by `idempotency`.",
        find: routes::vain_retries,
    },
    Rule {
        id: "HGA011",
        name: "keys-over-http",
        severity: Severity::High,
        finds: "Keys that verify tokens, fetched without TLS from another machine: whoever is on the way can replace them.",
        remedy: "Use an `https` URL in `jwks`.",
        find: edge::plain_keys,
    },
    Rule {
        id: "HGA012",
        name: "admin-not-on-loopback",
        severity: Severity::High,
        finds: "An admin listener that other machines can reach, where nothing asks who calls.",
        remedy: "Listen on loopback, or make sure that only operators can reach the address.",
        find: edge::open_admin,
    },
    Rule {
        id: "HGA013",
        name: "api-key-expired",
        severity: Severity::Low,
        finds: "An API key that is over, and refused.",
        remedy: "Take the key out.",
        find: edge::expired_keys,
    },
    Rule {
        id: "HGA014",
        name: "api-key-expiring",
        severity: Severity::Medium,
        finds: "An API key that ends within 30 days.",
        remedy: "Give its holder a new one.",
        find: edge::expiring_keys,
    },
    Rule {
        id: "HGA015",
        name: "listener-without-tls",
        severity: Severity::Medium,
        finds: "A listener without TLS that other machines can reach.",
        remedy: "Listen by `edge.tls`, or on loopback behind something that ends TLS.",
        find: edge::plain_listeners,
    },
    Rule {
        id: "HGA016",
        name: "delegation-ending",
        severity: Severity::Medium,
        finds: "A delegation that ends within 30 days: the other team's routes are then at fault.",
        remedy: "Move `until`, or let the other team take its routes out.",
        find: owners::ending,
    },
    Rule {
        id: "HGA017",
        name: "delegation-without-end",
        severity: Severity::Low,
        finds: "A delegation without `until`.",
        remedy: "Name a day on which both teams look at it again.",
        find: owners::endless,
    },
    Rule {
        id: "HGA018",
        name: "route-limit-in-vain",
        severity: Severity::Low,
        finds: "A route whose own `concurrency.min` is not below its upstream's `max`: its own limit never refuses anybody.",
        remedy: "Lower the route's bounds, or leave the limit to the upstream.",
        find: overload::vain_route_limits,
    },
    Rule {
        id: "HGA019",
        name: "nothing-to-shed",
        severity: Severity::Medium,
        finds: "An upstream with several routes that are all critical: under overload nothing can be refused before something that matters.",
        remedy: "Lower the `priority` of what users would hardly miss.",
        find: overload::nothing_to_shed,
    },
    Rule {
        id: "HGA020",
        name: "layer-without-effect",
        severity: Severity::Low,
        finds: "A protective layer that is `off` or only observes.",
        remedy: "Enforce it once its counts are as they should be: `headgate limits`.",
        find: overload::unprotected,
    },
    Rule {
        id: "HGA021",
        name: "fallback-falls-too",
        severity: Severity::Medium,
        finds: "A route whose fallback shares an endpoint with its upstream: both fail together.",
        remedy: "Fall back to another service, or to a static answer.",
        find: overload::fallbacks_that_fall_too,
    },
    Rule {
        id: "HGA022",
        name: "limit-above-connections",
        severity: Severity::Low,
        finds: "An upstream whose limit may rise above the connections that it can have: who is let in then finds none.",
        remedy: "Lower `concurrency.max`, or raise `max_connections`.",
        find: overload::limits_above_connections,
    },
    Rule {
        id: "HGA023",
        name: "unverified-upstream",
        severity: Severity::High,
        finds: "An upstream whose endpoints' certificates are not verified: whoever is on the way can read and change everything.",
        remedy: "Name the authority in `tls.ca`, or the name to expect in `tls.server_name`, and drop `verify`.",
        find: upstreams::unverified,
    },
    Rule {
        id: "HGA024",
        name: "route-never-preferred",
        severity: Severity::Medium,
        finds: "A route that matches requests which the edge has seen, and would get none of them: another route goes before it for each. Only with `--admin`, as far back as facts of requests are kept.",
        remedy: "Take the route out, let the others match less, or wait for a request that only it matches.",
        find: routes::never_preferred,
    },
];
