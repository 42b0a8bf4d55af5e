//! A side that leaves is missed by the other at once.

use headgate_tests::{
    Bff, Reply, Site,
    client::{call, streamed},
    get, within,
};
use http_body_util::BodyExt;

/// Sends the head of an answer and one piece, and then waits for the end of the connection.
async fn streaming() -> Bff {
    Bff::raw(|mut connection| async move {
        connection.request().await;
        connection
            .write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
            .await;
        connection.until_closed().await;
    })
    .await
}

#[tokio::test]
async fn client_that_leaves_before_the_answer_cancels_the_call() {
    let bff = Bff::hanging().await;
    let edge = Site::to(&bff).start().await;
    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;
    bff.first().await;

    drop(raw);

    bff.sees_closed(1).await;
    let line = edge.access_line_of("/tv/x").await;
    assert_eq!(line["outcome"], "client_cancelled", "{line}");
}

#[tokio::test]
async fn client_that_leaves_in_the_answer_cancels_the_call() {
    let bff = streaming().await;
    let edge = Site::to(&bff).start().await;
    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;
    raw.head().await;

    drop(raw);

    bff.sees_closed(1).await;
    let line = edge.access_line_of("/tv/x").await;
    assert_eq!(line["outcome"], "client_cancelled", "{line}");
}

#[tokio::test]
async fn client_that_leaves_in_its_body_never_completes_it() {
    for framing in
        ["content-length: 100\r\n\r\nhello", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"]
    {
        let bff = Bff::raw(|mut connection| async move {
            connection.head().await;
            connection.until_closed().await;
        })
        .await;
        let edge = Site::to(&bff).start().await;
        let mut raw = edge.raw().await;
        raw.send(format!("POST /tv/x HTTP/1.1\r\nhost: e\r\n{framing}")).await;
        bff.first().await;

        drop(raw);

        bff.sees_closed(1).await;
        let seen = String::from_utf8(bff.bytes()).unwrap();
        assert!(!seen.ends_with("0\r\n\r\n"), "{framing}: completed: {seen}");
        let line = edge.access_line_of("/tv/x").await;
        assert_eq!(line["outcome"], "client_cancelled", "{line}");
    }
}

#[tokio::test]
async fn refused_upload_ends_both_connections() {
    for framing in ["content-length: 104857600", "transfer-encoding: chunked"] {
        // Reads the head, and then nothing until it is told to.
        let go = std::sync::Arc::new(tokio::sync::Notify::new());
        let told = std::sync::Arc::clone(&go);
        let bff = Bff::raw(move |mut connection| {
            let told = std::sync::Arc::clone(&told);
            async move {
                connection.head().await;
                told.notified().await;
                connection.until_closed().await;
            }
        })
        .await;
        let edge =
            Site::with_route(&bff, "", "timeout = \"500ms\"\nmax_body = \"1GiB\"").start().await;
        let mut raw = edge.raw().await;
        raw.send(format!("POST /tv/x HTTP/1.1\r\nhost: e\r\n{framing}\r\n\r\n")).await;
        let piece = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
        let pieces = piece.repeat(32);
        // As much as fits, and then the answer.
        raw.push(pieces.as_bytes(), std::time::Duration::from_millis(200)).await;
        let answer = raw.answer().await;
        assert_eq!(answer.status, 504, "{framing}");

        raw.rest().await;
        go.notify_one();
        bff.sees_closed(1).await;
    }
}

#[tokio::test]
async fn reset_h2_stream_cancels_its_call_alone() {
    let bff = Bff::raw(|mut connection| async move {
        while let Some(seen) = connection.request().await {
            if seen.target == "/tv/hang" {
                connection.until_closed().await;
                return;
            }
            connection.answer(200, &[], "ok").await;
        }
    })
    .await;
    let edge = Site::to(&bff).start().await;
    let mut client = edge.h2().await;
    let mut other = client.another();
    let hanging = tokio::spawn(async move { other.try_open(get("/tv/hang")).await });
    bff.first().await;

    hanging.abort();

    bff.sees_closed(1).await;
    assert_eq!(client.send(get("/tv/x")).await.status, 200, "the connection serves on");
    let line = edge.access_line_of("/tv/hang").await;
    assert_eq!(line["outcome"], "client_cancelled", "{line}");
}

#[tokio::test]
async fn h2_client_that_aborts_its_body_never_completes_it() {
    let bff = Bff::raw(|mut connection| async move {
        connection.head().await;
        connection.until_closed().await;
    })
    .await;
    let edge = Site::to(&bff).start().await;
    let mut client = edge.h2().await;
    let (mut sender, body) = streamed();
    let posting =
        tokio::spawn(async move { client.try_open(call("POST", "/tv/x").body(body)).await });
    sender.send_data("hello".into()).await.unwrap();
    bff.first().await;

    sender.abort("the client changed its mind".into());

    bff.sees_closed(1).await;
    let seen = String::from_utf8(bff.bytes()).unwrap();
    assert!(!seen.ends_with("0\r\n\r\n"), "completed: {seen}");
    drop(within("the client's end", posting).await);
}

#[tokio::test]
async fn h2_client_sees_the_upstreams_abort() {
    let bff = Bff::raw(|mut connection| async move {
        connection.request().await;
        connection.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello").await;
    })
    .await;
    let edge = Site::to(&bff).start().await;
    let mut client = edge.h2().await;

    if let Ok(response) = client.try_open(get("/tv/x")).await {
        assert!(Reply::read(response).await.is_err());
    }
}

#[tokio::test]
async fn abort_of_an_h2c_upstream_breaks_the_clients_answer() {
    let bff = Bff::http(|_| async {
        let (mut sender, body) = streamed();
        tokio::spawn(async move {
            if sender.send_data("hello".into()).await.is_ok() {
                sender.abort("gone".into());
            }
        });
        http::Response::new(body)
    })
    .await;
    let edge = Site::with_route(&bff, "protocol = \"h2c\"", "").start().await;

    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;
    let said = raw.rest_text().await;
    assert!(!said.ends_with("0\r\n\r\n"), "ended as if it were whole: {said}");

    // The reset may overtake the head.
    if let Ok(response) = edge.h2().await.try_open(get("/tv/x")).await {
        assert!(Reply::read(response).await.is_err());
    }
}

#[tokio::test]
async fn h2c_upstream_sees_that_the_client_left() {
    let (tell, mut told) = tokio::sync::mpsc::channel::<()>(1);
    let bff = Bff::http(move |request| {
        let tell = tell.clone();
        async move {
            // The sender ends with this answer's body, which hyper drops when the stream is reset.
            let (mut sender, body) = streamed();
            drop(request);
            tokio::spawn(async move {
                while sender.send_data("tick".into()).await.is_ok() {}
                assert!(tell.send(()).await.is_ok(), "the test has ended");
            });
            http::Response::new(body)
        }
    })
    .await;
    let edge = Site::with_route(&bff, "protocol = \"h2c\"", "").start().await;
    let mut client = edge.h1().await;
    let mut response = client.open(get("/tv/x")).await;
    response.frame().await.unwrap().unwrap();

    drop(response);
    client.abort();

    within("the upstream's stream ends", told.recv()).await.unwrap();
}
