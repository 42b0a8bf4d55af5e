//! Checks the documents against one another, and makes the settings from them.

use std::{path::PathBuf, time::Duration};

use headgate_events::NoticeClass;
use headgate_gateway::settings::{Route, Settings};
use headgate_router::device::Rule;
use headgate_types::{ByteSize, UnixTime, format_duration};

use crate::{
    document::{platform::FACTS_MAX, team::TeamFile},
    fault::{Code, Draft, Report},
    load::{Document, EventLog, Exchanges, Input, Origin, Probe, Records, Sink},
    resolve::{at::At, claims::Claims, last_good::LastGood},
    source::{Place, key_path},
};

mod at;
mod auth;
pub(crate) mod claims;
mod edge;
mod endpoints;
mod events;
mod idempotency;
mod identity;
mod kafka;
pub(crate) mod last_good;
mod overload;
mod probes;
mod route;
mod sinks;
mod split;
mod team;
mod tls;
mod upstreams;

/// What the documents come to; of no use when the report is not clean.
pub(crate) struct Resolved {
    pub(crate) settings: Settings,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) records: Option<Records>,
    pub(crate) events: Option<EventLog>,
    pub(crate) sinks: Vec<Sink>,
    pub(crate) notices: Vec<NoticeClass>,
    pub(crate) exchanges: Option<Exchanges>,
    pub(crate) probes: Vec<Probe>,
    pub(crate) large_data_max: Option<ByteSize>,
    pub(crate) facts: Option<Duration>,
    pub(crate) origins: Vec<OriginDraft>,
    /// What is no fault yet.
    pub(crate) warnings: Vec<Draft>,
    /// When the next of them becomes one.
    pub(crate) next_end: Option<UnixTime>,
    /// What files beside the configuration have.
    pub(crate) last_good: LastGood,
}

/// Where a route and what it grants come from.
pub(crate) struct OriginDraft {
    pub(crate) at: Place,
    pub(crate) priority: Origin,
    pub(crate) timeout: Origin,
}

/// Checks that each team's file lies where it says.
pub(crate) fn check_places(input: &Input<'_>, report: &mut Report) {
    team::check_files(input, report);
}

/// Checks everything else, and stops at nothing.
pub(crate) fn resolve(input: &mut Input<'_>, report: &mut Report) -> Resolved {
    let mut last_good = LastGood::new(&input.last_good);
    let geo = edge::geo(input, report);
    let edge = edge::edge(input, &mut last_good, report);
    let edge = headgate_gateway::settings::Edge { geo, ..edge };
    let identity = identity::sources(input, report);
    let testers = split::testers(input, report);
    let input = &*input;
    let claims = Claims::of(input);
    let unknown = claims::check(input, &claims, report);
    let mut upstreams = upstreams::upstreams(input, &mut last_good, report);
    let handlers = events::handlers(input, &mut upstreams, report);
    let (routes, origins) = route::routes(input, &upstreams, (&mut last_good, report));
    events::check_publishers(input, report);
    events::check_claim_check(input, report);
    let sinks = sinks::sinks(input, report);
    let topics = events::topics(input, &routes, &handlers, &sinks);
    claims.check_routes((input, &unknown), &routes, &origins, report);
    let warnings = claims::ending(&claims, input.now);
    let next_end = claims::next_end(&claims, input.now);
    let (routes, origins) = route::rank(routes, origins, report);
    let platform = &input.platform.doc;
    let data_dir = platform.data.dir.as_ref().map(|dir| input.base.join(dir));
    let whoami = auth::whoami(input, report);
    let passport = edge::passport(input, data_dir.as_deref(), report);
    let rules = platform.device.iter().map(|device| Rule {
        name: device.name.as_str().into(),
        when: device.when.iter().map(|test| test.0.clone()).collect(),
    });
    let settings = Settings {
        edge,
        identity,
        testers,
        whoami,
        passport,
        devices: rules.collect(),
        upstreams: Vec::new(),
        routes,
        topics,
        handlers,
    };
    let settings = Settings { upstreams: upstreams.into_settings(), ..settings };
    let exchanges = events::exchanges(input, report);
    let is_needed = exchanges.is_some() || !sinks.is_empty() || needs_records(&settings);
    // A table is opened before any route needs it: a later load may bring one that does.
    let is_opened = |records: &Records| is_needed || matches!(records, Records::DynamoDb { .. });
    let records = idempotency::records(input, data_dir.as_deref(), report).filter(is_opened);
    let events = events::log(input, data_dir.as_deref(), (&mut last_good, report));
    let notices = platform.events.notices.on.clone();
    let large_data_max = platform.events.claim_check.as_ref().map(|room| room.max_total.0);
    let facts = facts(input, report).filter(|_| data_dir.is_some());
    Resolved {
        settings,
        data_dir,
        records,
        events,
        sinks,
        notices,
        exchanges,
        probes: probes::probes(input),
        large_data_max,
        facts,
        origins,
        warnings,
        next_end,
        last_good,
    }
}

/// Whether a handler or a route has effects that are had once.
fn needs_records(settings: &Settings) -> bool {
    let has_effects = |route: &Route| route.idempotency.is_some() || route.publish.is_some();
    !settings.handlers.is_empty() || settings.routes.iter().any(has_effects)
}

/// How long request facts are kept. None: not at all.
fn facts(input: &Input<'_>, report: &mut Report) -> Option<Duration> {
    let facts = input.platform.doc.data.facts.0;
    if facts > FACTS_MAX {
        let path = ["data".into(), "facts".into()];
        let longest = format_duration(FACTS_MAX);
        let message = format!("{} is longer than {longest}", format_duration(facts));
        let draft = Draft::new(Code::BadValue, input.platform.at(&path), message);
        report.push(draft.key(key_path(&path)).help(format!("at most {longest}, or 0s for none")));
    }
    (!facts.is_zero()).then_some(facts)
}

/// What is wrong with a key of a route.
fn of_route(
    file: &Document<TeamFile>,
    name: &str,
    keys: &[&str],
    (code, message): (Code, String),
    help: Option<String>,
) -> Draft {
    let draft = At::new(file, "route", name).draft(code, keys, message);
    match help {
        Some(help) => draft.help(help),
        None => draft,
    }
}

/// The name that says "no identity needed".
const NOBODY: &str = "none";
