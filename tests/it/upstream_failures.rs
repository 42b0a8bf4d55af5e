//! A BFF that fails is answered for, each way of failing under its own name, in time.

use std::time::Duration;

use headgate_tests::{Bff, Edge, Raw, Reply, Site, bff, get, upstream};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{Instant, interval, timeout},
};

/// Far above the route's timeout, far below any other limit of the edge.
const IN_TIME: Duration = Duration::from_secs(8);

async fn edge_to(endpoint: &str) -> Edge {
    Site::to_endpoints(&[endpoint], "connect_timeout = \"300ms\"", "timeout = \"2s\"").start().await
}

async fn fails(edge: &Edge, status: u16, outcome: &str, code: &str) -> Reply {
    let started = Instant::now();
    let reply = edge.send(get("/tv/x")).await;
    assert!(started.elapsed() < IN_TIME, "took {:?}", started.elapsed());
    assert_eq!(reply.status, status, "{}", reply.text());
    let problem = reply.problem();
    assert_eq!(problem["outcome"], outcome);
    assert_eq!(problem["code"], code);
    assert_eq!(problem["retryable"], true);
    assert_eq!(edge.access_line(reply.trace_id()).await["outcome"], outcome);
    reply
}

#[tokio::test]
async fn refusing_upstream_is_502() {
    let edge = edge_to(&bff::refusing()).await;
    let reply = fails(&edge, 502, "origin_connect", "HG0012").await;
    assert!(reply.header("proxy-status").contains("connection_refused"));
}

#[tokio::test]
async fn missing_unix_socket_is_502() {
    let edge = edge_to("unix:/nonexistent/headgate.sock").await;
    fails(&edge, 502, "origin_connect", "HG0012").await;
}

#[tokio::test]
async fn dead_upstream_is_502_after_its_connect_timeout() {
    // A listener whose queue is full: further connections get no answer at all.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        queued.push(stream.unwrap());
    }

    // Shorter than the default time to connect.
    let lines = ("connect_timeout = \"200ms\"", "timeout = \"1200ms\"");
    let edge = Site::to_endpoints(&[&address.to_string()], lines.0, lines.1).start().await;
    fails(&edge, 502, "origin_connect", "HG0012").await;
}

#[tokio::test]
async fn upstream_that_closes_at_once_is_502() {
    let bff = Bff::raw(|connection| async move { drop(connection) }).await;
    let edge = edge_to(&bff.endpoint()).await;
    fails(&edge, 502, "origin_reset", "HG0013").await;
}

#[tokio::test]
async fn upstream_that_closes_instead_of_answering_is_502() {
    let bff = Bff::answering("").await;
    let edge = edge_to(&bff.endpoint()).await;
    fails(&edge, 502, "origin_reset", "HG0013").await;
}

#[tokio::test]
async fn upstream_that_breaks_off_in_its_head_is_502() {
    let bff = Bff::answering("HTTP/1.1 200 OK\r\ncontent-le").await;
    let edge = edge_to(&bff.endpoint()).await;
    let reply = edge.send(get("/tv/x")).await;
    assert_eq!((reply.status, reply.outcome().as_str()), (502, "origin_reset"));
}

#[tokio::test]
async fn hanging_upstream_is_504_when_the_time_is_up() {
    let bff = Bff::hanging().await;
    let edge = edge_to(&bff.endpoint()).await;
    fails(&edge, 504, "origin_timeout", "HG0015").await;
    bff.sees_closed(1).await;
}

#[tokio::test]
async fn hanging_upstream_is_504_when_its_tries_are_up() {
    let bff = Bff::hanging().await;
    let lines = "timeout = \"8s\"\ntry_timeout = \"300ms\"\nretry = { max = 0 }";
    let edge = Site::with_route(&bff, "", lines).start().await;
    let started = Instant::now();
    fails(&edge, 504, "origin_timeout", "HG0015").await;
    assert!(started.elapsed() < Duration::from_secs(6));
    bff.sees_closed(1).await;
}

#[tokio::test]
async fn upstream_that_drips_its_head_is_504() {
    let bff = Bff::raw(|mut connection| async move {
        connection.request().await;
        let mut drip = interval(Duration::from_millis(50));
        connection.write("HTTP/1.1 200 OK\r\nx-drip: ").await;
        while connection.write("x").await {
            drip.tick().await;
        }
    })
    .await;
    let edge = edge_to(&bff.endpoint()).await;
    fails(&edge, 504, "origin_timeout", "HG0015").await;
}

#[tokio::test]
async fn upstream_that_only_sends_interim_answers_is_504() {
    let bff = Bff::raw(|mut connection| async move {
        connection.request().await;
        let mut drip = interval(Duration::from_millis(20));
        while connection.write("HTTP/1.1 102 Processing\r\n\r\n").await {
            drip.tick().await;
        }
    })
    .await;
    let edge = edge_to(&bff.endpoint()).await;
    fails(&edge, 504, "origin_timeout", "HG0015").await;
}

#[tokio::test]
async fn lying_upstreams_are_502() {
    for (what, answer) in [
        ("words", "I am no HTTP server\r\n\r\n".to_owned()),
        ("NUL in a header", "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n".to_owned()),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!".to_owned(),
        ),
        ("signed length", "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok".to_owned()),
        ("unknown version", "HTTP/3.7 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned()),
        ("no status", "HTTP/1.1 OK\r\ncontent-length: 2\r\n\r\nok".to_owned()),
        ("endless head", format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(2_000_000))),
        (
            "named length",
            "HTTP/1.1 200 OK\r\nconnection: content-length\r\ncontent-length: 2\r\n\r\nok"
                .to_owned(),
        ),
        (
            "unasked upgrade",
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
                .to_owned(),
        ),
    ] {
        let bff = Bff::answering(answer).await;
        let edge = edge_to(&bff.endpoint()).await;
        let started = Instant::now();
        let reply = edge.send(get("/tv/x")).await;
        assert!(started.elapsed() < IN_TIME, "{what} took {:?}", started.elapsed());
        assert_eq!(reply.status, 502, "{what}: {}", reply.text());
        assert_eq!(reply.outcome(), "origin_reset", "{what}");
    }
}

#[tokio::test]
async fn upstream_that_answers_5xx_is_passed_on_under_its_own_name() {
    let bff = Bff::failing(500).await;
    let edge = edge_to(&bff.endpoint()).await;

    let reply = edge.send(get("/tv/x")).await;

    assert_eq!((reply.status, reply.text()), (500, "failed"));
    assert_eq!(reply.header("proxy-status"), "");
    assert_eq!(edge.access_line(reply.trace_id()).await["outcome"], "origin_5xx");
}

/// The client must see that the answer is not whole: no clean end of a chunked body, and fewer
/// bytes than declared.
async fn breaks_off(edge: &Edge) -> String {
    let mut raw: Raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;
    let head = raw.head().await;
    let body = raw.rest_text().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(!body.ends_with("0\r\n\r\n"), "ended as if it were whole: {body:?}");
    headgate_tests::raw::header(&head, "headgate-trace-id").unwrap().to_owned()
}

#[tokio::test]
async fn answer_that_breaks_off_breaks_off_for_the_client() {
    for (what, answer) in [
        ("length too long", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this"),
        ("no last chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        ("chunk cut off", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n50\r\nhello"),
        ("bad chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"),
    ] {
        let bff = Bff::answering(answer).await;
        let edge = edge_to(&bff.endpoint()).await;

        let trace_id = breaks_off(&edge).await;

        let line = edge.access_line(&trace_id).await;
        assert_eq!(line["outcome"], "origin_reset", "{what}: {line}");

        let mut client = edge.h2().await;
        // The reset may overtake the head.
        if let Ok(response) = client.try_open(get("/tv/x")).await {
            assert!(Reply::read(response).await.is_err(), "{what}: a whole answer by HTTP/2");
        }
    }
}

#[tokio::test]
async fn answer_that_stalls_is_cut_off() {
    let bff = Bff::raw(|mut connection| async move {
        connection.request().await;
        connection.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun").await;
        connection.until_closed().await;
    })
    .await;
    let edge = edge_to(&bff.endpoint()).await;
    let started = Instant::now();

    let trace_id = breaks_off(&edge).await;

    assert!(started.elapsed() < IN_TIME);
    bff.sees_closed(1).await;
    let outcome = edge.access_line(&trace_id).await["outcome"].clone();
    assert!(outcome == "origin_timeout", "{outcome}");
}

#[tokio::test]
async fn answer_with_coding_and_length_is_framed_once() {
    let bff = Bff::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    )
    .await;
    let edge = edge_to(&bff.endpoint()).await;

    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;
    let answer = raw.answer().await;

    if answer.status == 200 {
        assert_eq!(answer.text(), "hello");
        let both = !answer.header("content-length").is_empty()
            && !answer.header("transfer-encoding").is_empty();
        assert!(!both, "{}", answer.head);
    } else {
        assert_eq!(answer.status, 502);
    }
}

#[tokio::test]
async fn one_teams_dead_bff_leaves_the_others_alone() {
    let good = Bff::ok().await;
    let edge = Site::new()
        .team(
            "tv",
            &[
                upstream("home", &[&bff::refusing()], ""),
                headgate_tests::route("home", "GET /tv/x", "home", ""),
            ],
        )
        .team(
            "web",
            &[
                upstream("home", &[&good.endpoint()], ""),
                headgate_tests::route("home", "GET /web/x", "home", ""),
            ],
        )
        .start()
        .await;

    for _ in 0..5 {
        assert_eq!(edge.send(get("/tv/x")).await.status, 502);
        assert_eq!(edge.send(get("/web/x")).await.status, 200);
    }
}
