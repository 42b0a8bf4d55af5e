use std::{sync::Arc, time::Duration};

use headgate_telemetry::{Metrics, access};
use headgate_types::{Ratio, UnixTime};
use http::{Request, Version};
use proptest::prelude::*;
use serde_json::json;
use tower::Service as _;

use super::*;
use crate::{
    ClientBody, Edge, Exchanges, Keeper, Parts,
    facts::{self, Ended, Seen, Watches},
    identity::testing::{NoFetch, StoppedClock},
    settings::{self, ApiKey, ApiKeys, IdentityKind, IdentitySource},
};

fn settings(devices: &[(&str, &[&str])], routes: &[(&str, &str, bool)]) -> Settings {
    let upstream = |name: &str| settings::Upstream {
        team: "tv".into(),
        name: name.into(),
        endpoints: Vec::new(),
        protocol: settings::Protocol::H1,
        tls: None,
        connect_timeout: Duration::from_secs(1),
        idle_connections_max: 1,
        connections_max: std::num::NonZeroUsize::MIN,
        idle_timeout: Duration::from_secs(1),
        health: None,
        slow_start: None,
        dns: None,
        zone: None,
        drained: Vec::new(),
        overload: settings::UpstreamOverload::default(),
    };
    let device = |(name, when): &(&str, &[&str])| Rule {
        name: (*name).into(),
        when: when.iter().map(|text| text.parse().unwrap()).collect(),
    };
    let source =
        Auth::Source { sources: vec![0], is_open: false, scopes: Vec::new(), claims: Vec::new() };
    let route = |(name, pattern, is_asked): &(&str, &str, bool)| settings::Route {
        team: "tv".into(),
        name: (*name).into(),
        pattern: pattern.parse().unwrap(),
        upstream: Some(0),
        publish: None,
        auth: if *is_asked { source.clone() } else { Auth::None },
        priority: Class::Standard,
        timeout: None,
        try_timeout: None,
        retry: settings::Retry { max: 0, on: Vec::new(), budget: Ratio::default() },
        body_bytes_max: None,
        hash_by: None,
        idempotency: None,
        slow: None,
        overload: settings::RouteOverload::default(),
        mirror: None,
        split: None,
    };
    let keys = vec![ApiKey {
        sha256: [
            0x9f, 0x86, 0xd0, 0x81, 0x88, 0x4c, 0x7d, 0x65, 0x9a, 0x2f, 0xea, 0xa0, 0xc5, 0x5a,
            0xd0, 0x15, 0xa3, 0xbf, 0x4f, 0x1b, 0x2b, 0x0b, 0x82, 0x2c, 0xd1, 0x5d, 0x6c, 0x15,
            0xb0, 0xf0, 0x0a, 0x08,
        ],
        subject: "ada".into(),
        scopes: Vec::new(),
        expires_at: None,
    }];
    Settings {
        identity: vec![IdentitySource {
            name: "partners".into(),
            kind: IdentityKind::ApiKeys(ApiKeys { header: "x-api-key".to_owned(), keys }),
        }],
        devices: devices.iter().map(device).collect(),
        upstreams: vec![upstream("home")],
        routes: routes.iter().map(route).collect(),
        ..Settings::default()
    }
}

const DEVICES: &[(&str, &[&str])] = &[
    ("tv", &["header x-app ~ '^tv/'", "ua contains 'Tizen'"]),
    ("ios", &["hint platform == 'iOS'", "hint mobile"]),
    ("brand", &["hint brand == 'Edge'"]),
];

const ROUTES: &[(&str, &str, bool)] = &[
    ("home", "GET /tv/home/{profile} device=tv", false),
    ("ios", "GET /tv/home/{profile} device=ios|brand", true),
    ("beta", "GET /tv/home/{profile} header.x-beta device=tv", true),
    ("arm", "GET|POST /tv/{*rest} cookie.arm=b", false),
    ("lang", "GET /tv/list query.lang=en query.page", false),
    ("long", "GET /tv/0123456789abcdef0123456789", false),
    ("rest", "* /tv/{*rest}", false),
    ("host", "* api.example/{*rest}", true),
];

/// Another configuration: some of it reads what the first does not.
const OTHER_DEVICES: &[(&str, &[&str])] = &[
    ("tv", &["header x-app == 'tv/7'"]),
    ("ios", &["hint mobile"]),
    ("beta", &["header x-beta == '1'"]),
];

const OTHER_ROUTES: &[(&str, &str, bool)] = &[
    ("home", "GET /tv/home/{profile} device=tv|beta", true),
    ("arm", "GET /tv/{*rest} cookie.arm", false),
    ("arm-a", "GET /tv/{*rest} cookie.arm=a query.lang=de", false),
    ("list", "GET /tv/list query.lang=en", false),
    ("long", "GET /tv/0123456789abcdef01234567890", false),
    ("new", "GET /tv/list header.x-new query.lang", false),
    ("rest", "* /tv/{*rest}", false),
];

/// A request: method, host, path with query, headers.
type Ask = (&'static str, &'static str, String, Vec<(&'static str, String)>);

fn asks() -> impl Strategy<Value = Ask> {
    let path = prop_oneof![
        Just("/tv/home/ada".to_owned()),
        Just("/tv/home/0123456789abcdef0123456789".to_owned()),
        Just("/tv/0123456789abcdef0123456789".to_owned()),
        Just("/tv/0123456789abcdef01234567890".to_owned()),
        Just("/tv/list".to_owned()),
        Just("/tv/list;jsessionid=0123456789".to_owned()),
        Just("/away".to_owned()),
    ];
    let query = prop_oneof![
        Just(String::new()),
        Just("?lang=en".to_owned()),
        Just("?lang=e%6E&page=2".to_owned()),
        Just("?lang=de".to_owned()),
    ];
    let header = |name: &'static str, values: &'static str| {
        prop::option::of(values).prop_map(move |value| value.map(|value| (name, value)))
    };
    let headers = (
        header("x-app", "(tv/7|tv/8|ios)"),
        header("user-agent", "(Tizen|curl)"),
        header("sec-ch-ua-platform", "\"(iOS|Linux)\""),
        header("sec-ch-ua-mobile", "\\?[01]"),
        header("sec-ch-ua", "(\"Edge\", \"B\"|\"Chrome\")"),
        header("x-beta", "[01]"),
        header("x-new", "[01]"),
        header("cookie", "(arm=a|arm=b|x=1; arm=\"b\"|other=1)"),
        header("x-api-key", "(test|wrong)"),
    );
    let headers = headers.prop_map(|(a, b, c, d, e, f, g, h, i)| {
        [a, b, c, d, e, f, g, h, i].into_iter().flatten().collect()
    });
    let method = prop::sample::select(&["GET", "POST", "HEAD"][..]);
    let host = prop::sample::select(&["edge.example", "api.example"][..]);
    (method, host, (path, query).prop_map(|(path, query)| path + &query), headers)
}

fn request((method, host, target, headers): &Ask) -> Request<()> {
    let mut request = Request::builder()
        .method(*method)
        .uri(target)
        .header("host", *host)
        .version(Version::HTTP_11);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.body(()).unwrap()
}

fn edge(settings: &Settings) -> (Arc<Edge>, tokio::sync::mpsc::Receiver<Vec<u8>>) {
    let metrics = Metrics::new();
    let (access, _writer) = access::Log::start(std::io::sink(), &metrics).unwrap();
    let (keeper, facts) = Keeper::new(Duration::from_mins(15), metrics.facts());
    let parts = Parts {
        clock: Arc::new(StoppedClock),
        metrics,
        access,
        fetch: Arc::new(NoFetch),
        digest: "test".into(),
        records: None,
    };
    let edge = Edge::new(settings, parts).unwrap();
    edge.keep_facts(keeper);
    (edge, facts)
}

/// The fact of a request that was answered, and what `explain` says of it: device and route.
async fn live(
    edge: &Arc<Edge>,
    facts: &mut tokio::sync::mpsc::Receiver<Vec<u8>>,
    ask: &Ask,
) -> (Fact, String, Option<usize>) {
    let explained = edge.explain(request(ask).into_parts().0).await.unwrap();
    let mut exchanges = Exchanges::of_client(edge, "127.0.0.1:9".parse().unwrap());
    let answer = exchanges.call(request(ask).map(|()| ClientBody::from(bytes::Bytes::new()))).await;
    drop(answer);
    let fact = facts.try_recv().unwrap();
    let fact = serde_json::from_slice(&fact).unwrap();
    (fact, explained.device.class, explained.route.route)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn explain_and_plan_and_the_edge_decide_alike(asked in prop::collection::vec(asks(), 1..8)) {
        let settings = settings(DEVICES, ROUTES);
        let replay = Replay::new(Routing::of(&settings)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (edge, mut facts) = edge(&settings);
            for ask in &asked {
                let (fact, device, route) = live(&edge, &mut facts, ask).await;
                let explained = route.map(|route| format!("tv/{}", settings.routes[route].name));
                prop_assert_eq!(&fact.route, &explained, "{:?}", ask);
                prop_assert_eq!(fact.device.as_ref(), Some(&device), "{:?}", ask);
                let planned = replay.decide(&fact).unwrap();
                prop_assert_eq!(planned.device, device, "{:?}", ask);
                prop_assert_eq!(planned.route.map(RouteRule::id), explained, "{:?}", ask);
            }
            Ok(())
        })?;
    }

    /// What a plan tells of another configuration is what an edge with it does.
    #[test]
    fn decision_under_another_configuration_is_right_or_not_made(ask in asks()) {
        let (one, other) = (settings(DEVICES, ROUTES), settings(OTHER_DEVICES, OTHER_ROUTES));
        let replay = Replay::new(Routing::of(&other)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (edge_of_one, mut facts) = edge(&one);
            let (fact, ..) = live(&edge_of_one, &mut facts, &ask).await;
            let (edge_of_other, mut facts) = edge(&other);
            let (expected, ..) = live(&edge_of_other, &mut facts, &ask).await;
            if let Ok(planned) = replay.decide(&fact) {
                prop_assert_eq!(Some(planned.device), expected.device.as_deref(), "{:?}", fact);
                prop_assert_eq!(planned.route.map(RouteRule::id), expected.route, "{:?}", fact);
            }
            Ok(())
        })?;
    }

    #[test]
    fn claims_decide_alike(level in 0_u64..5, kind in "(tv|ios)", is_list in any::<bool>()) {
        const DEVICES: &[(&str, &[&str])] = &[
            ("three", &["claim level == '03'"]),
            ("text", &["claim text == '3'"]),
            ("tv", &["claim kind == 'tv'"]),
            ("any", &["claim level"]),
        ];
        let settings = settings(DEVICES, &[("all", "* /{*rest}", false)]);
        let kind = if is_list { json!([kind, "x"]) } else { json!(kind) };
        let claims = json!({ "level": level, "kind": kind, "text": 3.5 });
        let Value::Object(claims) = claims else { unreachable!() };
        let headers = HeaderMap::new();
        let facts = Facts {
            method: &Method::GET,
            host: "edge",
            path: "/",
            query: None,
            headers: &headers,
            claims: Some(&claims),
            device: "",
            version: None,
        };
        let expected = Classifier::new(settings.devices.clone()).classify(&facts);
        let replay = Replay::new(Routing::of(&settings)).unwrap();
        let decided = fact_of(&settings, facts);
        prop_assert_eq!(replay.decide(&decided).unwrap().device, expected.class.as_ref());
    }
}

/// The fact of a request that no exchange has served.
fn fact_of(settings: &Settings, facts: Facts<'_>) -> Fact {
    let watches = Arc::new(Watches::of(settings));
    let seen = Seen {
        time: UnixTime::from_secs(1_795_243_200),
        version: Version::HTTP_11,
        watches: &watches,
        facts,
    };
    let outcome = headgate_types::Outcome::Ok;
    let (priority, service) = (None, None);
    let ended = Ended { device: None, route: None, is_verified: false, outcome, priority, service };
    serde_json::from_slice(&facts::of(&seen, &ended).unwrap()).unwrap()
}

#[tokio::test]
async fn facts_hold_no_secret() {
    let devices: &[(&str, &[&str])] = &[
        ("a", &["header authorization ~ '^Basic'", "header x-api-key == 'k'"]),
        ("b", &["header x-session == 'never'", "ua ~ 'Tizen'"]),
    ];
    let routes = &[
        ("arm", "GET /{*rest} cookie.arm~'^b' query.lang=en", false),
        ("rest", "GET /{*rest} query.code", true),
    ];
    let (edge, mut facts) = edge(&settings(devices, routes));
    let secrets = ["s3cr3t-basic", "s3cr3t-key", "s3cr3t-session", "b-s3cr3t-arm", "s3cr3t-code"];
    let headers = vec![
        ("authorization", secrets[0].to_owned()),
        ("x-api-key", secrets[1].to_owned()),
        ("x-session", secrets[2].to_owned()),
        ("cookie", format!("arm={}", secrets[3])),
        ("user-agent", "Tizen 7".to_owned()),
        ("x-other", "not read".to_owned()),
    ];
    let target = format!("/reset/0123456789abcdef0123456789;s=7?code={}&lang=de", secrets[4]);
    let (fact, ..) = live(&edge, &mut facts, &("GET", "edge.example", target, headers)).await;
    let text = serde_json::to_string(&fact).unwrap();
    for secret in secrets.iter().chain(&["0123456789abcdef", "s=7", "not read"]) {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    assert_eq!(fact.read["header user-agent"], Kept::Text("Tizen 7".to_owned()));
    assert_eq!(fact.read["header authorization"], Kept::There(Vec::new()));
    assert_eq!(fact.read["header x-api-key"], Kept::There(Vec::new()));
    assert!(matches!(&fact.read["cookie arm"], Kept::There(digests) if digests.len() == 1));
    assert_eq!((fact.route.as_deref(), fact.caller.as_str()), (Some("tv/rest"), "refused"));
    assert_eq!((fact.auth.as_deref(), fact.outcome.as_str()), (Some("partners"), "denied_auth"));
    assert_eq!(fact.weight, 1);
}

#[test]
fn what_a_fact_does_not_hold_is_named() {
    let old = settings(&[("web", &["*"])], &[("rest", "* /{*rest}", false)]);
    let headers = HeaderMap::new();
    let facts = Facts {
        method: &Method::GET,
        host: "edge",
        path: "/tv",
        query: None,
        headers: &headers,
        claims: None,
        device: "",
        version: None,
    };
    let fact = fact_of(&old, facts);
    let decide = |devices: &[(&str, &[&str])], routes: &[(&str, &str, bool)]| {
        let replay = Replay::new(Routing::of(&settings(devices, routes))).unwrap();
        let decision = replay.decide(&fact);
        decision.map(|one| one.route.map(RouteRule::id)).map_err(|unknown| unknown.0)
    };
    let web: &[(&str, &[&str])] = &[("web", &["*"])];
    let rest = ("rest", "* /{*rest}", false);
    assert_eq!(decide(web, &[rest]), Ok(Some("tv/rest".to_owned())));
    assert_eq!(
        decide(web, &[rest, ("new", "GET /tv header.x-new", false)]),
        Err("header x-new".to_owned())
    );
    // Another path: what it reads makes no difference.
    assert_eq!(
        decide(web, &[rest, ("new", "GET /ios header.x-new", false)]),
        Ok(Some("tv/rest".to_owned()))
    );
    assert_eq!(decide(&[("tv", &["ua ~ 'x'"])], &[rest]), Err("header user-agent".to_owned()));
    assert_eq!(
        decide(&[("web", &["*"]), ("tv", &["ua"])], &[rest]),
        Ok(Some("tv/rest".to_owned()))
    );
}

#[test]
fn routing_reads_back() {
    let routing = Routing::of(&settings(DEVICES, ROUTES));
    let text = serde_json::to_string(&routing).unwrap();
    assert_eq!(serde_json::from_str::<Routing>(&text).unwrap(), routing);
    assert_eq!(routing.routes[1].auth.as_ref().unwrap().source, "partners");
    assert_eq!(routing.routes[0].to, "home");
}

#[test]
fn routing_that_no_edge_can_have_is_refused() {
    let rule = |pattern: &str| RouteRule {
        team: "tv".to_owned(),
        name: "x".to_owned(),
        pattern: pattern.to_owned(),
        to: "home".to_owned(),
        auth: None,
        priority: Class::Standard,
    };
    let refused = |routes: Vec<RouteRule>| {
        Replay::new(Routing { devices: Vec::new(), routes }).unwrap_err().to_string()
    };
    assert_eq!(refused(vec![rule("nonsense")]), "\"nonsense\" can't be read");
    assert_eq!(refused(vec![rule("GET /a"), rule("GET /a")]), "1 pairs of routes tie");
}
