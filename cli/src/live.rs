//! The running edge as the admin API shows it.

pub(crate) mod limits;
mod mirror;
mod passport;
mod strangle;
mod why;

pub(crate) use self::passport::Keys;

use std::{collections::BTreeSet, sync::Arc};

use headgate_admin::{
    DiscoveryStatus, EndpointStatus, FactsAsk, IdentityStatus, LimitsStatus, ListenerStatus,
    MirrorStatus, NotKept, RouteStatus, Status, StatusSource, StrangleStatus, UpstreamStatus, Why,
};
use headgate_config::Loaded;
use headgate_gateway::{
    Edge, Phase, UpstreamState,
    identity::SourceStatus,
    settings::{IdentityKind, Route},
};
use headgate_telemetry::access;
use headgate_types::{Clock, TraceId, UnixTime, format_duration};
use tokio::sync::watch;

use crate::{
    facts::{self, FactsLog},
    plan::Configuration,
    reload::Running,
    serve::Addresses,
};

/// Tells the state of the running edge.
#[derive(Debug)]
pub(crate) struct Live {
    edge: Arc<Edge>,
    clock: Arc<dyn Clock>,
    started_at: UnixTime,
    log: access::Log,
    listeners: Vec<ListenerStatus>,
    /// What is in force.
    running: watch::Receiver<Arc<Running>>,
    facts: Option<FactsLog>,
}

impl Live {
    pub(crate) fn new(
        edge: &Arc<Edge>,
        running: watch::Receiver<Arc<Running>>,
        addresses: &Addresses,
        clock: Arc<dyn Clock>,
        log: access::Log,
    ) -> Self {
        let kind = |tls| if tls { "tls" } else { "plain" }.to_owned();
        let listeners = addresses.edge.iter();
        Self {
            edge: Arc::clone(edge),
            started_at: clock.unix_time(),
            clock,
            log,
            listeners: listeners
                .map(|one| ListenerStatus { kind: kind(one.is_tls), address: one.address })
                .chain([ListenerStatus { kind: "admin".to_owned(), address: addresses.admin }])
                .collect(),
            running,
            facts: None,
        }
    }

    /// Tells facts of requests too.
    pub(crate) fn with_facts(mut self, facts: Option<FactsLog>) -> Self {
        self.facts = facts;
        self
    }

    fn running(&self) -> Arc<Running> {
        Arc::clone(&self.running.borrow())
    }
}

/// Teams that own routes.
fn teams(loaded: &Loaded) -> Vec<String> {
    let routes = loaded.settings.routes.iter();
    let teams: BTreeSet<&str> = routes.map(|route| route.team.as_ref()).collect();
    teams.into_iter().map(str::to_owned).collect()
}

/// The routes in the order in which they are preferred.
fn routes(loaded: &Loaded) -> Vec<RouteStatus> {
    let settings = &loaded.settings;
    let status = |route: &Route| {
        Some(RouteStatus {
            team: route.team.to_string(),
            name: route.name.to_string(),
            pattern: route.pattern.to_string(),
            to: crate::routes::leads_to(loaded, route)?,
            auth: crate::routes::auth_name(loaded, route),
            priority: route.priority.as_str().to_owned(),
            timeout: format_duration(route.timeout.unwrap_or(settings.edge.limits.request_timeout)),
        })
    };
    settings.routes.iter().filter_map(status).collect()
}

const fn word(kind: &IdentityKind) -> &'static str {
    match kind {
        IdentityKind::Jwt(_) => "jwt",
        IdentityKind::ApiKeys(_) => "api_keys",
        IdentityKind::Certificate(_) => "client_cert",
        IdentityKind::Introspection(_) => "introspect",
    }
}

impl StatusSource for Live {
    fn status(&self) -> Status {
        let now = self.clock.unix_time();
        let running = self.running();
        let loaded = &running.loaded;
        let kinds = loaded.settings.identity.iter().map(|one| word(&one.kind));
        let sources = self.edge.authenticator().status();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at.to_string(),
            uptime_seconds: now.since(self.started_at).as_secs(),
            readiness: readiness(self.edge.lifecycle().phase()).to_owned(),
            config_digest: loaded.digest.clone(),
            config: running.status(),
            listeners: self.listeners.clone(),
            teams: teams(loaded),
            routes_count: loaded.settings.routes.len(),
            upstreams: self.edge.upstreams().iter().map(upstream).collect(),
            identity: sources.iter().zip(kinds).map(identity).collect(),
            in_flight: self.edge.lifecycle().in_flight() as u64,
            connections: self.edge.connections_open() as u64,
            access_lines_dropped: self.log.dropped(),
        }
    }

    fn routes(&self) -> Vec<RouteStatus> {
        routes(&self.running().loaded)
    }

    fn mirrors(&self) -> Vec<MirrorStatus> {
        self.edge.mirrors().iter().map(mirror::status).collect()
    }

    fn strangle(&self) -> Vec<StrangleStatus> {
        strangle::strangle(&self.edge.splits(), self.clock.unix_time())
    }

    fn limits(&self) -> LimitsStatus {
        limits::limits(&self.edge.limits())
    }

    fn why(&self, trace: TraceId) -> Result<Why, NotKept> {
        why::why(&self.edge.why(trace))
    }

    fn config(&self) -> String {
        serde_json::to_string(&Configuration::of(&self.running().loaded)).unwrap_or_default()
    }

    fn facts(&self, ask: FactsAsk) -> String {
        let now = self.clock.unix_time();
        self.facts.as_ref().map_or_else(facts::no_page, |facts| facts.page(ask, now))
    }
}

const fn readiness(phase: Phase) -> &'static str {
    match phase {
        Phase::Serving => "ready",
        _ => "draining",
    }
}

fn upstream(state: &UpstreamState) -> UpstreamStatus {
    let endpoints = state.endpoints.iter().map(|endpoint| EndpointStatus {
        address: endpoint.address.to_string(),
        in_flight: endpoint.load.in_flight,
        latency_ms: endpoint.load.latency.map(|latency| latency.as_secs_f64() * 1_000.0),
        health: endpoint.health.map(|(state, _)| state.as_str().to_owned()),
        fault: endpoint.health.and_then(|(_, fault)| fault).map(str::to_owned),
        is_drained: endpoint.is_drained,
        weight: endpoint.weight,
        zone: endpoint.zone.as_ref().map(ToString::to_string),
    });
    UpstreamStatus {
        team: state.team.to_string(),
        name: state.name.to_string(),
        discovery: state.discovery.as_ref().map(|discovery| DiscoveryStatus {
            question: discovery.question.clone(),
            age_seconds: discovery.age.map(|age| age.as_secs()),
            fault: discovery.fault.map(|fault| fault.as_str().to_owned()),
            left_out: discovery.left_out,
        }),
        endpoints: endpoints.collect(),
    }
}

fn identity((source, kind): (&SourceStatus, &'static str)) -> IdentityStatus {
    IdentityStatus {
        name: source.name.to_string(),
        kind: kind.to_owned(),
        keys_count: source.keys_count,
        keys_age_seconds: source.age.map(|age| age.as_secs()),
        is_healthy: source.is_usable,
        fault: source.last_error.clone(),
    }
}
