use headgate_telemetry::{
    AttemptResult, Listener, Metrics,
    access::{Attempt, Journal, Members, Request},
    trace::TraceContext,
};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::*;

fn seen<'a>(path: &'a str, headers: &'a HeaderMap, watches: &'a Arc<Watches>) -> Seen<'a> {
    Seen {
        time: UnixTime::from_secs(1_795_243_200),
        version: http::Version::HTTP_2,
        watches,
        facts: Facts {
            method: &Method::GET,
            host: "edge",
            path,
            query: None,
            headers,
            claims: None,
            device: "",
            version: None,
        },
    }
}

const ENDED: Ended<'_> = Ended {
    device: None,
    route: None,
    is_verified: false,
    outcome: Outcome::NoRoute,
    priority: Some(Class::Bulk),
    service: Some(Duration::from_micros(1_500)),
};

/// The line of an exchange for this path.
fn with_line(path: &str, look: impl FnOnce(&Line<'_>)) {
    let trace = TraceContext {
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap(),
        span_id: "00f067aa0ba902b7".parse().unwrap(),
        parent_id: None,
        flags: 1,
    };
    let client = Members::of_client("192.0.2.7:40000".parse().unwrap(), Listener::Plain);
    let attempts = [Attempt {
        endpoint: "127.0.0.1:7001".into(),
        started: Duration::from_micros(30),
        connect: None,
        head: Some(Duration::from_micros(200)),
        took: Duration::from_micros(200),
        result: AttemptResult::Ok,
    }];
    let line = Line {
        time: UnixTime::from_secs(1_795_243_200),
        trace: &trace,
        untrusted_parent: None,
        request: Request {
            client: &client,
            version: http::Version::HTTP_2,
            method: "GET",
            host: Some("edge"),
            path,
        },
        outcome: Outcome::NoRoute,
        status: Some(404),
        code: Some("HG0004"),
        route: None,
        device: None,
        priority: Some(Class::Bulk),
        identity: None,
        probe: None,
        rulings: &[],
        attempts: &attempts,
        request_bytes: 0,
        response_bytes: 7,
        duration: Duration::from_millis(3),
        journal: &Journal::start(Moment::ZERO),
        config: &Members::of(&[("config", "c0ffee")]),
    };
    look(&line);
}

/// Ends an exchange for this path, as its record does.
fn end(keeper: &Keeper, drafted: Drafted, path: &str) {
    let Some(draft) = keeper.last(drafted, Moment::ZERO) else { return };
    with_line(path, |line| keeper.end(draft, &ENDED, (line, &Detail::default())));
}

fn drafted(keeper: &Keeper, path: &str) -> Drafted {
    let (headers, watches) = (HeaderMap::new(), Arc::<Watches>::default());
    keeper.begin(&seen(path, &headers, &watches), Moment::ZERO)
}

#[test]
fn both_halves_are_one_fact() {
    let (keeper, mut facts) = Keeper::new(Duration::from_mins(15), Metrics::new().facts());
    end(&keeper, drafted(&keeper, "/tv/home"), "/tv/home");
    let fact: Fact = serde_json::from_slice(&facts.try_recv().unwrap()).unwrap();
    let expected = Fact {
        time: "2026-11-21T06:40:00.000Z".to_owned(),
        method: "GET".to_owned(),
        host: "edge".to_owned(),
        path: "/tv/home".to_owned(),
        protocol: "h2".to_owned(),
        read: BTreeMap::new(),
        identified: false,
        weight: 1,
        device: None,
        route: None,
        auth: None,
        caller: "anybody".to_owned(),
        outcome: "no_route".to_owned(),
        priority: Some("bulk".to_owned()),
        service_us: Some(1_500),
    };
    assert_eq!(fact, expected);
}

#[test]
fn what_the_queue_does_not_take_is_counted() {
    let metrics = Metrics::new();
    let (keeper, facts) = Keeper::new(Duration::from_mins(15), metrics.facts());
    for _ in 0..QUEUE_FACTS_MAX + 3 {
        end(&keeper, drafted(&keeper, "/"), "/");
    }
    assert_eq!(facts.len(), QUEUE_FACTS_MAX);
    let told = metrics.exporter().render();
    assert!(told.contains("headgate_gateway_kept_facts_total{result=\"dropped\"} 3\n"), "{told}");
}

#[test]
fn fact_that_is_too_long_is_not_kept() {
    let metrics = Metrics::new();
    let (keeper, facts) = Keeper::new(Duration::from_mins(15), metrics.facts());
    let long = "/a".repeat(FACT_BYTES_MAX / 2);
    end(&keeper, drafted(&keeper, &long), &long);
    assert_eq!(facts.len(), 0);
    assert!(metrics.exporter().render().contains("{result=\"dropped\"} 1\n"));
}

#[test]
fn exchange_without_a_fact_is_no_fact() {
    let metrics = Metrics::new();
    let (keeper, facts) = Keeper::new(Duration::from_mins(15), metrics.facts());
    end(&keeper, Drafted::Undrawn, "/");
    assert_eq!(facts.len(), 0);
    assert!(metrics.exporter().render().contains("{result=\"dropped\"} 0\n"));
}

#[test]
fn exchange_is_told_whole_and_without_what_may_be_secret() {
    let (exchanges, _feed) = Exchanges::new(Metrics::new().exchanges());
    let keeper = Keeper::of_exchanges(exchanges, None);
    let secret = "4f9c2b7aa0d14e3b9c2b7aa0";
    let path = format!("/tv/{secret}");
    let draft = keeper.last(drafted(&keeper, &path), Moment::ZERO).unwrap();
    let fact = draft.ended(&ENDED);
    with_line(&path, |line| {
        let told = exchange::of(line, &Detail::default(), 4, fact);
        assert!(!String::from_utf8_lossy(&told.data).contains(secret));
        let data: Value = serde_json::from_slice(&told.data).unwrap();
        assert_eq!(data["path"], data["facts"]["path"]);
        let expected = json!([404, "no_route", "c0ffee", 4, "ok", "anybody"]);
        let told_as = [
            &data["status"],
            &data["outcome"],
            &data["config"],
            &data["weight"],
            &data["attempts"][0]["result"],
            &data["facts"]["caller"],
        ];
        assert_eq!(json!(told_as), expected, "{data}");
        assert_eq!((told.time, told.priority), (line.time + line.duration, Class::Bulk));
    });
}

#[test]
fn exchange_that_ends_before_its_facts_is_told_all_the_same() {
    let (exchanges, _feed) = Exchanges::new(Metrics::new().exchanges());
    let keeper = Keeper::of_exchanges(exchanges, None);
    let draft = keeper.last(Drafted::Undrawn, Moment::ZERO).unwrap();
    assert!(draft.ended(&ENDED).is_none());
    assert!(keeper.last(Drafted::PassedOver, Moment::ZERO).is_none());
}

#[test]
fn kept_values_are_plain_json() {
    for (kept, text) in [
        (Kept::Absent, "null"),
        (Kept::There(Vec::new()), "[]"),
        (Kept::There(vec![7]), "[7]"),
        (Kept::Text("tv".to_owned()), "\"tv\""),
    ] {
        assert_eq!(serde_json::to_string(&kept).unwrap(), text);
        assert_eq!(serde_json::from_str::<Kept>(text).unwrap(), kept);
    }
}
