//! One request in is one request out, framed once.

use headgate_tests::{Bff, Site};

async fn seen_for(request: &str) -> (String, Vec<headgate_tests::Seen>, Vec<u8>) {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("keep_alive = \"500ms\"").start().await;
    let mut raw = edge.raw().await;
    raw.send(request).await;
    let said = raw.rest_text().await;
    (said, bff.requests(), bff.bytes())
}

#[tokio::test]
async fn coding_and_length_are_one_exchange_framed_by_the_coding() {
    for order in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
        "content-length: 5\r\nTransfer-Encoding: Chunked\r\ncontent-length: 5",
    ] {
        let request = format!(
            "POST /tv/x HTTP/1.1\r\nhost: e\r\nconnection: close\r\n{order}\r\n\r\n\
             b\r\nhello world\r\n0\r\n\r\n"
        );
        let (said, seen, bytes) = seen_for(&request).await;

        assert!(said.starts_with("HTTP/1.1 200 "), "{order}: {said}");
        assert_eq!(seen.len(), 1, "{order}");
        assert_eq!(seen[0].body, b"hello world", "{order}");
        assert_eq!(seen[0].header("content-length"), None, "{order}");
        let bytes = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        assert!(!bytes.contains("content-length"), "{order}: {bytes}");
    }
}

#[tokio::test]
async fn bytes_behind_a_coded_body_are_never_part_of_it() {
    let request = "POST /tv/x HTTP/1.1\r\nhost: e\r\ncontent-length: 44\r\n\
        transfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /tv/smuggled HTTP/1.1\r\nhost: e\r\n\r\n";
    let (_, seen, _) = seen_for(request).await;

    assert!(seen[0].body.is_empty());
    // A second request may be answered as one of the client's own, in an exchange of its own.
    for (at, seen) in seen.iter().enumerate() {
        assert!(seen.header("traceparent").is_some(), "exchange {at} is the edge's own");
    }
}

#[tokio::test]
async fn request_in_a_body_stays_a_body() {
    let inner = "GET /tv/smuggled HTTP/1.1\r\nhost: e\r\n\r\n";
    let request =
        format!("POST /tv/x HTTP/1.1\r\nhost: e\r\ncontent-length: {}\r\n\r\n{inner}", inner.len());
    let (said, seen, _) = seen_for(&request).await;

    assert_eq!(said.matches("HTTP/1.1 200").count(), 1, "{said}");
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].body, inner.as_bytes());
}

#[tokio::test]
async fn get_with_a_body_keeps_it() {
    let (_, seen, _) =
        seen_for("GET /tv/x HTTP/1.1\r\nhost: e\r\ncontent-length: 4\r\n\r\nbodyGET /tv/y HTTP/1.1\r\nhost: e\r\n\r\n")
            .await;

    assert_eq!(seen.len(), 2);
    assert_eq!((seen[0].target.as_str(), seen[0].body.as_slice()), ("/tv/x", &b"body"[..]));
    assert_eq!((seen[1].target.as_str(), seen[1].body.as_slice()), ("/tv/y", &b""[..]));
}

#[tokio::test]
async fn equal_lengths_become_one() {
    let (said, seen, _) = seen_for(
        "POST /tv/x HTTP/1.1\r\nhost: e\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
    )
    .await;

    if said.starts_with("HTTP/1.1 200") {
        assert_eq!(seen[0].headers("content-length"), ["5"]);
    } else {
        assert!(said.starts_with("HTTP/1.1 400"), "{said}");
        assert!(seen.is_empty());
    }
}

#[tokio::test]
async fn bare_line_feeds_are_never_passed_on() {
    let (said, seen, bytes) = seen_for("GET /tv/x HTTP/1.1\nhost: e\nx: y\n\n").await;

    if said.starts_with("HTTP/1.1 200") {
        assert_eq!(seen.len(), 1);
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{text:?}");
    } else {
        assert!(said.starts_with("HTTP/1.1 400"), "{said}");
        assert!(seen.is_empty());
    }
}

#[tokio::test]
async fn fragment_of_a_target_is_not_passed_on() {
    let (said, seen, _) = seen_for("GET /tv/x#y HTTP/1.1\r\nhost: e\r\n\r\n").await;

    if said.starts_with("HTTP/1.1 200") {
        assert_eq!(seen[0].target, "/tv/x");
    } else {
        assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    }
}

#[tokio::test]
async fn chunk_extensions_are_not_passed_on() {
    let request = "POST /tv/x HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\n\
        5;a=b;c=\"d\"\r\nhello\r\n0;last\r\n\r\n";
    let (said, seen, bytes) = seen_for(request).await;

    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert_eq!(seen[0].body, b"hello");
    assert!(!String::from_utf8_lossy(&bytes).contains(';'), "an extension went on");
}

#[tokio::test]
async fn trailers_do_not_become_headers() {
    let request = "POST /tv/x HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\
        trailer: content-length, headgate-passport, host, x-good\r\nte: trailers\r\n\r\n\
        5\r\nhello\r\n0\r\ncontent-length: 100\r\nheadgate-passport: spoofed\r\nhost: other\r\n\r\n";
    let (_, seen, bytes) = seen_for(request).await;

    assert_eq!(seen.len(), 1);
    let bytes = String::from_utf8_lossy(&bytes).into_owned();
    for forbidden in ["content-length: 100", "spoofed", "host: other"] {
        assert!(!bytes.contains(forbidden), "{forbidden} in {bytes}");
    }
}

#[tokio::test]
async fn upgrade_to_h2c_is_not_passed_on() {
    let request = "GET /tv/x HTTP/1.1\r\nhost: e\r\nconnection: upgrade, http2-settings\r\n\
        upgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n";
    let (said, seen, _) = seen_for(request).await;

    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert_eq!(seen.len(), 1);
    for name in ["upgrade", "http2-settings", "connection"] {
        assert_eq!(seen[0].header(name), None, "{name}");
    }
}
