use headgate_types::{Device, Moment, SpanId};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// What a line borrows from.
pub(crate) struct Exchange {
    trace: TraceContext,
    device: Device,
    attempts: Vec<Attempt>,
    journal: Journal,
    client: Members,
    route: Members,
    config: Members,
}

fn client(address: &str) -> Members {
    Members::of_client(address.parse().unwrap(), Listener::Tls)
}

pub(crate) fn exchange() -> Exchange {
    let start = Moment::from_nanos(5_000);
    let at = |micros| start + Duration::from_micros(micros);
    let mut journal = Journal::start(start);
    journal.mark(Mark::Routed, at(12));
    journal.mark(Mark::Connected, at(40));
    journal.mark(Mark::Connected, at(900));
    Exchange {
        trace: TraceContext {
            trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap(),
            span_id: "00f067aa0ba902b7".parse().unwrap(),
            parent_id: SpanId::from_hex(b"00f067aa0ba902b8").ok(),
            flags: 1,
        },
        device: Device { class: "tv".into(), reason: "ua ~ \"Tizen\\d\"".into(), version: None },
        attempts: vec![
            Attempt {
                endpoint: "127.0.0.1:7001".into(),
                started: Duration::from_micros(30),
                connect: Some(Duration::from_micros(210)),
                head: None,
                took: Duration::from_micros(250),
                result: AttemptResult::Reset,
            },
            Attempt {
                endpoint: "127.0.0.1:7002".into(),
                started: Duration::from_micros(600),
                connect: None,
                head: Some(Duration::from_micros(1_400)),
                took: Duration::from_micros(1_400),
                result: AttemptResult::Ok,
            },
        ],
        journal,
        client: client("192.0.2.7:40000"),
        route: Members::of(&[("team", "tv"), ("route", "home"), ("upstream", "home-next")]),
        config: Members::of(&[("config", "c0ffee")]),
    }
}

pub(crate) fn line(exchange: &Exchange) -> Line<'_> {
    Line {
        time: UnixTime::from_duration(Duration::from_millis(1_795_000_000_123)),
        trace: &exchange.trace,
        untrusted_parent: None,
        request: Request {
            client: &exchange.client,
            version: http::Version::HTTP_2,
            method: "GET",
            host: Some("api.example"),
            path: "/tv/home/1",
        },
        outcome: Outcome::Ok,
        status: Some(200),
        code: None,
        route: Some(&exchange.route),
        device: Some(&exchange.device),
        priority: Some(Class::Standard),
        identity: Some(Caller { source: "accounts", subject: Pseudonym::of("user-1") }),
        probe: Some("home"),
        rulings: &[],
        attempts: &exchange.attempts,
        request_bytes: 0,
        response_bytes: 1_024,
        duration: Duration::from_micros(2_345),
        journal: &exchange.journal,
        config: &exchange.config,
    }
}

fn written(line: &Line<'_>) -> String {
    let mut bytes = Vec::new();
    json::write(&mut bytes, line);
    String::from_utf8(bytes).unwrap()
}

fn parsed(line: &Line<'_>) -> Value {
    serde_json::from_str(&written(line)).unwrap()
}

#[test]
fn line_says_everything_once() {
    let exchange = exchange();
    let mut line = line(&exchange);
    line.untrusted_parent =
        crate::trace::parse_traceparent(b"00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b9-01");
    line.code = Some("HG0012");
    let expected = json!({
        "time": "2026-11-18T11:06:40.123Z",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "00f067aa0ba902b7",
        "parent_id": "00f067aa0ba902b8",
        "untrusted_traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b9-01",
        "client": "192.0.2.7",
        "client_port": 40_000,
        "listener": "tls",
        "protocol": "HTTP/2",
        "method": "GET",
        "host": "api.example",
        "path": "/tv/home/1",
        "outcome": "ok",
        "status": 200,
        "code": "HG0012",
        "team": "tv",
        "route": "home",
        "upstream": "home-next",
        "device": "tv",
        "device_reason": "ua ~ \"Tizen\\d\"",
        "priority": "standard",
        "identity": "accounts",
        "subject_sha256": "c6c289e49e9c05b2",
        "probe": "home",
        "request_bytes": 0,
        "response_bytes": 1_024,
        "duration_us": 2_345,
        "timing_us": { "routed": 12, "connected": 900 },
        "attempts_count": 2,
        "attempts": [
            {
                "endpoint": "127.0.0.1:7001",
                "started_us": 30,
                "connect_us": 210,
                "took_us": 250,
                "result": "reset",
            },
            { "endpoint": "127.0.0.1:7002", "started_us": 600, "head_us": 1_400, "result": "ok" },
        ],
        "config": "c0ffee",
    });
    assert_eq!(parsed(&line), expected);
    let text = written(&line);
    assert!(text.ends_with("}\n") && text.matches('\n').count() == 1, "{text}");
}

#[test]
fn reference_page_names_every_member_mark_and_result() {
    let page = include_str!("../../../docs/reference/access-lines.md");
    let exchange = exchange();
    let mut line = line(&exchange);
    line.code = Some("");
    line.untrusted_parent =
        crate::trace::parse_traceparent(b"00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b9-01");
    let rulings = [Ruling { waited: Duration::from_micros(1), ..ruling("rate", Ruled::Refused) }];
    line.rulings = &rulings;
    let parsed = parsed(&line);
    let mut names: Vec<&str> = parsed.as_object().unwrap().keys().map(String::as_str).collect();
    names.extend(Ruled::ALL.map(Ruled::as_str));
    let parts = ["attempts", "layers"].map(|list| parsed[list].as_array().unwrap());
    for attempt in parts.into_iter().flatten() {
        names.extend(attempt.as_object().unwrap().keys().map(String::as_str));
    }
    names.extend(Mark::ALL.map(Mark::as_str));
    names.extend(AttemptResult::ALL.map(AttemptResult::as_str));
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "{name} has no place in the page");
    }
}

pub(crate) fn ruling(layer: &'static str, ruled: Ruled) -> Ruling {
    let is_admitted = ruled == Ruled::Admitted;
    Ruling {
        layer,
        mode: "enforce",
        ruled,
        reason: (!is_admitted).then_some("limit_reached"),
        observed: 24.0,
        limit: 20.5,
        level: 130,
        threshold: (!is_admitted).then_some(256),
        retry_after: Duration::from_millis(if is_admitted { 0 } else { 1_500 }),
        waited: Duration::from_micros(if is_admitted { 70 } else { 0 }),
    }
}

#[test]
fn line_names_the_layers_that_did_not_just_admit() {
    let exchange = exchange();
    let rulings = [
        ruling("instance", Ruled::Admitted),
        ruling("rate", Ruled::WouldRefuse),
        ruling("concurrency", Ruled::Refused),
    ];
    let line = Line { rulings: &rulings, ..line(&exchange) };
    let named = |ruled: &str, layer: &str| {
        json!({
            "layer": layer,
            "mode": "enforce",
            "ruled": ruled,
            "reason": "limit_reached",
            "observed": 24,
            "limit": 20.5,
            "level": 130,
            "threshold": 256,
            "retry_after_ms": 1_500,
        })
    };
    let expected = json!([named("would_refuse", "rate"), named("refused", "concurrency")]);
    assert_eq!(parsed(&line)["layers"], expected);

    let mut bytes = Vec::new();
    json::write_with(&mut bytes, &line, &Detail::default());
    let detailed: Value = serde_json::from_slice(&bytes).unwrap();
    let admitted = json!({
        "layer": "instance",
        "mode": "enforce",
        "ruled": "admitted",
        "observed": 24,
        "limit": 20.5,
        "level": 130,
        "waited_us": 70,
    });
    assert_eq!(detailed["layers"][0], admitted);
    assert_eq!(detailed["layers"].as_array().unwrap().len(), 3);
}

#[test]
fn what_is_not_known_is_left_out() {
    let exchange = exchange();
    let line = Line {
        status: None,
        route: None,
        device: None,
        priority: None,
        identity: None,
        attempts: &[],
        request: Request { host: None, ..line(&exchange).request },
        ..line(&exchange)
    };
    let parsed = parsed(&line);
    for key in
        ["status", "code", "team", "device", "priority", "identity", "subject_sha256", "host"]
    {
        assert_eq!(parsed.get(key), None, "{key}");
    }
    assert_eq!(parsed["attempts"], json!([]));
}

#[test]
fn texts_and_attempts_are_cut_at_their_limits() {
    let mut exchange = exchange();
    exchange.attempts = vec![exchange.attempts[0].clone(); ATTEMPTS_MAX + 3];
    let path = "ä".repeat(TEXT_BYTES_MAX);
    let mut line = line(&exchange);
    line.request.path = &path;
    let parsed = parsed(&line);
    let expected = format!("{}…", "ä".repeat(TEXT_BYTES_MAX / 2));
    assert_eq!(parsed["path"], expected);
    assert_eq!(parsed["attempts"].as_array().unwrap().len(), ATTEMPTS_MAX);
    assert_eq!(parsed["attempts_count"], ATTEMPTS_MAX + 3);
}

#[test]
fn mapped_addresses_are_written_as_version_4() {
    let exchange = exchange();
    let mut line = line(&exchange);
    let mapped = client("[::ffff:192.0.2.7]:1");
    line.request.client = &mapped;
    assert_eq!(parsed(&line)["client"], "192.0.2.7");
    let v6 = client("[2001:db8::1]:1");
    line.request.client = &v6;
    assert_eq!(parsed(&line)["client"], "2001:db8::1");
}

#[test]
fn journal_knows_only_what_was_passed() {
    let mut journal = Journal::start(Moment::from_nanos(1_000));
    assert_eq!(journal.offset(Mark::Routed), None);
    journal.mark(Mark::Routed, Moment::ZERO);
    assert_eq!(journal.offset(Mark::Routed), Some(Duration::ZERO));
    journal.mark(Mark::Connected, Moment::NEVER);
    let longest = Duration::from_micros(u64::from(u32::MAX) - 1);
    assert_eq!(journal.offset(Mark::Connected), Some(longest));
}

#[test]
fn marks_are_listed_at_their_own_places() {
    for (index, mark) in Mark::ALL.into_iter().enumerate() {
        assert_eq!(mark as usize, index);
    }
}

proptest! {
    #[test]
    fn hostile_texts_come_back_as_they_were(text in any::<String>(), numbers in any::<(u64, u64, u32)>()) {
        prop_assume!(text.len() <= TEXT_BYTES_MAX);
        let exchange = exchange();
        let mut line = line(&exchange);
        line.request.path = &text;
        line.request.method = &text;
        line.request.host = Some(&text);
        let shared = Members::of(&[("config", &text)]);
        line.config = &shared;
        (line.request_bytes, line.response_bytes) = (numbers.0, numbers.1);
        line.duration = Duration::from_micros(numbers.2.into());
        prop_assert_eq!(written(&line).matches('\n').count(), 1);
        let parsed = parsed(&line);
        for key in ["path", "method", "host", "config"] {
            prop_assert_eq!(parsed[key].as_str(), Some(text.as_str()));
        }
        prop_assert_eq!(parsed["request_bytes"].as_u64(), Some(numbers.0));
        prop_assert_eq!(parsed["response_bytes"].as_u64(), Some(numbers.1));
        prop_assert_eq!(parsed["duration_us"].as_u64(), Some(numbers.2.into()));
    }
}

#[test]
fn members_are_found_by_their_names() {
    let exchange = exchange();
    let mut line = line(&exchange);
    line.rulings = &[];
    for (name, text) in [
        ("client", "192.0.2.7"),
        ("listener", "tls"),
        ("protocol", "HTTP/2"),
        ("method", "GET"),
        ("host", "api.example"),
        ("path", "/tv/home/1"),
        ("outcome", "ok"),
        ("team", "tv"),
        ("route", "home"),
        ("upstream", "home-next"),
        ("device", "tv"),
        ("priority", "standard"),
        ("identity", "accounts"),
        ("endpoint", "127.0.0.1:7002"),
        ("result", "ok"),
    ] {
        assert_eq!(line.text(name), Some(text), "{name}");
    }
    assert_eq!((line.text("arm"), line.text("code"), line.text("colour")), (None, None, None));
    let numbers = ["status", "attempts", "request_bytes", "response_bytes", "duration"];
    let numbers = numbers.map(|name| line.number(name));
    assert_eq!(numbers, [Some(200), Some(2), Some(0), Some(1_024), Some(2_345)]);
    let known = [TEXTS, COUNTS, LENGTHS].concat();
    line.code = Some("HG0001");
    let arms = Members::of(&[
        ("team", "a\",\"route\":\"x"),
        ("route", "home"),
        ("upstream", "x"),
        ("arm", "b"),
    ]);
    line.route = Some(&arms);
    assert_eq!((line.text("team"), line.text("route")), (None, Some("home")));
    let unknown: Vec<_> = known
        .iter()
        .filter(|name| line.text(name).is_none() && line.number(name).is_none())
        .collect();
    assert_eq!(unknown, [&"team"]);
}
