//! Upstream connections are kept for the next request, and their end goes unseen.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use headgate_tests::{Bff, Edge, Site, eventually, get, post};
use tokio::sync::Notify;

async fn edge(bff: &Bff, upstream: &str, route: &str) -> Edge {
    // One thread, hence one pool.
    Site::with_route(bff, upstream, route).edge("threads = 1").start().await
}

#[tokio::test]
async fn connection_is_used_again() {
    let bff = Bff::ok().await;
    let edge = edge(&bff, "", "").await;

    for _ in 0..5 {
        assert_eq!(edge.send(get("/tv/x")).await.status, 200);
        assert_eq!(edge.send(post("/tv/x", "body")).await.status, 200);
    }

    assert_eq!((bff.requests().len(), bff.connections()), (10, 1));
}

#[tokio::test]
async fn connection_that_died_while_idle_is_replaced_unseen() {
    // Answers one request on each connection, and closes when it is told to.
    let close = Arc::new(Notify::new());
    let told = Arc::clone(&close);
    let bff = Bff::raw(move |mut connection| {
        let told = Arc::clone(&told);
        async move {
            connection.request().await;
            connection.answer(200, &[], "ok").await;
            told.notified().await;
        }
    })
    .await;
    let edge = edge(&bff, "idle_timeout = \"60s\"", "retry = { max = 0 }").await;

    for at in 0..6 {
        // Only what may be sent twice: a POST that meets the close on its way is lost, since
        // nobody can tell whether it was read.
        let reply = edge.send(get("/tv/x")).await;
        assert_eq!(reply.status, 200, "{at}: {}", reply.text());
        close.notify_one();
        // Whether the edge has noticed by the next request or not, it must not matter.
    }
    assert_eq!(bff.requests().len(), 6);
}

#[tokio::test]
async fn connection_that_dies_of_the_next_request_is_replaced_for_a_get() {
    let bff = Bff::raw(|mut connection| async move {
        connection.request().await;
        connection.answer(200, &[], "ok").await;
        // The next request is read, and the connection closed instead of an answer.
        connection.head().await;
    })
    .await;
    let edge = edge(&bff, "", "retry = { max = 0 }").await;

    for at in 0..3 {
        assert_eq!(edge.send(get("/tv/x")).await.status, 200, "{at}");
    }
}

#[tokio::test]
async fn post_that_was_read_is_never_sent_twice() {
    let bff = Bff::raw(|mut connection| async move {
        connection.request().await;
        connection.answer(200, &[], "ok").await;
        connection.request().await;
    })
    .await;
    let edge = edge(&bff, "", "retry = { max = 2, on = [\"connect\", \"reset\"] }").await;
    assert_eq!(edge.send(get("/tv/x")).await.status, 200);

    let reply = edge.send(post("/tv/order", "body")).await;

    let orders = bff.requests().iter().filter(|seen| seen.target == "/tv/order").count();
    assert_eq!(orders, 1, "sent more than once");
    assert_eq!((reply.status, reply.outcome().as_str()), (502, "origin_reset"));
}

#[tokio::test]
async fn answer_that_nobody_asked_for_is_not_taken_for_the_next() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let bff = Bff::raw(move |mut connection| {
        let counted = Arc::clone(&counted);
        async move {
            connection.request().await;
            connection.answer(200, &[], "ok").await;
            connection.answer(200, &[], "poison").await;
            counted.fetch_add(1, Ordering::SeqCst);
            while connection.request().await.is_some() {
                connection.answer(200, &[], "ok").await;
            }
        }
    })
    .await;
    let edge = edge(&bff, "", "").await;

    for at in 1..=5 {
        let reply = edge.send(get("/tv/x")).await;
        assert_eq!(reply.text(), "ok", "{at}");
        eventually("the poison", || {
            (sent.load(Ordering::SeqCst) >= bff.connections()).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn idle_connection_is_closed_after_its_time() {
    let bff = Bff::ok().await;
    let edge = edge(&bff, "idle_timeout = \"200ms\"", "").await;

    edge.send(get("/tv/x")).await;

    bff.sees_closed(1).await;
}

#[tokio::test]
async fn nothing_is_kept_where_nothing_may_idle() {
    let bff = Bff::ok().await;
    let edge = edge(&bff, "max_idle = 0", "").await;

    for _ in 0..3 {
        assert_eq!(edge.send(get("/tv/x")).await.status, 200);
    }

    assert_eq!(bff.connections(), 3);
    bff.sees_closed(3).await;
}

#[tokio::test]
async fn connection_that_the_bff_wants_closed_is_not_kept() {
    let bff = Bff::raw(|mut connection| async move {
        while connection.request().await.is_some() {
            connection.answer(200, &[("connection", "close")], "ok").await;
        }
    })
    .await;
    let edge = edge(&bff, "", "").await;

    edge.send(get("/tv/x")).await;

    bff.sees_closed(1).await;
    edge.send(get("/tv/x")).await;
    assert_eq!(bff.connections(), 2);
}

#[tokio::test]
async fn connections_to_an_endpoint_have_a_cap() {
    let bff = Bff::hanging().await;
    let edge = edge(&bff, "max_connections = 2", "timeout = \"30s\"").await;
    let mut waiting = Vec::new();
    for count in 1..=2 {
        let mut raw = edge.raw().await;
        raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;
        bff.saw(count).await;
        waiting.push(raw);
    }

    let reply = edge.send(get("/tv/x")).await;

    assert_eq!((reply.status, reply.outcome().as_str()), (503, "limited_concurrency"));
    assert_eq!(reply.problem()["code"], "HG0010");
    assert!(!reply.header("retry-after").is_empty());
    assert_eq!(bff.connections(), 2);
}

#[tokio::test]
async fn h2c_exchanges_share_a_connection() {
    let bff = Bff::http(|request| async move {
        headgate_tests::bff::respond(200, format!("{:?}", request.version()))
    })
    .await;
    let edge = edge(&bff, "protocol = \"h2c\"", "").await;

    let mut client = edge.h2().await;
    for _ in 0..10 {
        assert_eq!(client.send(get("/tv/x")).await.text(), "HTTP/2.0");
    }

    assert_eq!(bff.connections(), 1);
}

#[tokio::test]
async fn every_thread_serves() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("threads = 3").start().await;

    for _ in 0..30 {
        assert_eq!(edge.send(get("/tv/x")).await.status, 200);
    }
    assert!(bff.connections() <= 3, "{} connections for three threads", bff.connections());
}
