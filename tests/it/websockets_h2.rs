//! `WebSocket` connections on streams of HTTP/2 (RFC 8441), with a client that speaks frame by frame.

use std::time::Duration;

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{SendRequest, handshake},
    ext::Protocol,
};
use headgate_tests::{
    Bff, Edge, Site, eventually,
    websocket::{CLOSE, TEXT, echo, masked, unmasked},
    within,
};
use http::{Method, Request, Response};
use tokio::net::TcpStream;

/// A connection whose server says that it takes extended CONNECT.
async fn connect(edge: &Edge) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(edge.plain()).await.unwrap();
    let (client, connection) = handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let client = within("the connection", client.ready()).await.unwrap();
    eventually("settings", || client.is_extended_connect_protocol_enabled().then_some(())).await;
    client
}

fn socket(path: &str, protocol: &'static str) -> Request<()> {
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("http://edge{path}"))
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap();
    request.extensions_mut().insert(Protocol::from_static(protocol));
    request
}

async fn open(
    client: &mut SendRequest<Bytes>,
    path: &str,
) -> (Response<RecvStream>, SendStream<Bytes>) {
    let (response, send) = client.send_request(socket(path, "websocket"), false).unwrap();
    (within("an answer", response).await.unwrap(), send)
}

/// Reads so many bytes.
async fn read(receive: &mut RecvStream, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let piece = within("a piece", receive.data()).await.expect("more").unwrap();
        receive.flow_control().release_capacity(piece.len()).unwrap();
        bytes.extend(piece);
    }
    bytes
}

#[tokio::test]
async fn frames_pass_both_ways_on_a_stream_of_http_2() {
    let bff = Bff::raw(echo).await;
    let edge = Site::to(&bff).start().await;
    let mut client = connect(&edge).await;
    let (response, mut send) = open(&mut client, "/tv/socket").await;
    assert_eq!(response.status(), 200);
    assert!(response.headers().contains_key("headgate-trace-id"));
    assert!(!response.headers().contains_key("sec-websocket-accept"));
    let mut receive = response.into_body();

    send.send_data(masked(TEXT, b"hello").into(), false).unwrap();
    let expected = unmasked(TEXT, b"hello");
    assert_eq!(read(&mut receive, expected.len()).await, expected);
    let large = vec![b'x'; 20_000];
    send.send_data(masked(TEXT, &large).into(), false).unwrap();
    let expected = unmasked(TEXT, &large);
    assert_eq!(read(&mut receive, expected.len()).await, expected);
    send.send_data(masked(CLOSE, &1000_u16.to_be_bytes()).into(), false).unwrap();
    let expected = unmasked(CLOSE, &1000_u16.to_be_bytes());
    assert_eq!(read(&mut receive, expected.len()).await, expected);

    let line = edge.access_line_of("/tv/socket").await;
    assert_eq!(line["outcome"], "ok", "{line:#}");
    assert!(line["response_bytes"].as_u64().unwrap() > 20_000, "{line:#}");
}

#[tokio::test]
async fn answer_that_opens_nothing_is_no_success() {
    let bff = Bff::saying("no socket here").await;
    let edge = Site::to(&bff).start().await;
    let mut client = connect(&edge).await;
    let (response, _send) = open(&mut client, "/tv/socket").await;
    assert_eq!(response.status(), 502);

    let refusing = Bff::failing(403).await;
    let edge = Site::to(&refusing).start().await;
    let mut client = connect(&edge).await;
    let (response, _send) = open(&mut client, "/tv/socket").await;
    assert_eq!(response.status(), 403);
}

#[tokio::test]
async fn endpoint_that_shakes_hands_wrongly_is_not_believed() {
    let bff = Bff::answering(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    )
    .await;
    let edge = Site::to(&bff).start().await;
    let mut client = connect(&edge).await;
    let (response, _send) = open(&mut client, "/tv/socket").await;
    assert_eq!(response.status(), 502);
}

#[tokio::test]
async fn connect_of_anything_else_is_not_served() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;
    let mut client = connect(&edge).await;
    let (response, _send) = client.send_request(socket("/tv/x", "connect-udp"), false).unwrap();
    assert_eq!(within("an answer", response).await.unwrap().status(), 400);
}

#[tokio::test]
async fn tunnel_outlasts_the_time_for_unread_answers() {
    let bff = Bff::raw(echo).await;
    let edge = Site::to(&bff).edge("stream_idle = \"2s\"").start().await;
    let mut client = connect(&edge).await;
    let (response, mut send) = open(&mut client, "/tv/socket").await;
    let mut receive = response.into_body();
    // In all longer than that time, and never silent for nearly as long.
    let expected = unmasked(TEXT, b"tick");
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    for _ in 0..13 {
        ticks.tick().await;
        send.send_data(masked(TEXT, b"tick").into(), false).unwrap();
        assert_eq!(read(&mut receive, expected.len()).await, expected);
    }
}
