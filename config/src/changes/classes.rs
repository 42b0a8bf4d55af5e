//! The class of each key.

use super::Class;

/// Each key of the documents with its class; `*` stands for a name that people choose.
///
/// What is bound, opened or started once per process changes only with the process, which
/// `headgate upgrade` replaces without a gap; `data.dir`, where two processes meet, alone needs a
/// restart. A route that
/// asks for other requests or sends them elsewhere is not the route that a WebSocket was opened
/// on. Everything else is read anew by each request.
pub(super) const CLASSES: &[(Class, &[&str])] = &[
    (
        Class::HandOver,
        &[
            "headgate.admin.listen",
            "headgate.data.dir",
            "headgate.data.facts",
            "headgate.edge.listen",
            "headgate.edge.threads",
            "headgate.edge.tls.cert",
            "headgate.edge.tls.certificates.cert",
            "headgate.edge.tls.certificates.key",
            "headgate.edge.tls.key",
            "headgate.edge.tls.listen",
            "headgate.idempotency.dynamodb.endpoint",
            "headgate.idempotency.dynamodb.region",
            "headgate.idempotency.dynamodb.table",
            "headgate.idempotency.store",
            "headgate.passport.issuer",
            "headgate.passport.rotate_every",
            "headgate.passport.ttl",
            "headgate.why.memory",
            "headgate.why.passed_per_second",
        ],
    ),
    (Class::Drain, &["team.route.*.match", "team.route.*.to"]),
    (
        Class::Hot,
        &[
            "headgate.device.name",
            "headgate.device.when",
            "headgate.edge.access_log",
            "headgate.edge.body_idle",
            "headgate.edge.drain.accept_for",
            "headgate.edge.drain.deadline",
            "headgate.edge.h2_idle",
            "headgate.edge.header_timeout",
            "headgate.edge.keep_alive",
            "headgate.edge.max_body",
            "headgate.edge.max_connections",
            "headgate.edge.max_connections_per_client",
            "headgate.edge.max_h2_streams",
            "headgate.edge.max_head",
            "headgate.edge.max_headers",
            "headgate.edge.overload.cut.best_effort",
            "headgate.edge.overload.cut.bulk",
            "headgate.edge.overload.cut.standard",
            "headgate.edge.overload.exempt",
            "headgate.edge.overload.mode",
            "headgate.edge.stream_idle",
            "headgate.edge.timeout",
            "headgate.edge.trusted_peers",
            "headgate.identity.*.api_keys.expires",
            "headgate.identity.*.api_keys.scopes",
            "headgate.identity.*.api_keys.sha256",
            "headgate.identity.*.api_keys.subject",
            "headgate.identity.*.api_keys_file",
            "headgate.identity.*.audience",
            "headgate.identity.*.device_id",
            "headgate.identity.*.header",
            "headgate.identity.*.issuer",
            "headgate.identity.*.jwks",
            "headgate.identity.*.jwks_file",
            "headgate.identity.*.keep_on_outage",
            "headgate.identity.*.leeway",
            "headgate.identity.*.refetch",
            "headgate.identity.*.refresh",
            "headgate.routes.dir",
            "headgate.team.*.ceiling.priority",
            "headgate.team.*.ceiling.public",
            "headgate.team.*.ceiling.timeout",
            "headgate.team.*.claims.devices",
            "headgate.team.*.claims.host",
            "headgate.team.*.claims.prefix",
            "headgate.team.*.delegate.host",
            "headgate.team.*.delegate.prefix",
            "headgate.team.*.delegate.to",
            "headgate.team.*.delegate.until",
            "headgate.testers.jwks_file",
            "team.route.*.auth",
            "team.route.*.canary.salt",
            "team.route.*.canary.sticky",
            "team.route.*.canary.to",
            "team.route.*.canary.weight",
            "team.route.*.concurrency.initial",
            "team.route.*.concurrency.max",
            "team.route.*.concurrency.min",
            "team.route.*.concurrency.mode",
            "team.route.*.ends",
            "team.route.*.experiment.arms.*.to",
            "team.route.*.experiment.arms.*.weight",
            "team.route.*.experiment.salt",
            "team.route.*.experiment.sticky",
            "team.route.*.fallback.body",
            "team.route.*.fallback.status",
            "team.route.*.fallback.to",
            "team.route.*.fallback.type",
            "team.route.*.idempotency.keep",
            "team.route.*.idempotency.lease",
            "team.route.*.idempotency.max_answer",
            "team.route.*.idempotency.max_body",
            "team.route.*.idempotency.on_lost",
            "team.route.*.idempotency.required",
            "team.route.*.idempotency.ttl",
            "team.route.*.idempotency.wait",
            "team.route.*.max_body",
            "team.route.*.mirror.compare",
            "team.route.*.mirror.max_body",
            "team.route.*.mirror.share",
            "team.route.*.mirror.timeout",
            "team.route.*.mirror.to",
            "team.route.*.mirror.writes",
            "team.route.*.priority",
            "team.route.*.rate.burst",
            "team.route.*.rate.mode",
            "team.route.*.rate.per",
            "team.route.*.rate.rate",
            "team.route.*.require.*",
            "team.route.*.retry.budget",
            "team.route.*.retry.max",
            "team.route.*.retry.mode",
            "team.route.*.retry.on",
            "team.route.*.scopes",
            "team.route.*.strangle.ends",
            "team.route.*.strangle.old",
            "team.route.*.strangle.salt",
            "team.route.*.strangle.sticky",
            "team.route.*.strangle.weight",
            "team.route.*.throttle.mode",
            "team.route.*.timeout",
            "team.route.*.try_timeout",
            "team.team",
            "team.upstream.*.breaker.consecutive_failures",
            "team.upstream.*.breaker.mode",
            "team.upstream.*.concurrency.initial",
            "team.upstream.*.concurrency.max",
            "team.upstream.*.concurrency.min",
            "team.upstream.*.concurrency.mode",
            "team.upstream.*.connect_timeout",
            "team.upstream.*.endpoints",
            "team.upstream.*.idle_timeout",
            "team.upstream.*.max_connections",
            "team.upstream.*.max_idle",
            "team.upstream.*.protocol",
        ],
    ),
];

fn all() -> impl Iterator<Item = (Class, &'static str)> {
    CLASSES.iter().flat_map(|(class, keys)| keys.iter().map(|key| (*class, *key)))
}

/// The class of a key, or of a table: the hardest of what it holds. A key that is not listed is
/// left to a process that takes over, which reads everything.
pub(super) fn class_below(key: &str) -> Class {
    let is_below = |one: &str| {
        one.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    all().filter(|(_, one)| is_below(one)).map(|(class, _)| class).max().unwrap_or(Class::HandOver)
}

/// Whether the members of a table have names that people choose.
pub(super) fn has_names_below(key: &str) -> bool {
    all().any(|(_, one)| {
        one.strip_prefix(key).is_some_and(|rest| rest == ".*" || rest.starts_with(".*."))
    })
}
