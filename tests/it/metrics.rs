//! The metrics add up.

use headgate_tests::{Bff, Edge, Site, bff, get, metrics::Metrics, post, route, upstream};

const ARRIVED: &str = "headgate_gateway_arrived_requests_total";
const ENDED: &str = "headgate_gateway_ended_requests_total";
const IN_FLIGHT: &str = "headgate_gateway_in_flight_requests";

fn adds_up(metrics: &Metrics, route: &str) {
    let labels = [("route", route)];
    let (arrived, ended, in_flight) = (
        metrics.sum(ARRIVED, &labels),
        metrics.sum(ENDED, &labels),
        metrics.sum(IN_FLIGHT, &labels),
    );
    assert_eq!(arrived, ended + in_flight, "{route}");
}

/// Waits for the metrics of a route to show that many ends.
async fn ended(edge: &Edge, route: &str, count: u64) -> Metrics {
    let what = format!("{count} ends on {route}");
    edge.metrics_show(&what, |metrics| metrics.sum(ENDED, &[("route", route)]) >= count).await
}

#[tokio::test]
async fn arrivals_are_the_sum_over_outcomes_and_in_flight() {
    let (good, bad, hanging) = (Bff::ok().await, Bff::failing(500).await, Bff::hanging().await);
    let edge = Site::new()
        .team(
            "tv",
            &[
                upstream("good", &[&good.endpoint()], ""),
                upstream("bad", &[&bad.endpoint()], ""),
                upstream("gone", &[&bff::refusing()], ""),
                upstream("hanging", &[&hanging.endpoint()], ""),
                route("good", "* /good", "good", "max_body = \"10B\""),
                route("bad", "GET /bad", "bad", ""),
                route("gone", "GET /gone", "gone", ""),
                route("hanging", "GET /hanging", "hanging", "timeout = \"20s\""),
                route("late", "GET /late", "hanging", "timeout = \"100ms\""),
            ],
        )
        .start()
        .await;

    for _ in 0..3 {
        assert_eq!(edge.send(get("/good")).await.status, 200);
        assert_eq!(edge.h2().await.send(get("/good")).await.status, 200);
        assert_eq!(edge.send(post("/good", vec![b'x'; 11])).await.status, 413);
        assert_eq!(edge.send(get("/bad")).await.status, 500);
        assert_eq!(edge.send(get("/gone")).await.status, 502);
        assert_eq!(edge.send(get("/late")).await.status, 504);
        assert_eq!(edge.send(get("/nowhere")).await.status, 404);
    }
    let mut waiting = edge.raw().await;
    waiting.send("GET /hanging HTTP/1.1\r\nhost: e\r\n\r\n").await;
    let mut leaving = edge.raw().await;
    leaving.send("GET /hanging HTTP/1.1\r\nhost: e\r\n\r\n").await;
    hanging.saw(5).await;
    drop(leaving);

    ended(&edge, "good", 9).await;
    let metrics = ended(&edge, "hanging", 1).await;
    for (route, outcome, count) in [
        ("good", "ok", 6),
        ("good", "client_too_large", 3),
        ("bad", "origin_5xx", 3),
        ("gone", "origin_connect", 3),
        ("late", "origin_timeout", 3),
        ("hanging", "client_cancelled", 1),
    ] {
        let labels = [("team", "tv"), ("route", route), ("outcome", outcome)];
        assert_eq!(metrics.sum(ENDED, &labels), count, "{route} {outcome}");
        adds_up(&metrics, route);
    }
    assert_eq!(metrics.sum(IN_FLIGHT, &[("route", "hanging")]), 1);
    assert_eq!(metrics.sum(ENDED, &[("outcome", "no_route")]), 3);
    assert_eq!(metrics.sum(ARRIVED, &[]), metrics.sum(ENDED, &[]) + metrics.sum(IN_FLIGHT, &[]));

    drop(waiting);
    let metrics = ended(&edge, "hanging", 2).await;
    assert_eq!(metrics.sum(IN_FLIGHT, &[]), 0);
    adds_up(&metrics, "hanging");
}

#[tokio::test]
async fn labels_hold_no_path_and_no_id() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    let mut traces = Vec::new();
    for at in 0..20 {
        let reply = edge.send(get(&format!("/tv/secret-{at}?id={at}"))).await;
        traces.push(reply.trace_id().to_owned());
        edge.send(get("/")).await;
    }

    let page = edge.ask("/metrics").await;
    assert!(!page.text().contains("secret"), "a path is in the metrics");
    for trace in traces {
        assert!(!page.text().contains(&trace), "a trace id is in the metrics");
    }
}

#[tokio::test]
async fn every_metric_has_its_help_and_kind() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;
    edge.send(get("/tv/x")).await;

    let page = edge.ask("/metrics").await;

    assert!(page.header("content-type").starts_with("text/plain"), "{:?}", page.headers);
    let mut described = Vec::new();
    for line in page.text().lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            described.push(rest.split(' ').next().unwrap().to_owned());
        }
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let name = line.split(['{', ' ']).next().unwrap();
        let known = described.iter().any(|known| {
            name.strip_prefix(known.as_str())
                .is_some_and(|rest| matches!(rest, "" | "_bucket" | "_sum" | "_count"))
        });
        assert!(known, "{name} has no type");
        assert!(name.starts_with("headgate_"), "{name}");
    }
    for name in described {
        assert!(page.text().contains(&format!("# HELP {name} ")), "{name} has no help");
    }
}

#[tokio::test]
async fn bytes_and_connections_are_counted() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("threads = 1").start().await;

    for _ in 0..3 {
        edge.send(post("/tv/x", vec![b'x'; 100])).await;
    }

    let metrics = ended(&edge, "all", 3).await;
    let sum = |name: &str| metrics.sum(&format!("headgate_gateway_{name}"), &[]);
    assert_eq!(sum("request_body_bytes_total"), 300);
    assert_eq!(sum("response_body_bytes_total"), 6);
    assert_eq!(sum("upstream_opened_connections_total"), 1);
    assert_eq!(sum("upstream_reused_attempts_total"), 2);
    assert_eq!(sum("upstream_attempts_total"), 3);
    assert_eq!(sum("accepted_connections_total"), 3);
    assert_eq!(sum("exchange_duration_seconds_count"), 3);
}
