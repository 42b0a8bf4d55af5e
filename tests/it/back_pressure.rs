//! A side that is slow slows the other down, and fills no memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use headgate_tests::{
    Bff, Edge, Raw, Site,
    client::{call, streamed},
    get, within,
};
use http_body_util::BodyExt;
use tokio::sync::Notify;

const TOTAL: usize = 200 << 20;
/// By HTTP/2, whose small windows make it slow in a build without optimization.
const H2_TOTAL: usize = 64 << 20;
/// Kernel buffers of two connections and what the edge may keep.
const ON_THE_WAY_MAX: usize = 48 << 20;
/// What the edge itself may keep, twice over.
const GROWTH_MAX: u64 = 16 << 20;
/// Silence that shows that nothing moves.
const STALLED: Duration = Duration::from_millis(300);

/// Writes `TOTAL` bytes as fast as they are taken, and counts them.
async fn gushing(head: &'static str) -> (Bff, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let bff = Bff::raw(move |mut connection| {
        let counted = Arc::clone(&counted);
        async move {
            connection.request().await;
            connection.write(head).await;
            let piece = vec![b'x'; 64 << 10];
            while counted.load(Ordering::SeqCst) < TOTAL && connection.write(&piece).await {
                counted.fetch_add(piece.len(), Ordering::SeqCst);
            }
        }
    })
    .await;
    (bff, sent)
}

/// Waits until a counter stands still.
async fn stalls(count: &AtomicUsize) -> usize {
    within("a stall", async {
        loop {
            let before = count.load(Ordering::SeqCst);
            tokio::time::sleep(STALLED).await;
            if before > 0 && count.load(Ordering::SeqCst) == before {
                return before;
            }
        }
    })
    .await
}

async fn edge(bff: &Bff) -> Edge {
    Site::with_route(bff, "", "timeout = \"60s\"\nmax_body = \"1GiB\"").start().await
}

#[tokio::test]
async fn slow_reader_does_not_fill_the_edge() {
    let (bff, sent) = gushing("HTTP/1.1 200 OK\r\ncontent-length: 209715200\r\n\r\n").await;
    let edge = edge(&bff).await;
    let before = edge.resident_bytes();
    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;

    let on_the_way = stalls(&sent).await;

    assert!(on_the_way < ON_THE_WAY_MAX, "{on_the_way} bytes are on their way");
    let growth = edge.resident_bytes().saturating_sub(before);
    assert!(growth < GROWTH_MAX, "the edge grew by {growth} bytes");
    let answer = within("the whole answer", read_all(raw)).await;
    assert_eq!(answer, TOTAL);
    let growth = edge.resident_bytes().saturating_sub(before);
    assert!(growth < GROWTH_MAX, "the edge grew by {growth} bytes");
}

#[tokio::test]
async fn reader_that_stops_is_cut_off() {
    let (left, mut has_left) = tokio::sync::mpsc::channel::<()>(1);
    let bff = Bff::raw(move |mut connection| {
        let left = left.clone();
        async move {
            connection.request().await;
            connection.write("HTTP/1.1 200 OK\r\ncontent-length: 209715200\r\n\r\n").await;
            let piece = vec![b'x'; 64 << 10];
            while connection.write(&piece).await {}
            assert!(left.send(()).await.is_ok(), "the test has ended");
        }
    })
    .await;
    let edge = Site::to(&bff).edge("stream_idle = \"500ms\"").start().await;
    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;

    // Nothing is read from here on.
    within("the upstream is let go", has_left.recv()).await.unwrap();

    let line = edge.access_line_of("/tv/x").await;
    assert_eq!(line["outcome"], "client_cancelled", "{line}");
}

#[tokio::test]
async fn h2_stream_whose_reader_stops_is_cut_off_alone() {
    let (bff, _sent) = gushing("HTTP/1.1 200 OK\r\ncontent-length: 209715200\r\n\r\n").await;
    let edge = Site::to(&bff).edge("stream_idle = \"500ms\"").start().await;
    let mut client = edge.h2().await;
    let mut stalled = client.open(get("/tv/stalled")).await;

    // Nothing of it is read until it has ended; another stream on the connection goes on.
    let line = edge.access_line_of("/tv/stalled").await;
    assert_eq!(line["outcome"], "client_cancelled", "{line}");
    let mut read = 0;
    let ended = loop {
        match stalled.frame().await {
            Some(Ok(frame)) => read += frame.into_data().map_or(0, |data| data.len()),
            ended => break ended,
        }
    };
    assert!(ended.is_some_and(|frame| frame.is_err()), "the stream is reset");
    assert!(read < TOTAL);
    // No route takes this one.
    assert_eq!(client.send(get("/_headgate/none")).await.status, 404);
}

async fn read_all(mut raw: Raw) -> usize {
    raw.head().await;
    let mut read = 0;
    while read < TOTAL {
        read += raw.bytes(1 << 20).await.len();
    }
    read
}

#[tokio::test]
async fn slow_h2_reader_does_not_fill_the_edge() {
    let (bff, sent) = gushing("HTTP/1.1 200 OK\r\ncontent-length: 209715200\r\n\r\n").await;
    let edge = edge(&bff).await;
    let before = edge.resident_bytes();
    let mut client = edge.h2().await;
    let mut response = client.open(get("/tv/x")).await;

    let on_the_way = stalls(&sent).await;

    assert!(on_the_way < ON_THE_WAY_MAX, "{on_the_way} bytes are on their way");
    let growth = edge.resident_bytes().saturating_sub(before);
    assert!(growth < GROWTH_MAX, "the edge grew by {growth} bytes");
    let mut read = 0;
    within("the whole answer", async {
        while let Some(frame) = response.frame().await {
            read += frame.unwrap().into_data().map_or(0, |data| data.len());
        }
    })
    .await;
    assert_eq!(read, TOTAL);
}

/// Reads a head, and the body only when it is told to.
async fn lazy(go: &Arc<Notify>) -> (Bff, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let (counted, go) = (Arc::clone(&read), Arc::clone(go));
    let bff = Bff::http(move |request| {
        let (counted, go) = (Arc::clone(&counted), Arc::clone(&go));
        async move {
            go.notified().await;
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                counted.fetch_add(frame.into_data().map_or(0, |data| data.len()), Ordering::SeqCst);
            }
            headgate_tests::bff::respond(200, "ok")
        }
    })
    .await;
    (bff, read)
}

#[tokio::test]
async fn slow_bff_does_not_fill_the_edge() {
    let go = Arc::new(Notify::new());
    let (bff, read) = lazy(&go).await;
    let edge = edge(&bff).await;
    let before = edge.resident_bytes();
    let mut raw = edge.raw().await;
    raw.send("POST /tv/x HTTP/1.1\r\nhost: e\r\ncontent-length: 209715200\r\n\r\n").await;

    let piece = vec![b'x'; TOTAL];
    let sent = within("a stall", raw.push(&piece, STALLED)).await;

    assert!(sent < ON_THE_WAY_MAX, "{sent} bytes are on their way");
    let growth = edge.resident_bytes().saturating_sub(before);
    assert!(growth < GROWTH_MAX, "the edge grew by {growth} bytes");
    go.notify_one();
    raw.send(&piece[sent..]).await;
    assert_eq!(raw.answer().await.status, 200);
    assert_eq!(read.load(Ordering::SeqCst), TOTAL);
}

#[tokio::test]
async fn slow_bff_slows_an_h2_client_down() {
    let go = Arc::new(Notify::new());
    let (bff, read) = lazy(&go).await;
    let edge = edge(&bff).await;
    let before = edge.resident_bytes();
    let (mut sender, body) = streamed();
    let mut client = edge.h2().await;
    let posting = tokio::spawn(async move { client.send(call("POST", "/tv/x").body(body)).await });
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let piece = Bytes::from(vec![b'x'; 64 << 10]);
    let sending = tokio::spawn(async move {
        while counted.load(Ordering::SeqCst) < H2_TOTAL {
            sender.send_data(piece.clone()).await.unwrap();
            counted.fetch_add(piece.len(), Ordering::SeqCst);
        }
    });

    let on_the_way = stalls(&sent).await;

    assert!(on_the_way < ON_THE_WAY_MAX / 4, "{on_the_way} bytes are on their way");
    let growth = edge.resident_bytes().saturating_sub(before);
    assert!(growth < GROWTH_MAX, "the edge grew by {growth} bytes");
    go.notify_one();
    within("the whole body", sending).await.unwrap();
    assert_eq!(within("the answer", posting).await.unwrap().status, 200);
    assert_eq!(read.load(Ordering::SeqCst), H2_TOTAL);
}
