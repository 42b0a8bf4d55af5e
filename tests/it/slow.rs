//! Exchanges that take long are told, with where their time went.

use std::time::Duration;

use headgate_tests::{Bff, Edge, Site, bff::respond, eventually, get, route, upstream};
use serde_json::Value;

/// Answers after a while.
async fn slow() -> Bff {
    let answer = async |_| {
        tokio::time::sleep(Duration::from_millis(120)).await;
        respond(200, "ok")
    };
    Bff::http(answer).await
}

/// The lines of the process's log that tell a slow exchange.
fn told(edge: &Edge) -> Vec<String> {
    edge.told().lines().filter(|line| line.contains("slow exchange")).map(str::to_owned).collect()
}

#[tokio::test]
async fn slow_exchanges_are_told_with_where_their_time_went() {
    let bff = slow().await;
    let endpoint = bff.endpoint();
    let edge = Site::new()
        .platform("[slow]\nover = \"50ms\"")
        .team(
            "tv",
            &[
                upstream("home", &[&endpoint], ""),
                route("strict", "GET /tv/strict", "home", ""),
                route("patient", "GET /tv/patient", "home", "slow = \"30s\""),
            ],
        )
        .start()
        .await;

    let patient = edge.send(get("/tv/patient")).await;
    let strict = edge.send(get("/tv/strict?secret=1")).await;

    let lines =
        eventually("a slow exchange", || Some(told(&edge)).filter(|lines| !lines.is_empty())).await;
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains(strict.trace_id()) && !lines[0].contains(patient.trace_id()));
    for part in [&format!("attempt 1 at {endpoint} ended ok after 1"), "answer", "/tv/strict"] {
        assert!(lines[0].contains(part), "{part} in {}", lines[0]);
    }
    assert!(!lines[0].contains("secret"));
    let why: Value = edge.ask(&format!("/v1/why/{}", strict.trace_id())).await.json();
    assert!(why["duration_us"].as_u64().unwrap() >= 120_000, "{why}");
}

#[tokio::test]
async fn so_many_a_second_are_told_and_the_rest_is_counted() {
    let bff = slow().await;
    let lines = "[slow]\nover = \"50ms\"\nper_second = 1";
    let edge = Site::to(&bff).platform(lines).start().await;
    let mut client = edge.h1().await;
    let is_counted = |line: &String| {
        let count = line.split("left_out=").nth(1).and_then(|rest| rest.split(' ').next());
        count.is_some_and(|count| count != "0")
    };
    let deadline = tokio::time::Instant::now() + headgate_tests::PATIENCE;
    let mut sent = 0;
    while !told(&edge).iter().any(is_counted) {
        client.send(get("/tv/x")).await;
        sent += 1;
        assert!(tokio::time::Instant::now() < deadline, "{:#?}", told(&edge));
    }
    assert!(told(&edge).len() < sent);
}
