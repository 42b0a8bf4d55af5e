//! What one client may use up.

use std::time::Duration;

use headgate_tests::{
    Bff, PATIENCE, Site,
    client::{call, streamed},
    get, post, route, upstream, within,
};
use tokio::time::{Instant, interval};

#[tokio::test]
async fn declared_body_above_the_limit_is_413_unasked() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("max_body = \"1KiB\"").start().await;

    let mut raw = edge.raw().await;
    raw.send("POST /tv/x HTTP/1.1\r\nhost: e\r\ncontent-length: 1025\r\n\r\n").await;
    let answer = raw.answer().await;

    assert_eq!(answer.status, 413);
    assert!(answer.text().contains("client_too_large"), "{answer:?}");
    raw.rest().await;
    assert!(bff.bytes().is_empty());
}

#[tokio::test]
async fn body_at_the_limit_passes() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("max_body = \"1KiB\"").start().await;

    assert_eq!(edge.send(post("/tv/x", vec![b'x'; 1024])).await.status, 200);
    assert_eq!(bff.first().await.body.len(), 1024);
}

#[tokio::test]
async fn route_may_allow_more_than_the_edge() {
    let bff = Bff::ok().await;
    let edge =
        Site::with_route(&bff, "", "max_body = \"4KiB\"").edge("max_body = \"1KiB\"").start().await;

    assert_eq!(edge.send(post("/tv/x", vec![b'x'; 4096])).await.status, 200);
    assert_eq!(edge.send(post("/tv/x", vec![b'x'; 4097])).await.status, 413);
}

#[tokio::test]
async fn chunked_body_above_the_limit_is_413_and_cut_off() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("max_body = \"1KiB\"").start().await;

    let mut raw = edge.raw().await;
    raw.send("POST /tv/x HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\n").await;
    for _ in 0..5 {
        raw.send(format!("100\r\n{}\r\n", "x".repeat(256))).await;
    }
    let answer = raw.answer().await;

    assert_eq!(answer.status, 413, "{answer:?}");
    raw.rest().await;
    assert!(bff.requests().is_empty(), "the upstream saw no whole request");
    bff.sees_closed(bff.connections()).await;
}

#[tokio::test]
async fn streamed_h2_body_above_the_limit_is_413() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("max_body = \"1KiB\"").start().await;
    let mut client = edge.h2().await;
    let (mut sender, body) = streamed();

    let sending =
        tokio::spawn(
            async move { while sender.send_data(vec![b'x'; 512].into()).await.is_ok() {} },
        );
    let reply = client.send(call("POST", "/tv/x").body(body)).await;

    assert_eq!((reply.status, reply.outcome().as_str()), (413, "client_too_large"));
    within("the edge takes no more", sending).await.unwrap();
    assert_eq!(client.send(get("/tv/x")).await.status, 200, "the connection serves on");
}

#[tokio::test]
async fn head_above_the_limit_is_431() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("max_head = \"8KiB\"").start().await;

    let mut raw = edge.raw().await;
    raw.send(format!("GET /tv/x HTTP/1.1\r\nhost: e\r\nx-big: {}\r\n\r\n", "x".repeat(9000))).await;
    assert_eq!(raw.answer().await.status, 431);
    raw.rest().await;
    // Cookies below the limit pass.
    let call = get("/tv/x").header("cookie", "x".repeat(7000));
    assert_eq!(edge.send(call).await.status, 200);
    assert_eq!(bff.requests().len(), 1);
    edge.metrics_show("the bad head", |metrics| {
        metrics.sum("headgate_gateway_bad_heads_total", &[("reason", "too_large")]) >= 1
    })
    .await;
}

#[tokio::test]
async fn too_many_headers_are_431() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("max_headers = 20").start().await;

    let mut raw = edge.raw().await;
    raw.send(format!("GET /tv/x HTTP/1.1\r\nhost: e\r\n{}\r\n", "a: b\r\n".repeat(20))).await;
    assert_eq!(raw.answer().await.status, 431);

    let mut raw = edge.raw().await;
    raw.send(format!("GET /tv/x HTTP/1.1\r\nhost: e\r\n{}\r\n", "a: b\r\n".repeat(19))).await;
    assert_eq!(raw.answer().await.status, 200);
    assert_eq!(bff.requests().len(), 1);
}

#[tokio::test]
async fn h2_head_above_the_limit_is_431() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("max_head = \"8KiB\"").start().await;
    let mut client = edge.h2().await;

    let big = client.try_open(get("/tv/x").header("x-big", "x".repeat(9000))).await;

    // The client may know the edge's limit by then, and not even ask.
    assert!(big.is_err() || big.unwrap().status() == 431);
    assert_eq!(edge.h2().await.send(get("/tv/x")).await.status, 200);
    assert_eq!(bff.requests().len(), 1);
}

#[tokio::test]
async fn dripping_head_is_408_however_steadily_it_drips() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("header_timeout = \"400ms\"").start().await;

    let mut raw = edge.raw().await;
    let mut drip = interval(Duration::from_millis(50));
    let started = Instant::now();
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\nx-drip: ").await;
    while raw.is_silent_for(Duration::from_millis(1)).await {
        drip.tick().await;
        raw.send("x").await;
        assert!(started.elapsed() < PATIENCE, "still dripping");
    }

    let said = raw.rest_text().await;
    assert!(said.starts_with("HTTP/1.1 408 "), "{said:?}");
    assert!(started.elapsed() >= Duration::from_millis(400));
    assert!(bff.bytes().is_empty());
    edge.metrics_show("the slow head", |metrics| {
        metrics.sum("headgate_gateway_bad_heads_total", &[("reason", "timeout")]) >= 1
    })
    .await;
}

#[tokio::test]
async fn second_head_on_a_connection_has_the_same_deadline() {
    let bff = Bff::ok().await;
    let edge =
        Site::to(&bff).edge("header_timeout = \"400ms\"\nkeep_alive = \"60s\"").start().await;

    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;
    assert_eq!(raw.answer().await.status, 200);
    raw.send("GET /tv/x HTTP/1.1\r\n").await;

    assert!(raw.rest_text().await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn silent_connection_is_closed() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("header_timeout = \"300ms\"").start().await;

    let mut raw = edge.raw().await;

    assert_eq!(raw.rest_text().await, "", "nothing was asked, nothing is answered");
}

#[tokio::test]
async fn stalled_body_is_408() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("body_idle = \"300ms\"").start().await;

    let mut raw = edge.raw().await;
    raw.send("POST /tv/x HTTP/1.1\r\nhost: e\r\ncontent-length: 100\r\n\r\nbegun").await;
    let answer = raw.answer().await;

    assert_eq!(answer.status, 408, "{answer:?}");
    assert!(answer.text().contains("client_timeout"), "{answer:?}");
    raw.rest().await;
    assert!(bff.requests().is_empty());
    bff.sees_closed(bff.connections()).await;
    assert_eq!(edge.access_line(answer.trace_id()).await["outcome"], "client_timeout");
}

#[tokio::test]
async fn stalled_chunked_body_is_408() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("body_idle = \"300ms\"").start().await;

    for begun in ["", "5\r\nbegun\r\n"] {
        let mut raw = edge.raw().await;
        let head = "POST /tv/x HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\n";
        raw.send(format!("{head}{begun}")).await;
        assert_eq!(raw.answer().await.status, 408, "{begun:?}");
        raw.rest().await;
    }
    assert!(bff.requests().is_empty());
}

#[tokio::test]
async fn slow_body_that_moves_passes() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("body_idle = \"1s\"").start().await;

    let mut raw = edge.raw().await;
    raw.send("POST /tv/x HTTP/1.1\r\nhost: e\r\ncontent-length: 20\r\n\r\n").await;
    let mut pace = interval(Duration::from_millis(80));
    for _ in 0..20 {
        pace.tick().await;
        raw.send("x").await;
    }

    assert_eq!(raw.answer().await.status, 200);
    assert_eq!(bff.first().await.body.len(), 20);
}

#[tokio::test]
async fn idle_keep_alive_connection_is_closed() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("keep_alive = \"300ms\"").start().await;

    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;
    assert_eq!(raw.answer().await.status, 200);

    assert_eq!(raw.rest_text().await, "");
}

#[tokio::test]
async fn idle_h2_connection_is_closed_politely() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("h2_idle = \"300ms\"").start().await;
    let mut client = edge.h2().await;
    assert_eq!(client.send(get("/tv/x")).await.status, 200);

    headgate_tests::eventually("the end of the connection", || client.is_closed().then_some(()))
        .await;
}

#[tokio::test]
async fn streams_of_a_connection_have_a_limit() {
    let bff = Bff::hanging().await;
    let edge = Site::new()
        .team(
            "tv",
            &[
                upstream("home", &[&bff.endpoint()], ""),
                route("all", "GET /tv/{*rest}", "home", ""),
            ],
        )
        .edge("max_h2_streams = 2")
        .start()
        .await;
    // The client learns the limit before it has its first answer.
    let mut client = edge.h2().await;
    assert_eq!(client.send(get("/nowhere")).await.status, 404);
    let mut streams: Vec<_> = (0..3)
        .map(|_| {
            let mut client = client.another();
            tokio::spawn(async move { client.try_open(get("/tv/x")).await })
        })
        .collect();
    bff.saw(2).await;
    // Another connection's request overtakes the third stream, which waits in its client.
    let other = tokio::spawn(async move { edge.h2().await.try_open(get("/tv/y")).await });
    let seen = bff.saw(3).await;
    assert_eq!(seen.iter().filter(|seen| seen.target == "/tv/x").count(), 2);

    streams.remove(0).abort();
    streams.remove(0).abort();

    let seen = bff.saw(4).await;
    assert_eq!(seen.iter().filter(|seen| seen.target == "/tv/x").count(), 3);
    other.abort();
}

#[tokio::test]
async fn too_long_target_is_414_or_431() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    let mut raw = edge.raw().await;
    raw.send(format!("GET /tv/{} HTTP/1.1\r\nhost: e\r\n\r\n", "x".repeat(70_000))).await;

    let status = raw.answer().await.status;
    assert!(status == 414 || status == 431, "{status}");
    assert!(bff.bytes().is_empty());
}
