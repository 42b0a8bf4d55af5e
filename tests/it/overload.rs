//! What can't be served is refused early, the least important first, and the rest is served.

use headgate_tests::{
    Bff, Client, Edge, Reply, Site, bff::respond, client::call, eventually, get, route, upstream,
    within,
};
use tokio::{sync::watch, task::JoinHandle};

/// Nothing is tried twice, and no timeout comes before the test's end.
const PLAIN: &str = "retry = { max = 0, on = [] }\ntimeout = \"60s\"";
const TWO: &str = "concurrency = { initial = 2, min = 2, max = 2 }";

/// Sends a request on a connection of its own, and goes on.
fn start(edge: &Edge, path: &'static str) -> JoinHandle<Reply> {
    let address = edge.plain();
    tokio::spawn(async move { Client::h1(address).await.send(get(path)).await })
}

fn finished(asked: &[JoinHandle<Reply>]) -> usize {
    asked.iter().filter(|one| one.is_finished()).count()
}

#[track_caller]
fn is_limited(reply: &Reply) {
    let problem = reply.problem();
    assert_eq!((reply.status, problem["outcome"].as_str()), (503, Some("limited_concurrency")));
    assert_eq!(problem["code"], "HG0032");
    assert_eq!(problem["retries_max"], 1);
    assert!(problem["retry_after_ms"].as_u64().unwrap() >= 1_000, "{problem}");
}

/// How many of `count` requests at once reach an upstream that never answers.
async fn reach(upstream_lines: &str, route_lines: &str, count: usize) -> usize {
    let bff = Bff::hanging().await;
    let site = Site::with_route(&bff, upstream_lines, &format!("{PLAIN}\n{route_lines}"));
    let edge = site.start().await;
    let asked: Vec<_> = (0..count).map(|_| start(&edge, "/tv/x")).collect();
    eventually("every request to reach the upstream or be refused", || {
        (bff.requests().len() + finished(&asked) == count).then_some(())
    })
    .await;
    for one in asked {
        if one.is_finished() {
            is_limited(&one.await.unwrap());
        } else {
            one.abort();
        }
    }
    bff.requests().len()
}

fn two(mode: &str) -> String {
    format!("concurrency = {{ mode = \"{mode}\", initial = 2, min = 2, max = 2 }}")
}

#[tokio::test]
async fn no_more_requests_than_the_limit_are_at_an_upstream_at_once() {
    assert_eq!(reach(&two("enforce"), "", 5).await, 2);
    assert_eq!(reach(&two("observe"), "", 5).await, 5);
    assert_eq!(reach(&two("off"), "", 5).await, 5);
}

#[tokio::test]
async fn limit_stays_within_its_bounds() {
    assert_eq!(reach("concurrency = { max = 5 }", "", 7).await, 5);
    assert_eq!(reach("concurrency = { min = 24 }", "", 26).await, 24);
    assert_eq!(reach("concurrency = { initial = 4 }", "", 6).await, 4);
    assert_eq!(reach("", "", 22).await, 20, "without a line of configuration");
}

#[tokio::test]
async fn route_may_have_a_limit_of_its_own() {
    assert_eq!(reach("", &two("enforce"), 5).await, 2);
    assert_eq!(reach("", &two("observe"), 5).await, 5);
    assert_eq!(reach("", "concurrency = { max = 5 }", 7).await, 5);
    assert_eq!(reach("", "concurrency = { initial = 4 }", 6).await, 4);
    let wide = "concurrency = { min = 24 }";
    assert_eq!(reach(wide, wide, 26).await, 24);
}

/// Answers once the watch says so; before, requests wait.
async fn waiting() -> (Bff, watch::Sender<bool>) {
    let gate = watch::Sender::new(false);
    let opened = gate.subscribe();
    let bff = Bff::raw(move |mut connection| {
        let mut opened = opened.clone();
        async move {
            while connection.request().await.is_some() {
                opened.wait_for(|is_open| *is_open).await.unwrap();
                connection.answer(200, &[], "ok").await;
            }
        }
    })
    .await;
    (bff, gate)
}

#[tokio::test]
async fn who_finds_no_room_waits_and_is_served_when_there_is() {
    let (bff, gate) = waiting().await;
    let edge = Site::with_route(&bff, TWO, PLAIN).start().await;
    let asked: Vec<_> = (0..4).map(|_| start(&edge, "/tv/x")).collect();
    bff.saw(2).await;

    gate.send_replace(true);

    for one in asked {
        assert_eq!(one.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn client_that_leaves_makes_room() {
    let bff = Bff::hanging().await;
    let edge = Site::with_route(&bff, TWO, PLAIN).start().await;
    let gone: Vec<_> = (0..2).map(|_| start(&edge, "/tv/x")).collect();
    bff.saw(2).await;

    gone.iter().for_each(JoinHandle::abort);
    bff.sees_closed(2).await;
    let asked: Vec<_> = (0..2).map(|_| start(&edge, "/tv/x")).collect();

    bff.saw(4).await;
    asked.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn room_is_taken_until_the_answers_last_byte() {
    let bff = Bff::raw(|mut connection| async move {
        connection.request().await;
        connection.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
        connection.request().await;
    })
    .await;
    let edge = Site::with_route(&bff, TWO, PLAIN).start().await;
    let mut half = Vec::new();
    for _ in 0..2 {
        let mut client = edge.h1().await;
        half.push((client.open(get("/tv/x")).await, client));
    }

    is_limited(&edge.send(get("/tv/x")).await);
}

#[tokio::test]
async fn event_streams_take_no_room() {
    let bff = Bff::raw(|mut connection| async move {
        connection.request().await;
        connection
            .write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n")
            .await;
        connection.request().await;
    })
    .await;
    let edge = Site::with_route(&bff, TWO, PLAIN).start().await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut client = edge.h1().await;
        let answer = client.open(get("/tv/x")).await;
        assert_eq!(answer.status(), 200);
        streams.push((answer, client));
    }
}

#[tokio::test]
async fn exempt_route_is_never_refused() {
    let bff = Bff::hanging().await;
    let edge = Site::with_route(&bff, TWO, PLAIN)
        .platform("[edge.overload]\nexempt = [\"tv/all\"]\ncut = { standard = \"100%\" }")
        .start()
        .await;
    let asked: Vec<_> = (0..5).map(|_| start(&edge, "/tv/x")).collect();
    bff.saw(5).await;
    assert_eq!(finished(&asked), 0);
    asked.iter().for_each(JoinHandle::abort);
}

fn classes(bff: &Bff, platform: &str) -> Site {
    let tables = ["critical", "standard", "best_effort", "bulk"].map(|class| {
        route(class, &format!("GET /tv/{class}"), "home", &format!("priority = \"{class}\""))
    });
    let mut tables = tables.to_vec();
    tables.push(upstream("home", &[&bff.endpoint()], ""));
    Site::new().team("tv", &tables).platform(platform)
}

async fn statuses(edge: &Edge) -> [u16; 4] {
    let mut client = edge.h1().await;
    let mut statuses = [0; 4];
    for (status, path) in
        statuses.iter_mut().zip(["/tv/critical", "/tv/standard", "/tv/best_effort", "/tv/bulk"])
    {
        let reply = client.send(get(path)).await;
        if reply.status != 200 {
            let problem = reply.problem();
            let said = (problem["outcome"].as_str(), problem["code"].as_str());
            assert_eq!(said, (Some("shed_overload"), Some("HG0030")));
            assert!(problem["retry_after_ms"].as_u64().unwrap() >= 1_000, "{problem}");
        }
        *status = reply.status;
    }
    statuses
}

#[tokio::test]
async fn operators_cut_classes_but_never_the_critical_one() {
    let bff = Bff::ok().await;
    for (cut, expected) in [
        ("bulk = \"100%\"", [200, 200, 200, 503]),
        ("best_effort = \"100%\"", [200, 200, 503, 200]),
        ("standard = \"100%\", best_effort = \"100%\"", [200, 503, 503, 200]),
    ] {
        let edge = classes(&bff, &format!("[edge.overload]\ncut = {{ {cut} }}")).start().await;
        assert_eq!(statuses(&edge).await, expected, "{cut}");
    }
}

#[tokio::test]
async fn cut_is_carried_out_by_its_mode() {
    let bff = Bff::ok().await;
    for (mode, expected) in [("off", 200), ("observe", 200), ("enforce", 503)] {
        let overload = format!("[edge.overload]\nmode = \"{mode}\"\ncut = {{ bulk = \"100%\" }}");
        let edge = classes(&bff, &overload).start().await;
        assert_eq!(statuses(&edge).await, [200, 200, 200, expected], "{mode}");
    }
}

/// More than the edge has ever had in flight while it answered in time.
const CROWD: usize = 20;

/// Asks for what is critical and for what is bulk in turn, until bulk is answered so.
async fn until_bulk_is(edge: &Edge, status: u16) -> Reply {
    let mut client = edge.h1().await;
    let asks = async {
        loop {
            client.send(get("/tv/critical")).await;
            let bulk = client.send(get("/tv/bulk")).await;
            if bulk.status == status {
                return bulk;
            }
        }
    };
    within("bulk to be answered otherwise", asks).await
}

async fn busy_from(edge: &Edge, share: &str) {
    let before = edge.config().await;
    let text = std::fs::read_to_string(edge.folder().path().join("headgate.toml")).unwrap();
    let (head, rest) = text.split_once("cpu = \"").unwrap();
    let (_, rest) = rest.split_once('"').unwrap();
    edge.folder().write("headgate.toml", format!("{head}cpu = \"{share}\"{rest}"));
    edge.config_changes(&before).await;
}

#[tokio::test]
async fn busy_edge_sheds_by_its_own_signals_and_recovers() {
    let (bff, hangs) = (Bff::ok().await, Bff::hanging().await);
    let off = "concurrency = { mode = \"off\" }";
    let tables = [
        upstream("home", &[&bff.endpoint()], off),
        upstream("hangs", &[&hangs.endpoint()], off),
        route("critical", "GET /tv/critical", "home", "priority = \"critical\""),
        route("bulk", "GET /tv/bulk", "home", "priority = \"bulk\""),
        route("hangs", "GET /tv/hangs", "hangs", PLAIN),
    ];
    let site = Site::new().team("tv", &tables).edge("threads = 1");
    let edge = site.platform("[edge.overload]\ncpu = \"100%\"").start().await;
    let crowd: Vec<_> = (0..CROWD).map(|_| start(&edge, "/tv/hangs")).collect();
    hangs.saw(CROWD).await;
    let mut client = edge.h1().await;
    for _ in 0..50 {
        // In flight alone may be a slow upstream, and this CPU is never all of it.
        assert_eq!(client.send(get("/tv/bulk")).await.status, 200);
    }

    busy_from(&edge, "1%").await;
    let refused = until_bulk_is(&edge, 503).await;

    assert_eq!(refused.problem()["code"], "HG0030");
    let line = edge.access_line(refused.trace_id()).await;
    let layer = &line["layers"][0];
    assert_eq!((&layer["layer"], &layer["ruled"]), (&"instance".into(), &"refused".into()));
    let reason = layer["reason"].as_str().unwrap();
    assert!(["cpu", "scheduler_lag"].contains(&reason), "{line}");
    let [observed, limit] = ["observed", "limit"].map(|key| layer[key].as_f64().unwrap());
    assert!(observed > limit && limit > 0.0, "{line}");

    busy_from(&edge, "100%").await;
    until_bulk_is(&edge, 200).await;
    crowd.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn device_may_lower_its_class_and_is_shed_by_it() {
    let bff = Bff::ok().await;
    let edge = classes(&bff, "[edge.overload]\ncut = { bulk = \"100%\" }").start().await;
    let as_class = async |path: &str, class: &str| {
        edge.send(get(path).header("headgate-priority", class)).await.status
    };
    assert_eq!(as_class("/tv/critical", "bulk").await, 503);
    assert_eq!(as_class("/tv/bulk", "critical").await, 503, "it may not raise it");
}

#[tokio::test]
async fn grpc_callers_hear_of_it_in_their_own_words() {
    let bff = Bff::ok().await;
    let edge = classes(&bff, "[edge.overload]\ncut = { bulk = \"100%\" }").start().await;
    for (kind, of_answer) in [
        ("application/grpc+proto", "application/grpc"),
        ("application/grpc-web+proto", "application/grpc-web+proto"),
    ] {
        let grpc = call("GET", "/tv/bulk").header("content-type", kind);
        let reply = edge.h2().await.send(grpc).await;
        assert_eq!((reply.status, reply.header("grpc-status")), (200, "14"));
        assert_eq!(reply.header("content-type"), of_answer);
    }
}

/// Sends requests until the endpoint has failed so often in a row, then some more, and tells how
/// many of these it got. The other endpoint never answers.
async fn failures_after(breaker: &str, in_row: usize) -> usize {
    let (fails, hangs) = (Bff::failing(500).await, Bff::hanging().await);
    let endpoints = [fails.endpoint(), hangs.endpoint()];
    let edge = Site::to_endpoints(
        &endpoints.each_ref().map(String::as_str),
        &format!("breaker = {{ {breaker} }}"),
        PLAIN,
    )
    .start()
    .await;
    let mut asked = Vec::new();
    while fails.requests().len() < in_row {
        asked.push(start(&edge, "/tv/x"));
        let known = asked.len();
        eventually("the request to reach an endpoint", || {
            (fails.requests().len() + hangs.requests().len() == known).then_some(())
        })
        .await;
        if !hangs.requests().is_empty() {
            // What it is told ends with the answer, which comes at once.
            eventually("the answer", || (finished(&asked) == fails.requests().len()).then_some(()))
                .await;
        }
    }
    let known = asked.len();
    asked.extend((0..4).map(|_| start(&edge, "/tv/x")));
    eventually("all to reach an endpoint", || {
        (fails.requests().len() + hangs.requests().len() == known + 4).then_some(())
    })
    .await;
    asked.iter().for_each(JoinHandle::abort);
    fails.requests().len() - in_row
}

#[tokio::test]
async fn endpoint_that_fails_is_left_out() {
    assert_eq!(failures_after("consecutive_failures = 2", 2).await, 0);
    assert_eq!(failures_after("consecutive_failures = 3", 3).await, 0);
    assert_ne!(failures_after("consecutive_failures = 3", 2).await, 0);
    assert_ne!(failures_after("mode = \"off\", consecutive_failures = 2", 2).await, 0);
    assert_ne!(failures_after("mode = \"observe\", consecutive_failures = 2", 2).await, 0);
}

#[tokio::test]
async fn last_endpoint_is_asked_however_it_fails() {
    let fails = Bff::failing(500).await;
    let site = Site::with_route(&fails, "breaker = { consecutive_failures = 1 }", PLAIN);
    let edge = site.start().await;
    let mut client = edge.h1().await;
    for _ in 0..10 {
        let reply = client.send(get("/tv/x")).await;
        assert_eq!((reply.status, reply.text()), (500, "failed"));
    }
}

#[tokio::test]
async fn refusals_are_counted_by_their_outcome() {
    let bff = Bff::http(|_request| async { respond(200, "ok") }).await;
    let edge = classes(&bff, "[edge.overload]\ncut = { bulk = \"100%\" }").start().await;
    statuses(&edge).await;
    statuses(&edge).await;
    edge.metrics_show("every exchange to have ended", |metrics| {
        let ended = |outcome| {
            let labels = [("outcome", outcome)];
            metrics.sum("headgate_gateway_ended_requests_total", &labels)
        };
        (ended("shed_overload"), ended("ok")) == (2, 6)
    })
    .await;
}

#[tokio::test]
async fn slow_clients_lower_nobodys_limit() {
    let bff = Bff::hanging().await;
    let lines = "timeout = \"500ms\"\nretry = { max = 0, on = [] }";
    let edge = Site::with_route(&bff, "", lines).edge("threads = 1").start().await;
    // More than one in fifty of the calls would be a loss that cuts the limit.
    for _ in 0..3 {
        let mut slow = Vec::new();
        for _ in 0..19 {
            let mut raw = edge.raw().await;
            raw.send("POST /tv/x HTTP/1.1\r\nhost: edge\r\ncontent-length: 9\r\n\r\nslow").await;
            slow.push(raw);
        }
        for mut raw in slow {
            assert!(raw.head().await.starts_with("HTTP/1.1 504"), "its time was up");
        }
    }
    assert!(bff.requests().is_empty(), "none has come as a whole");

    let asked: Vec<_> = (0..20).map(|_| start(&edge, "/tv/x")).collect();

    bff.saw(20).await;
    for one in asked {
        assert_eq!(one.await.unwrap().outcome(), "origin_timeout");
    }
}
