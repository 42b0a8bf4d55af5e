//! An edge to ask, and a check of answers against the API's document.

use std::{pin::Pin, sync::Arc, time::Duration};

use headgate_idempotency::{
    Records, Settings,
    testing::{ManualClock, MemoryStore, SeededRandom},
};
use headgate_telemetry::{Metrics, access::Tails};
use headgate_types::TraceId;
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    ChangedBy, ConfigAsk, ConfigAt, ConfigStatus, ControlStatus, DiscoveryStatus, EndpointLimits,
    EndpointStatus, FactsAsk, FaultStatus, FieldStatus, GateStatus, History, HistoryAsk,
    HistoryEntry, IdentityStatus, InstanceLimits, LimitsStatus, ListenerStatus, MadeStatus,
    MirrorStatus, NoProbes, NotKept, OverlayError, OverlayStatus, OverlayWish, Overlays,
    PartStatus, PassportKeys, PassportRotated, Readiness, RolledBack, RotateError, RouteLimits,
    RouteStatus, Stage, State, Status, StatusSource, StrangleStatus, Timeline, UpstreamLimits,
    UpstreamStatus, VersionStatus, Versions, VersionsAsk, Why, WhyAttempt, WhyExchange, WhyLayer,
    overlays::Answer,
};

/// The trace of the one exchange that is kept.
pub(crate) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(crate) const KEYS: &str = r#"{"keys":[]}"#;

struct Edge;

impl StatusSource for Edge {
    fn status(&self) -> Status {
        let endpoint = |address: &str, latency_ms| EndpointStatus {
            address: address.to_owned(),
            in_flight: 2,
            latency_ms,
            health: None,
            fault: None,
            is_drained: false,
            weight: 1,
            zone: None,
        };
        Status {
            version: "0.1.0".to_owned(),
            started_at: "2026-11-18T11:06:40.000Z".to_owned(),
            uptime_seconds: 7,
            readiness: "ready".to_owned(),
            config_digest: "c0ffee".to_owned(),
            config: ConfigStatus {
                digest: "c0ffee".to_owned(),
                since: "2026-11-18T11:06:40.000Z".to_owned(),
                version: 7,
                loaded_at: "2026-11-18T11:06:41.000Z".to_owned(),
                loaded: "degraded".to_owned(),
                parts: vec![PartStatus {
                    name: "tv".to_owned(),
                    state: "last_good".to_owned(),
                    faults: vec![fault()],
                }],
                waits_for_hand_over: vec!["edge.listen".to_owned()],
                waits_for_restart: Vec::new(),
                watching: "events".to_owned(),
                is_kept: true,
                overlays: vec![overlay(1)],
            },
            listeners: vec![ListenerStatus {
                kind: "plain".to_owned(),
                address: "127.0.0.1:8080".parse().unwrap(),
            }],
            teams: vec!["tv".to_owned()],
            routes_count: 1,
            upstreams: vec![UpstreamStatus {
                team: "tv".to_owned(),
                name: "home".to_owned(),
                discovery: Some(DiscoveryStatus {
                    question: "home.internal:7001".to_owned(),
                    age_seconds: Some(5),
                    fault: None,
                    left_out: 0,
                }),
                endpoints: vec![
                    endpoint("127.0.0.1:7001", Some(1.5)),
                    endpoint("127.0.0.1:7002", None),
                ],
            }],
            identity: vec![IdentityStatus {
                name: "accounts".to_owned(),
                kind: "jwt".to_owned(),
                keys_count: 2,
                keys_age_seconds: Some(30),
                is_healthy: false,
                fault: Some("connection refused".to_owned()),
            }],
            in_flight: 4,
            connections: 3,
            access_lines_dropped: 0,
        }
    }

    fn routes(&self) -> Vec<RouteStatus> {
        vec![RouteStatus {
            team: "tv".to_owned(),
            name: "home".to_owned(),
            pattern: "GET /tv/home/{profile} device=tv".to_owned(),
            to: "home".to_owned(),
            auth: "accounts".to_owned(),
            priority: "standard".to_owned(),
            timeout: "900ms".to_owned(),
        }]
    }

    fn strangle(&self) -> Vec<StrangleStatus> {
        let status = |new: Option<&str>, ends: Option<&str>, stage| StrangleStatus {
            team: "tv".to_owned(),
            route: "home".to_owned(),
            pattern: "GET /tv/home".to_owned(),
            old: "legacy".to_owned(),
            new: new.map(str::to_owned),
            weight: "25%".to_owned(),
            old_requests: 3,
            new_requests: 1,
            since: "2026-11-18T11:06:40.000Z".to_owned(),
            old_seen: ends.map(str::to_owned),
            ends: ends.map(str::to_owned),
            is_overdue: false,
            stage,
        };
        vec![
            status(Some("home"), Some("2027-03-31T00:00:00.000Z"), Stage::Moving),
            status(None, None, Stage::NotBegun),
        ]
    }

    fn mirrors(&self) -> Vec<MirrorStatus> {
        vec![MirrorStatus {
            team: "tv".to_owned(),
            route: "home".to_owned(),
            to: "next".to_owned(),
            share: "2%".to_owned(),
            since: "2026-11-18T11:06:40.000Z".to_owned(),
            copies: [("same".to_owned(), 8)].into(),
            fields: vec![FieldStatus {
                field: "status".to_owned(),
                same: 7,
                different: 1,
                incomparable: 0,
                last_different: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
            }],
            pairs: 8,
            slower: 1,
            caller_ms: Some(1.5),
            mirror_ms: None,
        }]
    }

    fn limits(&self) -> LimitsStatus {
        let gate = GateStatus {
            no_load_ms: Some(1.5),
            in_flight_by_class: [("bulk".to_owned(), 3)].into(),
            shed_from: Some(256),
            ..GateStatus::default()
        };
        LimitsStatus {
            instance: InstanceLimits { cpu: Some(0.5), ..InstanceLimits::default() },
            upstreams: vec![UpstreamLimits {
                gate: Some(gate),
                endpoints: vec![EndpointLimits::default()],
                ..UpstreamLimits::default()
            }],
            routes: vec![RouteLimits { retries_left: 7.5, ..RouteLimits::default() }],
        }
    }

    fn why(&self, trace: TraceId) -> Result<Why, NotKept> {
        if trace.to_string() != TRACE {
            return Err(NotKept { reach: "of those that were shed, all 7".to_owned() });
        }
        let exchange = WhyExchange {
            trace_id: TRACE.to_owned(),
            host: Some("tv.example".to_owned()),
            timing_us: [("routed".to_owned(), 7)].into(),
            layers: vec![WhyLayer { observed: Some(24.5), ..WhyLayer::default() }],
            attempts: vec![WhyAttempt::default()],
            ..WhyExchange::default()
        };
        Ok(Why { earlier: vec![exchange.clone()], exchange })
    }

    fn config(&self) -> String {
        r#"{"digest":"c0ffee"}"#.to_owned()
    }

    fn facts(&self, ask: FactsAsk) -> String {
        format!(r#"{{"facts":[],"since":{},"next":{}}}"#, ask.since.as_secs(), ask.after.is_some())
    }
}

/// Records in memory, of which none waits.
pub(crate) fn records() -> Records {
    let (clock, random) = (Arc::new(ManualClock::new()), Arc::new(SeededRandom::new(1)));
    Records::new(Arc::new(MemoryStore::new()), clock, random, Settings::default())
}

fn fault() -> FaultStatus {
    FaultStatus {
        code: Some("HG1003".to_owned()),
        at: "routes.d/tv/home.toml:3:1".to_owned(),
        key: "route.home.to".to_owned(),
        message: "no such upstream".to_owned(),
    }
}

pub(crate) fn overlay(id: u64) -> OverlayStatus {
    OverlayStatus {
        id,
        key: "edge.timeout".to_owned(),
        value: "2s".into(),
        actor: "ada".to_owned(),
        reason: "slow BFF".to_owned(),
        since: "2026-11-18T11:06:40.000Z".to_owned(),
        expires: "2026-11-18T12:06:40.000Z".to_owned(),
        is_in_force: true,
        faults: Vec::new(),
    }
}

/// Takes what it is told to by the key, and knows one overlay.
struct Shelf;

impl Overlays for Shelf {
    fn set(&self, wish: OverlayWish) -> Answer<OverlayStatus> {
        let answer = match wish.key.as_str() {
            "edge.bad" => Err(OverlayError::Refused(vec![fault()])),
            "edge.full" => Err(OverlayError::TooMany),
            "edge.busy" => Err(OverlayError::Busy),
            _ => Ok(OverlayStatus {
                key: wish.key,
                value: wish.value,
                actor: wish.by.actor,
                reason: wish.by.reason,
                ..overlay(2)
            }),
        };
        Box::pin(async { answer })
    }

    fn unset(&self, id: u64, by: ChangedBy) -> Answer<OverlayStatus> {
        let ChangedBy { actor, reason, .. } = by;
        let known = OverlayStatus { actor, reason, ..overlay(1) };
        let answer = if id == 1 { Ok(known) } else { Err(OverlayError::Unknown) };
        Box::pin(async { answer })
    }

    fn control(&self) -> ControlStatus {
        ControlStatus { version: 7, topic: Some("hg.control".to_owned()), fault: None }
    }

    fn rollback(&self, to: u64, by: ChangedBy) -> Answer<RolledBack> {
        let stands = MadeStatus {
            version: 8,
            actor: "bob".to_owned(),
            reason: "INC-8".to_owned(),
            time: "14:03".to_owned(),
        };
        let stands = Box::new(stands);
        let answer = match to {
            90 => Err(OverlayError::NoVersion),
            91 => Err(OverlayError::Conflict { expected: by.expect.unwrap_or(7), stands }),
            92 => Err(OverlayError::NoLog("no broker answers".to_owned())),
            93 => Err(OverlayError::InDoubt),
            _ => Ok(RolledBack { version: 8, to, ..RolledBack::default() }),
        };
        Box::pin(async { answer })
    }

    fn at(&self, at: ConfigAsk) -> Answer<ConfigAt> {
        let found = match at {
            ConfigAsk::Version(version) => Ok(ConfigAt { version, ..ConfigAt::default() }),
            ConfigAsk::Time(_) => Err(OverlayError::NotRecorded),
        };
        Box::pin(async { found })
    }

    fn versions(&self, ask: VersionsAsk) -> Answer<Versions> {
        let version = VersionStatus { version: 4, ..VersionStatus::default() };
        let next = ask.before.map(|before| before - ask.limit as u64);
        Box::pin(async move { Ok(Versions { versions: vec![version], next }) })
    }

    fn list(&self) -> Vec<OverlayStatus> {
        vec![overlay(1)]
    }
}

/// A timeline that tells what it was asked, and forgets what it is told.
struct Past;

impl Timeline for Past {
    fn page(&self, ask: HistoryAsk) -> Pin<Box<dyn Future<Output = History> + Send + '_>> {
        let entry = HistoryEntry {
            kind: "limit".to_owned(),
            to: Some(ask.since.as_secs().to_string()),
            ..HistoryEntry::default()
        };
        let next = ask.after.map(|after| after.to_string());
        let page = History { entries: vec![entry], next, is_kept: true, fault: None };
        Box::pin(async { page })
    }

    fn note(&self, _entry: HistoryEntry) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {})
    }
}

/// Passport keys that turn only by force.
pub(crate) struct Keys(pub(crate) String);

impl PassportKeys for Keys {
    fn jwks(&self) -> String {
        self.0.clone()
    }

    fn rotate(&self, is_forced: bool) -> Result<PassportRotated, RotateError> {
        if !is_forced {
            return Err(RotateError::TooSoon(Duration::from_secs(90)));
        }
        Ok(PassportRotated {
            signs: "a".to_owned(),
            next: "b".to_owned(),
            turns_at: "2026-11-21T00:00:00Z".to_owned(),
        })
    }
}

/// An edge that begins, and what changes its readiness.
pub(crate) fn state() -> (watch::Sender<Readiness>, State) {
    let (change, readiness) = watch::channel(Readiness::Starting);
    let state = State {
        readiness,
        exporter: Metrics::new().exporter(),
        tails: Tails::default(),
        passport_keys: Arc::new(Keys(KEYS.to_owned())),
        status: Arc::new(Edge),
        records: Some(records()),
        timeline: Arc::new(Past),
        overlays: Arc::new(Shelf),
        events: None,
        probes: Arc::new(NoProbes),
    };
    (change, state)
}

/// Checks types, required members and that no member is unsaid, as far as the document uses JSON
/// Schema.
pub(crate) fn conforms(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = document.pointer(reference.strip_prefix('#').unwrap());
        return conforms(document, target.expect(reference), value, at);
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(kinds.contains(&is), "{at} is {is}, allowed: {kinds:?}");
    if let Value::Array(items) = value {
        for (index, item) in items.iter().enumerate() {
            conforms(document, &schema["items"], item, &format!("{at}/{index}"));
        }
    }
    if let (Value::Object(members), Value::Object(known)) = (value, &schema["properties"]) {
        for (name, member) in members {
            let schema = known.get(name).unwrap_or_else(|| panic!("{at}/{name} is unsaid"));
            conforms(document, schema, member, &format!("{at}/{name}"));
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(members.contains_key(name.as_str().unwrap()), "{at}/{name} is missing");
        }
    }
}
