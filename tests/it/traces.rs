//! Traces reach a collector, and say what access lines and metrics say.

pub(crate) mod otlp;

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use headgate_tests::{
    Bff, Client, Site,
    bff::{self, respond},
    eventually, get,
    push::Stream,
    route, upstream,
};
use serde_json::{Value, json};

use self::otlp::{Collector, Span};
use crate::events::{JSON, OUTCOME, function, handler, order_route, place, site};

/// Fails the first request, and answers the others; tells the traces that it was handed.
async fn flaky() -> (Bff, Arc<std::sync::Mutex<Vec<String>>>) {
    let (count, traces) = (Arc::new(AtomicU32::new(0)), Arc::<std::sync::Mutex<_>>::default());
    let seen: Arc<std::sync::Mutex<Vec<String>>> = Arc::clone(&traces);
    let bff = Bff::http(move |request| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let trace = request.headers()["traceparent"].to_str().unwrap().to_owned();
        seen.lock().unwrap().push(trace);
        async move { respond(if number == 0 { 503 } else { 200 }, "ok") }
    });
    (bff.await, traces)
}

fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let found = spans.iter().find(|span| span.name == name);
    found.unwrap_or_else(|| panic!("no {name} in {spans:#?}"))
}

fn micros(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no microseconds: {value}"))
}

/// The exchange's span says what its access line says.
fn whole_tells_the_line(whole: &Span, line: &Value) {
    assert_eq!((whole.id.as_str(), whole.parent.as_str()), (line["span_id"].as_str().unwrap(), ""));
    for (attribute, member) in [
        ("http.request.method", "method"),
        ("url.path", "path"),
        ("server.address", "host"),
        ("client.address", "client"),
        ("http.response.status_code", "status"),
        ("http.response.body.size", "response_bytes"),
        ("headgate.outcome", "outcome"),
        ("headgate.team", "team"),
        ("headgate.route", "route"),
        ("headgate.upstream", "upstream"),
        ("headgate.device", "device"),
        ("headgate.priority", "priority"),
        ("headgate.attempts", "attempts_count"),
        ("headgate.config", "config"),
    ] {
        let told = line[member].to_string();
        assert_eq!(whole.attribute(attribute), told.trim_matches('"'), "{attribute} in {whole:#?}");
    }
    assert_eq!(whole.took_us(), micros(&line["duration_us"]));
    for (step, offset) in line["timing_us"].as_object().unwrap() {
        assert_eq!(whole.events[step], micros(offset), "{step}");
    }
}

/// So do the attempts, the connections made for them and the wait between them.
fn attempts_tell_the_line(spans: &[Span], whole: &Span, line: &Value) {
    let attempts = line["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{line}");
    for (number, attempt) in (1..).zip(attempts) {
        let span = named(spans, &format!("attempt {number}"));
        assert_eq!((&span.parent, span.kind), (&whole.id, 3));
        assert_eq!(span.attribute("server.address"), attempt["endpoint"]);
        assert_eq!(span.attribute("headgate.result"), attempt["result"]);
        let is_failed = attempt["result"] != "ok";
        assert_eq!(span.error.is_some(), is_failed);
        assert_eq!((span.began - whole.began) / 1_000, micros(&attempt["started_us"]));
        assert_eq!(span.took_us(), micros(&attempt["head_us"]));
        if let Some(connect) = attempt["connect_us"].as_u64() {
            let connected = named(spans, &format!("connect {number}"));
            assert_eq!((&connected.parent, connected.took_us()), (&span.id, connect));
        }
    }
    let first_ends = micros(&attempts[0]["started_us"]) + micros(&attempts[0]["head_us"]);
    let waited = micros(&attempts[1]["started_us"]) - first_ends;
    let backoff = spans.iter().find(|span| span.name == "backoff");
    // The first answer's rest is read before that.
    assert!(backoff.is_none_or(|span| span.took_us() <= waited + 1), "{waited} {spans:#?}");
}

#[tokio::test]
async fn line_metrics_and_trace_of_a_request_tell_one_story() {
    let (collector, (bff, traces)) = (Collector::start().await, flaky().await);
    let retries = "retry = { max = 1, on = [\"503\"], mode = \"off\" }";
    let edge = Site::with_route(&bff, "", retries)
        .platform(&collector.table())
        .platform("[[device]]\nname = \"web\"\nwhen = [\"*\"]")
        .start()
        .await;

    let reply = edge.send(get("/tv/x?secret=1").header("host", "api.example")).await;

    let trace = reply.trace_id();
    let line = edge.access_line(trace).await;
    let spans = collector.trace(trace, |span| span.kind == 2).await;
    let whole = named(&spans, "GET all");
    whole_tells_the_line(whole, &line);
    attempts_tell_the_line(&spans, whole, &line);
    let handed: Vec<_> = traces.lock().unwrap().clone();
    assert_eq!(handed, vec![format!("00-{trace}-{}-03", whole.id); 2]);

    let tv = [("team", "tv"), ("route", "all")];
    let metrics = edge
        .metrics_show("the spans", |metrics| {
            let exported = [("result", "exported")];
            metrics.sum("headgate_telemetry_spans_total", &exported) >= spans.len() as u64
        })
        .await;
    let count = |name: &str, labels: &[(&str, &str)]| metrics.sum(name, labels);
    let ended = [tv[0], tv[1], ("outcome", line["outcome"].as_str().unwrap())];
    assert_eq!(count("headgate_gateway_ended_requests_total", &ended), 1);
    assert_eq!(count("headgate_gateway_retry_attempts_total", &tv), 1);
    for attempt in line["attempts"].as_array().unwrap() {
        let result = [("result", attempt["result"].as_str().unwrap())];
        assert_eq!(count("headgate_gateway_upstream_attempts_total", &result), 1);
    }
    let call = get("/metrics").header("accept", "application/openmetrics-text; version=1.0.0");
    let page = Client::h1(edge.admin()).await.send(call).await;
    let exemplar = format!("# {{trace_id=\"{trace}\"}} ");
    let of_all = |line: &&str| {
        line.starts_with("headgate_gateway_exchange_duration_seconds_bucket{team=\"tv\"")
    };
    let found: Vec<_> =
        page.text().lines().filter(of_all).filter_map(|line| line.split_once(&exemplar)).collect();
    assert_eq!(found.len(), 1, "{}", page.text());
    let seconds: f64 = found[0].1.split(' ').next().unwrap().parse().unwrap();
    assert!((seconds * 1e6 - micros(&line["duration_us"]) as f64).abs() < 1.0, "{seconds}");
    assert!(!edge.told().contains("secret"), "queries are told nowhere");
}

#[tokio::test]
async fn wait_for_a_permit_is_a_span_as_long_as_the_line_says() {
    let (collector, bff) = (Collector::start().await, Bff::hanging().await);
    let one = "concurrency = { initial = 1, min = 1, max = 1 }";
    let edge = Site::with_route(&bff, one, "").platform(&collector.table()).start().await;
    let address = edge.plain();
    let held = tokio::spawn(async move { Client::h1(address).await.send(get("/tv/held")).await });
    bff.saw(1).await;

    let reply = edge.send(get("/tv/x")).await;

    assert_eq!(reply.outcome(), "limited_concurrency");
    let line = edge.access_line(reply.trace_id()).await;
    let spans = collector.trace(reply.trace_id(), |span| span.kind == 2).await;
    let layer = line["layers"].as_array().unwrap().last().unwrap();
    assert_eq!(layer["layer"], "concurrency");
    let wait = named(&spans, "queue concurrency");
    assert_eq!(wait.took_us(), micros(&layer["waited_us"]));
    let whole = named(&spans, "GET all");
    assert_eq!((&wait.parent, whole.error.as_deref()), (&whole.id, Some("limited_concurrency")));
    held.abort();
}

#[tokio::test]
async fn trusted_peer_decides_for_its_own_traces() {
    let (collector, bff) = (Collector::start().await, Bff::ok().await);
    let site = Site::to(&bff).platform(&collector.table());
    let edge = site.edge("trusted_peers = [\"127.0.0.0/8\"]").start().await;
    let peer = |trace: u8, flags: &str| format!("00-{trace:032x}-b7ad6b7169203331-{flags}");

    edge.send(get("/tv/quiet").header("traceparent", peer(1, "00"))).await;
    edge.send(get("/tv/told").header("traceparent", peer(2, "01"))).await;

    let told = format!("{:032x}", 2);
    let spans = collector.trace(&told, |span| span.kind == 2).await;
    assert_eq!(named(&spans, "GET all").parent, "b7ad6b7169203331");
    let handed: Vec<_> =
        bff.requests().iter().map(|seen| seen.header("traceparent").unwrap().to_owned()).collect();
    assert!(handed[0].ends_with("-00") && handed[1].ends_with("-01"), "{handed:?}");
    assert!(collector.spans().iter().all(|span| span.trace == told));
}

#[tokio::test]
async fn of_traces_that_begin_here_so_many_a_second_are_sent() {
    let (collector, (bff, traces)) = (Collector::start().await, flaky().await);
    let lines = format!("{}\nper_second = 1", collector.table());
    let edge = Site::to(&bff).platform(&lines).start().await;
    let mut client = edge.h1().await;
    let deadline = tokio::time::Instant::now() + headgate_tests::PATIENCE;
    let quiet = loop {
        let reply = client.send(get("/tv/x")).await;
        let handed = traces.lock().unwrap().last().unwrap().clone();
        assert!(handed.contains(reply.trace_id()));
        if handed.ends_with("-02") {
            break reply.trace_id().to_owned();
        }
        assert!(tokio::time::Instant::now() < deadline, "every trace is sent");
    };
    eventually("some traces", || (!collector.spans().is_empty()).then_some(())).await;
    assert!(collector.spans().iter().all(|span| span.trace != quiet));
}

#[tokio::test]
async fn collector_that_is_down_or_refuses_is_not_noticed_by_clients() {
    let (collector, bff) = (Collector::start().await, Bff::ok().await);
    collector.answer(400);
    let edge = Site::to(&bff).platform(&collector.table()).start().await;
    let mut client = edge.h1().await;

    edge.metrics_show("nothing", |_| true).await;
    for _ in 0..20 {
        assert_eq!(client.send(get("/tv/x")).await.status, 200);
    }
    edge.metrics_show("lost spans", |metrics| {
        metrics.sum("headgate_telemetry_spans_total", &[("result", "dropped")]) >= 20
    })
    .await;
    collector.answer(200);
    let reply = client.send(get("/tv/x")).await;
    collector.trace(reply.trace_id(), |span| span.kind == 2).await;
    let told = edge.told();
    assert_eq!(told.matches("traces can't be sent").count(), 1, "{told}");

    let gone = bff::refusing();
    let lines = format!("[traces]\nendpoint = \"http://{gone}\"");
    let edge = Site::to(&bff).platform(&lines).start().await;
    for _ in 0..20 {
        assert_eq!(edge.send(get("/tv/x")).await.status, 200);
    }
    eventually("a warning", || edge.told().contains("traces can't be sent").then_some(())).await;
    assert_eq!(edge.send(get("/tv/x")).await.status, 200);
}

#[tokio::test]
async fn what_has_ended_is_sent_before_the_process_ends() {
    let (collector, bff) = (Collector::start().await, Bff::ok().await);
    let mut edge = Site::new()
        .team(
            "tv",
            &[upstream("home", &[&bff.endpoint()], ""), route("all", "* /tv/x", "home", "")],
        )
        .platform(&collector.table())
        .start()
        .await;
    let reply = edge.send(get("/tv/x")).await;
    edge.terminate();
    edge.ended().await;
    let trace = reply.trace_id();
    assert!(collector.spans().iter().any(|span| span.trace == trace), "{trace} was not sent");
}

/// The span of one kind that tells of an event; of several attempts the last.
fn of_event<'s>(spans: &'s [Span], name: &str, id: &Value) -> &'s Span {
    let is_it = |span: &&Span| {
        let is_last = span.attribute("headgate.settlement") != "deferred";
        is_last && span.name == name && span.attribute("messaging.message.id") == id
    };
    spans.iter().find(is_it).unwrap_or_else(|| panic!("no {name} of {id} in {spans:#?}"))
}

/// Compares a branch of a series, as `headgate trace` has it, with its spans.
fn same_story(node: &Value, parent: &str, spans: &[Span]) {
    let kind = node["type"].as_str().unwrap();
    let made = of_event(spans, &format!("publish {kind}"), &node["id"]);
    assert_eq!((made.parent.as_str(), made.kind), (parent, 4), "{kind}");
    assert_eq!(made.attribute("messaging.destination.name"), node["topic"]);
    assert_eq!(made.attribute("headgate.event.source"), node["source"]);
    for handler in node["handlers"].as_array().unwrap() {
        let scope = handler["group"].as_str().unwrap();
        let work = of_event(spans, &format!("handle {scope}"), &node["id"]);
        assert_eq!((work.parent.as_str(), work.kind), (made.id.as_str(), 5), "{scope}");
        assert_eq!(work.attribute("headgate.settlement"), handler["state"]);
        for followed in node["followed"].as_array().unwrap() {
            let kind = followed["type"].as_str().unwrap();
            match followed["source"] == format!("/hg/{scope}") {
                // What is pushed is handled by nobody, and given to its owner's connections.
                true if kind.starts_with("hg.") => {
                    let push = of_event(spans, &format!("push {kind}"), &followed["id"]);
                    assert_eq!(push.parent, work.id);
                }
                true => same_story(followed, &work.id, spans),
                false => {}
            }
        }
    }
}

#[tokio::test]
async fn spans_of_a_series_say_what_its_tree_says() {
    let collector = Collector::start().await;
    let calls = Arc::new(AtomicU32::new(0));
    let charge = function(move |_| {
        if calls.fetch_add(1, Ordering::Relaxed) == 0 {
            return (503, JSON, "{}".to_owned());
        }
        let mail = json!({ "topic": "mail", "type": "mail.due.v1", "data": {} });
        (200, OUTCOME, json!({ "result": 1, "emit": [mail] }).to_string())
    })
    .await;
    let mail = function(|_| (200, JSON, "\"sent\"".to_owned())).await;
    let on = "on = \"mail/mail.due.v1\"";
    let mailer = format!("[handler.mailer]\n{on}\ncall = \"http://{}/mail\"\n", mail.endpoint());
    let retry = "retry = { max = 9, backoff = \"20ms..30ms\" }";
    let edge = site(&[order_route("", ""), handler("charge", &charge, retry), mailer])
        .platform(&collector.table())
        .start()
        .await;
    let mut pushes = Stream::open(&edge, "alice-key", None).await;

    let reply = edge.send(place("o-1")).await;

    let trace = reply.trace_id();
    pushes.pushed().await;
    collector.trace(trace, |span| span.name == "handle tv.mailer").await;
    let spans = collector.trace(trace, |span| span.name.starts_with("push ")).await;
    let exchange = named(&spans, "POST order");
    let series = edge.ask(&format!("/v1/traces/{trace}")).await.json();
    assert_eq!(series["events"].as_array().unwrap().len(), 1, "{series}");
    same_story(&series["events"][0], &exchange.id, &spans);

    let attempts: Vec<_> = spans.iter().filter(|span| span.name == "handle tv.charge").collect();
    let last =
        attempts.iter().find(|span| span.attribute("headgate.settlement") == "done").unwrap();
    let failed: Vec<_> = attempts.iter().filter(|span| span.id != last.id).collect();
    assert!(!failed.is_empty() && failed.iter().all(|span| span.error.is_some()), "{attempts:#?}");
    let called = charge.requests().last().unwrap().header("traceparent").unwrap().to_owned();
    assert_eq!(called, format!("00-{trace}-{}-01", last.id));
}

#[tokio::test]
async fn series_that_its_peer_does_not_sample_is_told_to_nobody() {
    let collector = Collector::start().await;
    let charge = function(|_| (200, JSON, "1".to_owned())).await;
    let edge = site(&[order_route("", ""), handler("charge", &charge, "")])
        .platform(&collector.table())
        .edge("trusted_peers = [\"127.0.0.0/8\"]")
        .start()
        .await;
    let parent = |trace: u8, flags: &str| format!("00-{trace:032x}-b7ad6b7169203331-{flags}");
    edge.send(place("o-1").header("traceparent", parent(1, "00"))).await;
    let quiet = charge.first().await;
    assert!(quiet.header("traceparent").unwrap().ends_with("-00"));
    edge.send(place("o-2").header("traceparent", parent(2, "01"))).await;
    let told = format!("{:032x}", 2);
    collector.trace(&told, |span| span.name == "handle tv.charge").await;
    assert!(collector.spans().iter().all(|span| span.trace == told));
}
