use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use headgate_router::{
    balance::End,
    discovery::Pace,
    overload::{breaker, mode::Mode, rate::Rate},
    split::Weight,
};
use headgate_telemetry::access;
use headgate_types::{ByteSize, Class, Moment, Outcome, Ratio, UnixTime};

use super::*;
use crate::{
    identity::testing::{NoFetch, StoppedClock},
    settings::{
        self, Address, ApiKey, ApiKeys, Auth, Concurrency, IdentityKind, IdentitySource, Protocol,
        Retry,
    },
};

fn upstream(name: &str, endpoints: &[&str]) -> settings::Upstream {
    settings::Upstream {
        team: "tv".into(),
        name: name.into(),
        endpoints: endpoints.iter().map(|one| Address::Tcp((*one).into()).into()).collect(),
        protocol: Protocol::H1,
        tls: None,
        connect_timeout: Duration::from_secs(1),
        idle_connections_max: 1,
        connections_max: NonZeroUsize::MIN,
        idle_timeout: Duration::from_secs(1),
        health: None,
        slow_start: None,
        dns: None,
        zone: None,
        drained: Vec::new(),
        overload: settings::UpstreamOverload::default(),
    }
}

fn route(name: &str, pattern: &str, upstream: usize) -> settings::Route {
    settings::Route {
        team: "tv".into(),
        name: name.into(),
        pattern: pattern.parse().unwrap(),
        upstream: Some(upstream),
        publish: None,
        split: None,
        mirror: None,
        auth: Auth::None,
        priority: Class::Standard,
        timeout: None,
        try_timeout: None,
        retry: Retry { max: 0, on: Vec::new(), budget: Ratio::default() },
        body_bytes_max: None,
        hash_by: None,
        idempotency: None,
        slow: None,
        overload: settings::RouteOverload::default(),
    }
}

fn source(name: &str, subject: &str) -> IdentitySource {
    let key =
        ApiKey { sha256: [7; 32], subject: subject.into(), scopes: Vec::new(), expires_at: None };
    let keys = ApiKeys { header: "x-api-key".to_owned(), keys: vec![key] };
    IdentitySource { name: name.into(), kind: IdentityKind::ApiKeys(keys) }
}

fn settings() -> Settings {
    Settings {
        identity: vec![source("keys", "a"), source("other", "b")],
        upstreams: vec![upstream("home", &["a:1", "b:1"]), upstream("next", &["c:1"])],
        routes: vec![route("home", "GET /tv/home", 0), route("list", "GET /tv/list", 1)],
        ..Settings::default()
    }
}

fn edge() -> (Arc<Edge>, access::Writer) {
    let metrics = Metrics::new();
    let (access, writer) = Log::start(std::io::sink(), &metrics).unwrap();
    let parts = Parts {
        clock: Arc::new(StoppedClock),
        metrics,
        access,
        fetch: Arc::new(NoFetch),
        digest: "first".into(),
        records: None,
    };
    (Edge::new(&settings(), parts).unwrap(), writer)
}

/// What is in force before and after a change.
fn changed(change: impl FnOnce(&mut Settings)) -> (Arc<Snapshot>, Arc<Snapshot>, Arc<Edge>) {
    let (edge, _writer) = edge();
    let before = edge.snapshot();
    let mut settings = settings();
    change(&mut settings);
    edge.apply(&settings, "second").unwrap();
    (before, edge.snapshot(), edge)
}

fn is_same<T: ?Sized>(one: &Arc<T>, other: &Arc<T>) -> bool {
    Arc::ptr_eq(one, other)
}

#[test]
fn what_is_the_same_stays_what_it_is() {
    let (before, after, _) = changed(|_| {});
    for index in 0..2 {
        assert!(is_same(&before.routes[index], &after.routes[index]));
        assert!(is_same(&before.upstreams[index], &after.upstreams[index]));
    }
    assert!(!is_same(&before, &after));
}

#[test]
fn a_change_leaves_the_others_as_they_are() {
    let (before, after, _) =
        changed(|settings| settings.routes[0].timeout = Some(Duration::from_secs(9)));
    assert_eq!(after.routes[0].timeout, Duration::from_secs(9));
    assert!(is_same(&before.routes[0].budget, &after.routes[0].budget));
    assert!(is_same(&before.routes[1], &after.routes[1]));
    assert!(is_same(&before.upstreams[0], &after.upstreams[0]));
}

#[test]
fn endpoint_that_stays_keeps_its_calls_and_connections() {
    let (edge, _writer) = edge();
    let before = edge.snapshot();
    let call = before.upstreams[0].balancer.pick(Moment::ZERO, 0, |at| at != 1).unwrap();
    let mut settings = settings();
    settings.upstreams[0] = upstream("home", &["b:1", "d:1"]);
    edge.apply(&settings, "second").unwrap();

    let after = edge.snapshot();
    let load = |at| after.upstreams[0].balancer.load(at, Moment::ZERO).in_flight;
    assert_eq!((load(0), load(1)), (1, 0));
    call.finish(Moment::ZERO, End::Success);
    assert_eq!(load(0), 0);
    let (old, new) = (&before.upstreams[0], &after.upstreams[0]);
    assert_eq!(old.endpoint_id(1), new.endpoint_id(0));
    assert!(![old.endpoint_id(0), old.endpoint_id(1)].contains(&new.endpoint_id(1)));
}

#[test]
fn endpoints_that_were_found_change_one_upstream_and_the_routes_to_it() {
    let (edge, _writer) = edge();
    let mut settings = settings();
    let question = |port| settings::Question::Addresses { name: "home.internal".into(), port };
    let pace = Pace { least: Duration::from_secs(1), longest: Duration::from_mins(1) };
    settings.upstreams[0].endpoints.clear();
    settings.upstreams[0].dns = Some(settings::Dns { question: question(1), pace });
    edge.apply(&settings, "second").unwrap();
    let before = edge.snapshot();
    let looked_up = before.upstreams[0].looked_up.clone().unwrap();
    let found = |all: &[&str]| all.iter().map(|one| Address::Tcp((*one).into()).into()).collect();
    edge.found(&looked_up, found(&["10.0.0.1:1", "10.0.0.2:1"])).unwrap();
    let first = edge.snapshot();
    edge.found(&looked_up, found(&["10.0.0.2:1", "10.0.0.3:1"])).unwrap();
    let second = edge.snapshot();

    assert_eq!(*second.upstreams[0].addresses, ["10.0.0.2:1".into(), "10.0.0.3:1".into()]);
    let id = |snapshot: &Snapshot, at| snapshot.upstreams[0].endpoint_id(at);
    assert_eq!(id(&first, 1), id(&second, 0));
    let to = second.routes[0].upstream(None).unwrap();
    assert!(is_same(to, &second.upstreams[0]) && is_same(&before.table, &second.table));
    assert!(is_same(&before.routes[0].end, &second.routes[0].end), "tunnels stay");
    assert!(is_same(&before.routes[1], &second.routes[1]));

    // What was found outlasts a reload, but not another question, to which it is no answer.
    settings.upstreams[0].idle_timeout = Duration::from_secs(9);
    edge.apply(&settings, "third").unwrap();
    assert_eq!(edge.snapshot().upstreams[0].addresses.len(), 2);
    settings.upstreams[0].dns = Some(settings::Dns { question: question(2), pace });
    edge.apply(&settings, "fourth").unwrap();
    assert!(edge.snapshot().upstreams[0].addresses.is_empty());
    edge.found(&looked_up, found(&["10.0.0.4:1"])).unwrap();
    assert!(edge.snapshot().upstreams[0].addresses.is_empty(), "nobody asks that any more");
}

#[test]
fn what_protects_an_upstream_outlasts_a_change_of_it() {
    let (edge, _writer) = edge();
    let before = edge.snapshot();
    let upstream = &before.upstreams[0];
    for _ in 0..5 {
        let pass = upstream.breakers.admit(1, Moment::ZERO, 0).unwrap();
        upstream.breakers.record(1, pass.as_ref(), Moment::ZERO, breaker::End::Failure);
    }
    let mut settings = settings();
    settings.upstreams[0].endpoints.remove(0);
    settings.upstreams[0].overload.concurrency =
        Concurrency { mode: Mode::Observe, min: 50, ..Concurrency::default() };
    assert_eq!(upstream.admission.gate().limit(), 20);
    edge.apply(&settings, "second").unwrap();

    let limits = edge.limits();
    let after = &limits.upstreams[0];
    assert_eq!(after.endpoints[0].breaker, breaker::State::Open);
    let gate = after.gate.unwrap();
    assert_eq!((gate.mode, gate.status.limit), (Mode::Observe, 50));
    assert!(is_same(&upstream.admission, &edge.snapshot().upstreams[0].admission));
    assert!(limits.upstreams[1].gate.is_none(), "no request has asked there");
}

#[test]
fn what_a_route_has_counted_outlasts_a_change_of_its_mode() {
    let rate = |mode| settings::RateLimit {
        mode,
        callers: settings::Callers::All,
        per: settings::Per::Route,
        rate: Rate {
            requests: NonZeroU32::MIN,
            period: Duration::from_secs(1),
            burst: NonZeroU32::MIN,
        },
    };
    let (edge, _writer) = edge();
    let mut settings = settings();
    settings.routes[0].overload.rates = vec![rate(Mode::Off)];
    edge.apply(&settings, "second").unwrap();
    let before = edge.snapshot();
    settings.routes[0].overload.rates = vec![rate(Mode::Observe)];
    settings.routes[0].overload.throttle = Mode::Off;
    edge.apply(&settings, "third").unwrap();
    let after = edge.snapshot();
    assert!(is_same(&before.routes[0].rates[0], &after.routes[0].rates[0]));
    assert!(is_same(&before.routes[0].throttle, &after.routes[0].throttle));
    let limits = edge.limits();
    let (throttle, rates) = (limits.routes[0].throttle.0, &limits.routes[0].rates);
    assert_eq!((throttle, rates[0].mode), (Mode::Off, Mode::Observe));
}

#[test]
fn connections_of_another_protocol_are_others() {
    let (before, after, _) = changed(|settings| settings.upstreams[1].protocol = Protocol::H2c);
    assert_ne!(before.upstreams[1].endpoint_id(0), after.upstreams[1].endpoint_id(0));
}

#[test]
fn tunnels_end_only_where_the_route_leads_elsewhere() {
    let ends = |change: fn(&mut Settings)| {
        let (before, _, _) = changed(change);
        [0, 1].map(|index| before.routes[index].end.is_withdrawn())
    };
    assert_eq!(ends(|_| {}), [false, false]);
    assert_eq!(ends(|all| all.routes[0].timeout = Some(Duration::from_secs(9))), [false, false]);
    assert_eq!(ends(|all| all.upstreams[0].idle_connections_max = 9), [false, false]);
    assert_eq!(ends(|all| drop(all.routes.remove(0))), [true, false]);
    assert_eq!(ends(|all| all.routes[0].upstream = Some(1)), [true, false]);
    assert_eq!(ends(|all| all.routes[1] = route("list", "GET /tv/all", 1)), [false, true]);
}

#[test]
fn tunnel_of_a_route_that_changed_before_ends_with_it() {
    let (edge, _writer) = edge();
    let before = edge.snapshot();
    let mut settings = settings();
    settings.routes[0].timeout = Some(Duration::from_secs(9));
    edge.apply(&settings, "second").unwrap();
    assert!(!before.routes[0].end.is_withdrawn());

    settings.routes.remove(0);
    edge.apply(&settings, "third").unwrap();
    assert!(before.routes[0].end.is_withdrawn());
}

#[test]
fn identity_source_that_stays_keeps_what_it_knows() {
    let (before, after, _) = changed(|settings| settings.identity[1] = source("other", "c"));
    let kept = before.authenticator.is_kept_by(&after.authenticator);
    assert_eq!(kept, [true, false]);
}

#[test]
fn limits_hold_for_what_comes_next() {
    let (before, after, edge) = changed(|settings| {
        settings.edge.limits.connections_max = NonZeroUsize::MIN;
        settings.edge.limits.body_bytes_max = ByteSize::from_bytes(7);
    });
    assert_ne!(before.terms.limits.body_bytes_max, after.terms.limits.body_bytes_max);
    let client = IpAddr::from([127, 0, 0, 1]);
    let _first = edge.connections.enter(Some(client)).unwrap();
    assert!(edge.connections.enter(Some(client)).is_err());
}

#[test]
fn settings_that_cannot_be_used_change_nothing() {
    let (edge, _writer) = edge();
    let before = edge.snapshot();
    let mut settings = settings();
    settings.routes.push(route("twin", "GET /tv/home", 0));
    assert!(edge.apply(&settings, "second").is_err());
    assert!(is_same(&before, &edge.snapshot()));
    assert!(!before.routes[0].end.is_withdrawn());
}

#[test]
fn replaced_settings_are_let_go_once_nobody_holds_them() {
    let (edge, _writer) = edge();
    let held = edge.snapshot();
    for _ in 0..5 {
        edge.apply(&settings(), "next").unwrap();
    }
    assert_eq!(edge.replaced.lock().len(), 2);
    drop(held);
    edge.apply(&settings(), "last").unwrap();
    assert_eq!(edge.replaced.lock().len(), 1);
}

fn canary(weight: &str) -> settings::Split {
    let weight: Weight = weight.parse().unwrap();
    let arm = |name: &str, upstream, weight| settings::Arm { name: name.into(), upstream, weight };
    settings::Split {
        kind: settings::SplitKind::Canary,
        sticky: settings::Sticky::Trace,
        salt: "s".into(),
        arms: vec![arm("canary", 1, weight)],
        rest: arm("stable", 0, weight.rest()),
    }
}

#[test]
fn tunnel_ends_when_one_of_the_arms_is_gone() {
    let (edge, _writer) = edge();
    let mut all = settings();
    let mut ends = |split: Option<settings::Split>| {
        let before = edge.snapshot();
        all.routes[0].split = split;
        edge.apply(&all, "next").unwrap();
        before.routes[0].end.is_withdrawn()
    };
    assert!(!ends(Some(canary("5%"))));
    assert!(!ends(Some(canary("50%"))));
    assert!(ends(None));
}

#[test]
fn arm_follows_its_upstream_and_goes_on_counting() {
    let (edge, _writer) = edge();
    let mut all = settings();
    all.routes[0].split = Some(canary("5%"));
    edge.apply(&all, "second").unwrap();
    let before = edge.snapshot();
    let now = UnixTime::from_secs(1_795_243_200);
    before.routes[0].arm(Some(0)).unwrap().metrics.ended(Outcome::Ok, now, Duration::ZERO);
    edge.apply(&all, "third").unwrap();
    assert!(is_same(&before.routes[0], &edge.snapshot().routes[0]));

    all.upstreams[1] = upstream("next", &["d:1"]);
    edge.apply(&all, "fourth").unwrap();

    let after = edge.snapshot();
    assert!(is_same(after.routes[0].upstream(Some(0)).unwrap(), &after.upstreams[1]));
    assert!(is_same(after.routes[0].upstream(None).unwrap(), &after.upstreams[0]));
    assert_eq!(edge.splits()[0].arms[0].counts.requests, 1);
}

#[test]
fn mirror_stays_when_its_upstream_has_another_number() {
    let (edge, _writer) = edge();
    let mut all = settings();
    let mirror = settings::Mirror {
        upstream: 1,
        share: Weight::ALL,
        compare: Vec::new(),
        timeout: settings::MIRROR_TIMEOUT,
        body_bytes_max: settings::MIRROR_BODY_BYTES_MAX,
        takes_writes: false,
    };
    all.routes[0].mirror = Some(mirror.clone());
    edge.apply(&all, "second").unwrap();
    let of = |edge: &Edge| edge.snapshot().routes[0].mirror.clone().unwrap();
    let before = of(&edge);

    all.upstreams.insert(1, upstream("more", &["e:1"]));
    all.routes[0].mirror = Some(settings::Mirror { upstream: 2, ..mirror.clone() });
    all.routes[1].upstream = Some(2);
    edge.apply(&all, "third").unwrap();
    assert!(is_same(&before, &of(&edge)));

    all.routes[0].mirror = Some(settings::Mirror { upstream: 1, ..mirror });
    edge.apply(&all, "fourth").unwrap();
    assert!(!is_same(&before, &of(&edge)));
}
