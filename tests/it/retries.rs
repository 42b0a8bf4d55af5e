//! A second endpoint is tried where that can do no harm, and never without bound.

use headgate_tests::{Bff, Edge, Site, bff, client::call, get, post};
use tokio::time::Instant;

async fn edge(endpoints: &[&str], retry: &str) -> Edge {
    Site::to_endpoints(endpoints, "", &format!("retry = {{ {retry} }}\ntimeout = \"5s\""))
        .edge("threads = 1")
        .start()
        .await
}

#[tokio::test]
async fn refused_connection_is_retried_on_the_other_endpoint() {
    let (good, gone) = (Bff::ok().await, bff::refusing());
    let edge =
        edge(&[&gone, &good.endpoint()], "max = 1, on = [\"connect\"], budget = \"100%\"").await;

    for at in 0..20 {
        // A request that was never sent can be sent again, with its body.
        let call = if at % 2 == 0 { get("/tv/x") } else { post("/tv/x", "body") };
        let reply = edge.send(call).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    let seen = good.saw(20).await;
    assert_eq!(seen.len(), 20);
    assert!(seen.iter().all(|seen| seen.method == "GET" || seen.body == b"body"));
    let again = seen.iter().filter(|seen| seen.header("headgate-attempt") == Some("2")).count();
    assert!(again > 0, "the dead endpoint was never asked");
    let metrics = edge.metrics().await;
    assert_eq!(metrics.sum("headgate_gateway_retry_attempts_total", &[]), again as u64);
}

#[tokio::test]
async fn attempts_are_in_the_access_line() {
    let (good, gone) = (Bff::ok().await, bff::refusing());
    let edge =
        edge(&[&gone, &good.endpoint()], "max = 1, on = [\"connect\"], budget = \"100%\"").await;

    let mut trace_id = String::new();
    while good.requests().iter().all(|seen| seen.header("headgate-attempt") == Some("1")) {
        let reply = edge.send(get("/tv/x")).await;
        trace_id = reply.trace_id().to_owned();
        assert!(good.requests().len() < 100, "the dead endpoint was never asked");
    }

    let line = edge.access_line(&trace_id).await;
    assert_eq!(line["attempts_count"], 2, "{line}");
    assert_eq!(line["attempts"][0]["endpoint"], gone);
    assert_eq!(line["attempts"][0]["result"], "connect");
    assert_eq!(line["attempts"][1]["endpoint"], good.endpoint());
    assert_eq!(line["attempts"][1]["result"], "ok");
}

/// Reads a request and breaks off.
async fn resetting() -> Bff {
    Bff::answering("").await
}

#[tokio::test]
async fn broken_off_get_is_retried() {
    let (good, bad) = (Bff::ok().await, resetting().await);
    let edge =
        edge(&[&bad.endpoint(), &good.endpoint()], "max = 1, on = [\"reset\"], budget = \"100%\"")
            .await;

    for _ in 0..10 {
        assert_eq!(edge.send(get("/tv/x")).await.status, 200);
    }
    assert!(!bad.requests().is_empty(), "the bad endpoint was never asked");
}

#[tokio::test]
async fn request_that_may_have_acted_is_not_sent_twice() {
    let bad = [resetting().await, resetting().await];
    let endpoints = [bad[0].endpoint(), bad[1].endpoint()];
    let edge = edge(
        &endpoints.each_ref().map(String::as_str),
        "max = 3, on = [\"reset\"], budget = \"100%\"",
    )
    .await;

    let mut asked = 0;
    for call in [post("/tv/x", "body"), call("POST", "/tv/x"), call("PATCH", "/tv/x")] {
        let reply = edge.send(call).await;
        assert_eq!((reply.status, reply.outcome().as_str()), (502, "origin_reset"));
        asked += 1;
        let seen = bad.iter().map(|bff| bff.requests().len()).sum::<usize>();
        assert_eq!(seen, asked, "sent more than once");
    }
}

#[tokio::test]
async fn status_is_retried_only_where_the_route_says_so() {
    for (on, status) in [("[\"503\"]", 200), ("[\"connect\"]", 503)] {
        let (good, busy) = (Bff::ok().await, Bff::failing(503).await);
        let retry = format!("max = 1, on = {on}, budget = \"100%\"");
        let edge = edge(&[&busy.endpoint(), &good.endpoint()], &retry).await;

        let mut statuses = Vec::new();
        while busy.requests().is_empty() {
            statuses.push(edge.send(get("/tv/x")).await.status);
            assert!(statuses.len() < 100, "the busy endpoint was never asked");
        }

        assert_eq!(statuses.last(), Some(&status), "on = {on}");
    }
}

#[tokio::test]
async fn last_answer_is_passed_on_when_all_fail() {
    let busy = [Bff::failing(503).await, Bff::failing(503).await];
    let endpoints = [busy[0].endpoint(), busy[1].endpoint()];
    let edge = edge(
        &endpoints.each_ref().map(String::as_str),
        "max = 1, on = [\"503\"], budget = \"100%\"",
    )
    .await;

    let reply = edge.send(get("/tv/x")).await;

    assert_eq!((reply.status, reply.text()), (503, "failed"));
    assert_eq!(busy[0].requests().len() + busy[1].requests().len(), 2);
    assert_eq!((busy[0].requests().len(), busy[1].requests().len()), (1, 1), "another endpoint");
}

/// Retries of so many requests that all fail, one after the other, and what the budget's reserve let
/// pass meanwhile.
async fn retries_of_failures(count: usize, budget: &str) -> (usize, f64) {
    let busy = Bff::failing(503).await;
    let retry =
        format!("throttle = {{ mode = \"off\" }}\nretry = {{ max = 3, on = [\"503\"], {budget} }}");
    // A limit that learns of the refusals would refuse some itself.
    let edge = Site::with_route(&busy, "concurrency = { mode = \"off\" }", &retry)
        .edge("threads = 1")
        .start()
        .await;
    let mut client = edge.h1().await;
    let started = Instant::now();
    for _ in 0..count {
        assert_eq!(client.send(get("/tv/x")).await.status, 503);
    }
    (busy.requests().len() - count, 3.0 + 3.0 * started.elapsed().as_secs_f64())
}

#[tokio::test]
async fn retries_stay_inside_their_budget() {
    // Nothing succeeds, so nothing is earned: only what lets a quiet route retry at all.
    let (retries, reserve) = retries_of_failures(200, "budget = \"10%\"").await;
    assert!(retries > 0 && retries as f64 <= reserve, "{retries} retries, {reserve} in reserve");
    let (retries, _) = retries_of_failures(10, "budget = \"10%\", mode = \"observe\"").await;
    assert_eq!(retries, 30);
}

#[tokio::test]
async fn slow_try_is_given_up_for_the_other_endpoint() {
    let (good, slow) = (Bff::ok().await, Bff::hanging().await);
    let edge = Site::to_endpoints(
        &[&slow.endpoint(), &good.endpoint()],
        "",
        "timeout = \"10s\"\ntry_timeout = \"300ms\"\nretry = { max = 1, on = [\"timeout\"], budget = \"100%\" }",
    )
    .start()
    .await;

    let mut asked = 0;
    while slow.requests().is_empty() {
        assert_eq!(edge.send(get("/tv/x")).await.status, 200);
        asked += 1;
        assert!(asked < 100, "the slow endpoint was never asked");
    }
    slow.sees_closed(1).await;
}
