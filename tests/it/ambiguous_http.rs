//! Requests that two readers could read in two ways are refused, and the upstream sees nothing.

use headgate_tests::{Bff, Site, get};

const POST: &str = "POST /tv/x HTTP/1.1\r\nhost: e\r\n";
const CHUNKED: &str = "POST /tv/x HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\n";

fn refused() -> Vec<(&'static str, String)> {
    let get = "GET /tv/x HTTP/1.1\r\nhost: e\r\n";
    let header = |line: &str| format!("{get}{line}\r\n\r\n");
    let length = |value: &str| format!("{POST}content-length: {value}\r\n\r\nhello");
    let chunk = |text: &str| format!("{CHUNKED}{text}");
    let encoding = |value: &str| format!("{POST}transfer-encoding: {value}\r\n\r\n0\r\n\r\n");
    let target = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: e\r\n\r\n");
    vec![
        ("NUL in a value", header("x: a\0b")),
        ("NUL in a name", header("x\0y: a")),
        ("bare CR in a value", header("x: a\rb: c")),
        ("control in a value", header("x: a\x01b")),
        ("space before the colon", header("x : a")),
        ("tab before the colon", header("content-length\t: 0")),
        ("space in a name", header("x y: a")),
        ("space before the first name", "GET /tv/x HTTP/1.1\r\n host: e\r\n\r\n".to_owned()),
        ("obsolete folding", header("x: a\r\n b")),
        ("obsolete folding of a length", format!("{POST}content-length:\r\n 5\r\n\r\nhello")),
        ("no colon", header("x")),
        ("empty name", header(": a")),
        ("signed length", length("+5")),
        ("negative length", length("-5")),
        ("hexadecimal length", length("0x5")),
        ("empty length", length("")),
        ("length with a word", length("5 five")),
        ("fraction", length("5.0")),
        ("huge length", length("99999999999999999999999")),
        ("list of differing lengths", length("5, 6")),
        (
            "two differing lengths",
            format!("{POST}content-length: 5\r\ncontent-length: 6\r\n\r\nhello!"),
        ),
        (
            "differing lengths by case",
            format!("{POST}content-length: 5\r\nContent-Length: 0\r\n\r\nhello"),
        ),
        ("coding that is not chunked", encoding("identity")),
        ("unknown coding", encoding("xchunked")),
        ("chunked is not last", encoding("chunked, gzip")),
        ("chunked in quotes", encoding("\"chunked\"")),
        ("vertical tab before the coding", encoding("\x0bchunked")),
        ("chunk size is no number", chunk("zz\r\nhello\r\n0\r\n\r\n")),
        ("signed chunk size", chunk("+5\r\nhello\r\n0\r\n\r\n")),
        ("negative chunk size", chunk("-5\r\nhello\r\n0\r\n\r\n")),
        ("prefixed chunk size", chunk("0x5\r\nhello\r\n0\r\n\r\n")),
        ("empty chunk size", chunk("\r\nhello\r\n0\r\n\r\n")),
        ("huge chunk size", chunk("fffffffffffffffff\r\nhello\r\n0\r\n\r\n")),
        ("no host", "GET /tv/x HTTP/1.1\r\n\r\n".to_owned()),
        ("two hosts", header("host: f")),
        ("two equal hosts", header("host: e")),
        ("host with a space", "GET /tv/x HTTP/1.1\r\nhost: e f\r\n\r\n".to_owned()),
        ("host with a path", "GET /tv/x HTTP/1.1\r\nhost: e/f\r\n\r\n".to_owned()),
        ("host with user information", "GET /tv/x HTTP/1.1\r\nhost: u@e\r\n\r\n".to_owned()),
        ("host differs from the target", target("http://f/tv/x")),
        ("target without a slash", target("tv/x")),
        ("target with a space", target("/tv/x y")),
        ("broken percent code", target("/tv/%zz")),
        ("NUL in the path", target("/tv/%00")),
        ("CONNECT", "CONNECT e:443 HTTP/1.1\r\nhost: e:443\r\n\r\n".to_owned()),
        ("unknown version", "GET /tv/x HTTP/1.9\r\nhost: e\r\n\r\n".to_owned()),
        ("version two in text", "GET /tv/x HTTP/2.0\r\nhost: e\r\n\r\n".to_owned()),
        ("no version", "GET /tv/x\r\nhost: e\r\n\r\n".to_owned()),
        ("method with a colon", "GE:T /tv/x HTTP/1.1\r\nhost: e\r\n\r\n".to_owned()),
        ("connection names the length", header("connection: content-length")),
        ("connection names the coding", header("connection: transfer-encoding")),
        ("connection names the host", header("connection: close, host")),
        ("binary", "\x16\x03\x01\x02\r\n\r\n".to_owned()),
    ]
}

#[tokio::test]
async fn ambiguous_requests_are_400_and_never_reach_the_upstream() {
    let bff = Bff::ok().await;
    // What is not closed at once is closed after two answers, and shows by the second.
    let edge = Site::to(&bff).edge("keep_alive = \"1s\"\nheader_timeout = \"1s\"").start().await;
    let mut passed = Vec::new();

    for (what, request) in refused() {
        let mut raw = edge.raw().await;
        // What would be a second request if the first one were read otherwise.
        raw.send(format!("{request}GET /tv/smuggled HTTP/1.1\r\nhost: e\r\n\r\n")).await;
        let said = raw.rest_text().await;
        if !said.starts_with("HTTP/1.1 400 ") || said.matches("HTTP/1.1 ").count() != 1 {
            passed.push(format!("{what}: {said}"));
        }
    }

    assert!(passed.is_empty(), "{}", passed.join("\n"));
    let seen = String::from_utf8_lossy(&bff.bytes()).into_owned();
    assert!(seen.is_empty(), "{seen}");
    assert_eq!(edge.send(get("/tv/x")).await.status, 200, "the edge serves on");
}

#[tokio::test]
async fn refusals_of_heads_are_counted_outside_the_routes() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost : e\r\n\r\n").await;
    raw.rest().await;

    let bad = "headgate_gateway_bad_heads_total";
    let metrics = edge
        .metrics_show("the bad head", |metrics| metrics.sum(bad, &[("reason", "malformed")]) >= 1)
        .await;
    assert_eq!(metrics.sum("headgate_gateway_arrived_requests_total", &[]), 0);
}

#[tokio::test]
async fn chunk_that_breaks_later_ends_the_exchange() {
    for (what, body) in [
        ("no CRLF behind the data", "5\r\nhelloX\r\n0\r\n\r\n"),
        ("bad second size", "5\r\nhello\r\nzz\r\n"),
        ("signed second size", "5\r\nhello\r\n+5\r\nhello\r\n0\r\n\r\n"),
    ] {
        let bff = Bff::ok().await;
        let edge = Site::to(&bff).start().await;
        let mut raw = edge.raw().await;
        raw.send(format!("{CHUNKED}{body}GET /tv/smuggled HTTP/1.1\r\nhost: e\r\n\r\n")).await;
        let said = raw.rest_text().await;

        assert!(said.starts_with("HTTP/1.1 400 "), "{what}: {said}");
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{what}: {said}");
        assert!(bff.requests().is_empty(), "{what}: the upstream saw no whole request");
        bff.sees_closed(bff.connections()).await;
        let seen = String::from_utf8_lossy(&bff.bytes()).into_owned();
        assert!(!seen.contains("smuggled"), "{what}: {seen}");
    }
}

#[tokio::test]
async fn http2_requests_that_no_h1_upstream_could_read_are_refused() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;
    let mut client = edge.h2().await;

    // Host and authority name two hosts.
    let reply = client.send(get("/tv/x").header("host", "other")).await;
    assert_eq!((reply.status, reply.outcome().as_str()), (400, "client_bad_request"));
    assert!(bff.bytes().is_empty());
}
