//! The time that an exchange has is known to everybody who works on it.

use std::time::Duration;

use headgate_tests::{Bff, Client, Seen, Site, bff::respond, get};
use tokio::time::{Instant, sleep_until};

fn millis_left(seen: &Seen) -> u64 {
    seen.header("headgate-deadline-ms").expect("a deadline").parse().unwrap()
}

#[tokio::test]
async fn remaining_milliseconds_are_handed_on() {
    let bff = Bff::ok().await;
    let edge = Site::with_route(&bff, "", "timeout = \"3s\"").start().await;

    edge.send(get("/tv/x")).await;

    let left = millis_left(&bff.first().await);
    assert!((2_000..=3_000).contains(&left), "{left} ms of 3 s");
}

#[tokio::test]
async fn client_shortens_its_deadline_and_never_extends_it() {
    let bff = Bff::ok().await;
    let edge = Site::with_route(&bff, "", "timeout = \"3s\"").start().await;

    for wish in ["1500", "60000", "nonsense", "-1", ""] {
        edge.send(get("/tv/x").header("headgate-deadline-ms", wish)).await;
    }

    let left: Vec<_> = bff.saw(5).await.iter().map(millis_left).collect();
    assert!(left[0] <= 1_500, "{left:?}");
    for other in &left[1..] {
        assert!((2_000..=3_000).contains(other), "{left:?}");
    }
}

#[tokio::test]
async fn shortened_deadline_ends_the_exchange() {
    let bff = Bff::hanging().await;
    let edge = Site::with_route(&bff, "", "timeout = \"30s\"").start().await;
    let started = Instant::now();

    let reply = edge.send(get("/tv/x").header("headgate-deadline-ms", "300")).await;

    assert_eq!((reply.status, reply.outcome().as_str()), (504, "deadline_exceeded"));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    bff.sees_closed(1).await;
}

#[tokio::test]
async fn no_time_left_asks_nobody() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    let reply = edge.send(get("/tv/x").header("headgate-deadline-ms", "0")).await;

    assert_eq!((reply.status, reply.outcome().as_str()), (504, "deadline_exceeded"));
    assert!(bff.requests().is_empty());
}

#[tokio::test]
async fn second_try_has_less_time_than_the_first() {
    let bff = Bff::raw(|mut connection| async move {
        while let Some(seen) = connection.request().await {
            if seen.header("headgate-attempt") == Some("1") {
                // Time passes, and then the try fails.
                sleep_until(Instant::now() + Duration::from_millis(300)).await;
                connection.answer(503, &[], "busy").await;
            } else {
                connection.answer(200, &[], "ok").await;
            }
        }
    })
    .await;
    let lines = "timeout = \"5s\"\nretry = { max = 1, on = [\"503\"], budget = \"100%\" }";
    let edge = Site::with_route(&bff, "", lines).start().await;

    assert_eq!(edge.send(get("/tv/x")).await.status, 200);

    let seen = bff.saw(2).await;
    let (first, second) = (millis_left(&seen[0]), millis_left(&seen[1]));
    assert!(second + 250 <= first, "{first} ms, then {second} ms");
}

#[tokio::test]
async fn edge_wide_timeout_holds_where_a_route_names_none() {
    let bff = Bff::hanging().await;
    let edge = Site::to(&bff).edge("timeout = \"500ms\"").start().await;

    assert_eq!(edge.send(get("/tv/x")).await.outcome(), "origin_timeout");
    assert!(millis_left(&bff.first().await) <= 500);
}

#[tokio::test]
async fn team_ceiling_holds_where_a_route_names_none() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff)
        .platform(
            "[team.tv]\nclaims = [{ host = \"*\", prefix = \"/\" }]\n\
             ceiling = { priority = \"best_effort\", timeout = \"2s\" }",
        )
        .start()
        .await;

    edge.send(get("/tv/x")).await;

    let seen = bff.first().await;
    assert!(millis_left(&seen) <= 2_000);
    assert_eq!(seen.header("headgate-priority"), Some("best_effort"));
}

/// What a call takes at the slow BFF.
const SLOW: Duration = Duration::from_millis(100);

#[tokio::test]
async fn deadline_that_no_call_can_meet_is_refused_on_arrival() {
    let bff = Bff::http(|_request| async {
        tokio::time::sleep(SLOW).await;
        respond(200, "ok")
    })
    .await;
    let edge = Site::to(&bff).start().await;
    // The edge has to know first what a call takes.
    let is_known = async || {
        let limits = edge.ask("/v1/limits").await.json();
        limits["upstreams"][0]["gate"]["no_load_ms"].is_number()
    };
    while !is_known().await {
        let address = edge.plain();
        let calls = (0..10).map(|_| {
            tokio::spawn(async move { Client::h1(address).await.send(get("/tv/x")).await })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap().status, 200);
        }
    }
    let before = bff.requests().len();

    let hasty = get("/tv/x").header("headgate-deadline-ms", "20");
    let refused = edge.send(hasty).await;

    assert_eq!((refused.status, &refused.problem()["code"]), (504, &"HG0035".into()));
    assert_eq!(bff.requests().len(), before, "it was not sent");
    let line = edge.access_line(refused.trace_id()).await;
    let layer = &line["layers"][0];
    assert_eq!(
        (&layer["layer"], &layer["reason"]),
        (&"deadline".into(), &"deadline_too_close".into())
    );
    assert!(layer["observed"].as_f64() < layer["limit"].as_f64(), "{line}");
    let patient = get("/tv/x").header("headgate-deadline-ms", "5000");
    assert_eq!(edge.send(patient).await.status, 200);
}
