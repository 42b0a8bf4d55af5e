//! `WebSocket` connections pass through, frame by frame, and are told when the edge ends.

use std::time::Duration;

use headgate_tests::{
    Bff, Edge, Raw, Site, get,
    identity::{ACCOUNTS, Key, jwks},
    raw::header,
    tls::Authority,
    websocket::{CLOSE, PING, PONG, TEXT, echo, handshake, masked, read_frame},
};

async fn edge(bff: &Bff) -> Edge {
    Site::to(bff).start().await
}

async fn open(edge: &Edge) -> Raw {
    let mut raw = edge.raw().await;
    raw.send(handshake("/tv/socket")).await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(header(&head, "upgrade").unwrap().to_ascii_lowercase(), "websocket");
    assert_eq!(header(&head, "connection").unwrap().to_ascii_lowercase(), "upgrade");
    assert_eq!(header(&head, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert!(header(&head, "headgate-trace-id").is_some());
    raw
}

#[tokio::test]
async fn frames_pass_both_ways() {
    let bff = Bff::raw(echo).await;
    let edge = edge(&bff).await;
    let mut raw = open(&edge).await;

    raw.send(masked(TEXT, b"hello")).await;
    assert_eq!(read_frame(&mut raw).await, (TEXT, b"hello".to_vec()));
    raw.send(masked(PING, b"alive?")).await;
    assert_eq!(read_frame(&mut raw).await, (PONG, b"alive?".to_vec()));
    let large = vec![b'x'; 100_000];
    raw.send(masked(TEXT, &large)).await;
    assert_eq!(read_frame(&mut raw).await, (TEXT, large));
    raw.send(masked(CLOSE, &1000_u16.to_be_bytes())).await;
    assert_eq!(read_frame(&mut raw).await, (CLOSE, 1000_u16.to_be_bytes().to_vec()));
    assert_eq!(raw.rest_text().await, "");

    let line = edge.access_line_of("/tv/socket").await;
    assert_eq!((&line["status"], &line["outcome"]), (&101.into(), &"ok".into()));
    assert!(line["request_bytes"].as_u64().unwrap() > 100_000, "{line}");
    assert!(line["response_bytes"].as_u64().unwrap() > 100_000, "{line}");
}

#[tokio::test]
async fn frames_pass_over_tls() {
    let (bff, authority) = (Bff::raw(echo).await, Authority::default());
    let edge = Site::to(&bff).tls(&authority, &["localhost"]).start().await;
    let mut raw = Raw::connect_tls(edge.tls(), &authority, "localhost", &["http/1.1"]).await;
    raw.send(handshake("/tv/socket")).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 101 "));

    raw.send(masked(TEXT, b"hello")).await;

    assert_eq!(read_frame(&mut raw).await, (TEXT, b"hello".to_vec()));
}

#[tokio::test]
async fn frames_behind_the_handshake_are_not_lost() {
    let bff = Bff::raw(echo).await;
    let edge = edge(&bff).await;
    let mut raw = edge.raw().await;

    let mut bytes = handshake("/tv/socket").into_bytes();
    bytes.extend(masked(TEXT, b"eager"));
    raw.send(bytes).await;

    raw.head().await;
    assert_eq!(read_frame(&mut raw).await, (TEXT, b"eager".to_vec()));
}

#[tokio::test]
async fn socket_outlasts_the_routes_timeout() {
    let bff = Bff::raw(echo).await;
    let edge = Site::with_route(&bff, "", "timeout = \"200ms\"").start().await;
    let mut raw = open(&edge).await;

    assert!(raw.is_silent_for(Duration::from_millis(600)).await);

    raw.send(masked(TEXT, b"still here")).await;
    assert_eq!(read_frame(&mut raw).await, (TEXT, b"still here".to_vec()));
}

#[tokio::test]
async fn refusal_of_the_bff_is_passed_on() {
    let bff = Bff::failing(403).await;
    let edge = edge(&bff).await;

    let mut raw = edge.raw().await;
    raw.send(handshake("/tv/socket")).await;
    let answer = raw.answer().await;

    assert_eq!((answer.status, answer.text()), (403, "failed"));
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;
    assert_eq!(raw.answer().await.status, 403, "the connection serves on");
}

#[tokio::test]
async fn socket_needs_the_token_that_its_route_asks_for() {
    let (bff, key) = (Bff::raw(echo).await, Key::ed25519("1"));
    let edge = Site::with_route(&bff, "", "auth = \"accounts\"")
        .file("jwks.json", jwks(&[&key]))
        .platform(ACCOUNTS)
        .start()
        .await;

    let mut raw = edge.raw().await;
    raw.send(handshake("/tv/socket")).await;
    assert_eq!(raw.answer().await.status, 401);

    let mut raw = edge.raw().await;
    let authorization = format!("authorization: Bearer {}\r\n\r\n", key.token());
    raw.send(handshake("/tv/socket").replacen("\r\n\r\n", &format!("\r\n{authorization}"), 1))
        .await;
    assert!(raw.head().await.starts_with("HTTP/1.1 101 "));
    assert!(bff.first().await.header("headgate-passport").is_some());
}

#[tokio::test]
async fn client_that_leaves_is_missed_by_the_bff() {
    let bff = Bff::raw(echo).await;
    let edge = edge(&bff).await;
    let raw = open(&edge).await;

    drop(raw);

    bff.sees_closed(1).await;
}

#[tokio::test]
async fn bff_that_leaves_is_missed_by_the_client() {
    let bff = Bff::raw(|mut connection| async move {
        connection.head().await;
        let accept = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\
            upgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        connection.write(accept).await;
    })
    .await;
    let edge = edge(&bff).await;

    let mut raw = open(&edge).await;

    assert_eq!(raw.rest_text().await, "");
}

#[tokio::test]
async fn sockets_are_told_that_the_edge_goes_away() {
    let bff = Bff::raw(echo).await;
    let mut edge = Site::to(&bff).edge("drain = { deadline = \"8s\" }").start().await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let mut raw = open(&edge).await;
        raw.send(masked(TEXT, b"hello")).await;
        read_frame(&mut raw).await;
        sockets.push(raw);
    }

    edge.terminate();

    for mut raw in sockets {
        assert_eq!(read_frame(&mut raw).await, (CLOSE, 1001_u16.to_be_bytes().to_vec()));
        raw.send(masked(CLOSE, &1001_u16.to_be_bytes())).await;
        raw.rest().await;
    }
    assert_eq!(edge.ended().await.code(), 0);
}

#[tokio::test]
async fn other_upgrades_are_not_passed_on() {
    let bff = Bff::ok().await;
    let edge = edge(&bff).await;

    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\nconnection: upgrade\r\nupgrade: foo\r\n\r\n").await;

    assert_eq!(raw.answer().await.status, 200);
    assert_eq!(bff.first().await.header("upgrade"), None);
}

#[tokio::test]
async fn connect_over_h2_is_refused_and_the_connection_serves_on() {
    let bff = Bff::ok().await;
    let edge = edge(&bff).await;
    let mut client = edge.h2().await;

    let refused = client.try_open(headgate_tests::client::call("CONNECT", "/tv/x")).await;

    assert!(refused.is_err() || refused.unwrap().status().is_client_error());
    assert_eq!(edge.h2().await.send(get("/tv/x")).await.status, 200);
    assert!(bff.requests().iter().all(|seen| seen.method == "GET"));
}
