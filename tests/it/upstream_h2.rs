//! HTTP/2 to upstreams: requests share connections, and what an endpoint did not act on is sent
//! again unseen.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use h2::{
    Reason,
    server::{Builder, Connection, SendResponse},
};
use headgate_tests::{
    Bff, Client, Edge, Site, bff::respond, client::call, eventually, get, raw::Stream,
};
use http::{Request, Response};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
    task::JoinSet,
};

type Server = Connection<Box<dyn Stream>, Bytes>;

/// An endpoint on the level of streams: `script` gets each connection with its number.
async fn endpoint<F, Fut>(builder: Builder, script: F) -> Bff
where
    F: Fn(usize, Server) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Bff::raw(move |connection| {
        let (builder, script) = (builder.clone(), script.clone());
        async move {
            let number = connection.number;
            if let Ok(server) = builder.handshake(connection.into_stream()).await {
                script(number, server).await;
            }
        }
    })
    .await
}

fn answer(mut respond: SendResponse<Bytes>) {
    let response = Response::new(());
    // Whether the edge still listens is its own affair.
    if let Ok(mut body) = respond.send_response(response, false) {
        drop(body.send_data("ok".into(), true));
    }
}

/// Answers whatever comes, to the end of the connection.
async fn answer_all(mut server: Server) {
    while let Some(Ok((_, respond))) = server.accept().await {
        answer(respond);
    }
}

async fn edge(bff: &Bff, route: &str) -> Edge {
    // One thread, hence one pool.
    Site::with_route(bff, "protocol = \"h2c\"", route).edge("threads = 1").start().await
}

async fn attempts(edge: &Edge, result: &str) -> u64 {
    let labels = [("team", "tv"), ("upstream", "home"), ("result", result)];
    edge.metrics().await.sum("headgate_gateway_upstream_attempts_total", &labels)
}

const NO_RETRY: &str = "retry = { max = 0 }";

#[tokio::test]
async fn refused_stream_is_sent_again_unseen() {
    let seen = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&seen);
    let bff = endpoint(Builder::new(), move |_, mut server: Server| {
        let counted = Arc::clone(&counted);
        async move {
            while let Some(Ok((_, mut respond))) = server.accept().await {
                if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                    respond.send_reset(Reason::REFUSED_STREAM);
                } else {
                    answer(respond);
                }
            }
        }
    })
    .await;
    let edge = edge(&bff, NO_RETRY).await;

    // Not idempotent: only what the endpoint says makes it safe.
    let reply = edge.send(call("POST", "/tv/x")).await;

    assert_eq!((reply.status, seen.load(Ordering::SeqCst)), (200, 2));
    assert_eq!(attempts(&edge, "refused").await, 1);
    let line = edge.access_line(reply.trace_id()).await;
    assert_eq!(line["attempts"].as_array().unwrap().len(), 1, "{line:#}");
}

#[tokio::test]
async fn endpoint_that_refuses_everything_is_asked_a_few_times() {
    let seen = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&seen);
    let bff = endpoint(Builder::new(), move |_, mut server: Server| {
        let counted = Arc::clone(&counted);
        async move {
            while let Some(Ok((_, mut respond))) = server.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                respond.send_reset(Reason::REFUSED_STREAM);
            }
        }
    })
    .await;
    let edge = edge(&bff, NO_RETRY).await;

    let reply = edge.send(get("/tv/x")).await;

    assert_eq!((reply.status, reply.outcome().as_str()), (502, "origin_reset"));
    assert_eq!(seen.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn other_resets_are_not_repeated() {
    let seen = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&seen);
    let bff = endpoint(Builder::new(), move |_, mut server: Server| {
        let counted = Arc::clone(&counted);
        async move {
            while let Some(Ok((_, mut respond))) = server.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                respond.send_reset(Reason::INTERNAL_ERROR);
            }
        }
    })
    .await;
    let edge = edge(&bff, NO_RETRY).await;

    assert_eq!(edge.send(call("POST", "/tv/x")).await.status, 502);
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn endpoint_that_goes_away_loses_no_request() {
    // Each connection serves one request and says goodbye; whatever it took before is served.
    let bff = endpoint(Builder::new(), |_, mut server: Server| async move {
        if let Some(Ok((_, respond))) = server.accept().await {
            answer(respond);
            server.graceful_shutdown();
        }
        answer_all(server).await;
    })
    .await;
    let edge = edge(&bff, NO_RETRY).await;
    let mut client = edge.h1().await;

    for at in 0..10 {
        let reply = client.send(call("POST", "/tv/x")).await;
        assert_eq!(reply.status, 200, "{at}: {}", reply.text());
    }
    assert!(bff.connections() > 1, "it never went away");
}

/// A frame (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

#[tokio::test]
async fn request_above_the_last_stream_is_sent_elsewhere_unseen() {
    // The first connection reads two requests, and says that it acts on the first alone.
    let bff = Bff::raw(|connection| async move {
        let number = connection.number;
        let mut stream = connection.into_stream();
        if number > 0 {
            return answer_all(h2::server::handshake(stream).await.unwrap()).await;
        }
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        let mut requests = 0;
        while requests < 2 {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.unwrap();
            let length = usize::from(head[1]) << 8 | usize::from(head[2]);
            stream.read_exact(&mut vec![0; length]).await.unwrap();
            requests += usize::from(head[3] == HEADERS);
        }
        // `:status: 200` is entry 8 of the static table; the stream ends with its head.
        let answer = frame(HEADERS, 5, 1, &[0x88]);
        let goodbye = frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]);
        stream.write_all(&[answer, goodbye].concat()).await.unwrap();
        // Open until the edge has had enough.
        while stream.read(&mut [0; 64]).await.is_ok_and(|length| length > 0) {}
    })
    .await;
    let edge = edge(&bff, NO_RETRY).await;

    let sent = burst(&edge, 2).await;

    assert_eq!(sent.join_all().await, [200, 200]);
    assert_eq!(attempts(&edge, "refused").await, 1);
}

/// Sends requests side by side, each on a connection of its own.
async fn burst(edge: &Edge, count: usize) -> JoinSet<u16> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(edge.h1().await);
    }
    let send = |mut client: Client| async move { client.send(get("/tv/x")).await.status };
    clients.into_iter().map(send).collect()
}

/// An upstream whose answers wait for all that are expected.
struct Gathering {
    bff: Bff,
    here: Arc<AtomicUsize>,
    go: Arc<Notify>,
}

async fn gathering(streams_max: Option<u32>) -> Gathering {
    let (here, go) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
    let (counted, told) = (Arc::clone(&here), Arc::clone(&go));
    let mut builder = Builder::new();
    if let Some(max) = streams_max {
        builder.max_concurrent_streams(max);
    }
    let bff = endpoint(builder, move |_, mut server: Server| {
        let (counted, told) = (Arc::clone(&counted), Arc::clone(&told));
        async move {
            let mut waiting = JoinSet::new();
            while let Some(Ok((_, respond))) = server.accept().await {
                let told = Arc::clone(&told);
                let notified = told.clone().notified_owned();
                counted.fetch_add(1, Ordering::SeqCst);
                waiting.spawn(async move {
                    notified.await;
                    answer(respond);
                });
            }
        }
    })
    .await;
    Gathering { bff, here, go }
}

#[tokio::test]
async fn burst_shares_the_connection_that_its_first_request_opens() {
    let Gathering { bff, here, go } = gathering(None).await;
    let edge = edge(&bff, "").await;

    let sent = burst(&edge, 20).await;
    eventually("all are there", || (here.load(Ordering::SeqCst) == 20).then_some(())).await;
    go.notify_waiters();

    assert_eq!(sent.join_all().await, [200; 20]);
    assert_eq!(bff.connections(), 1);
}

#[tokio::test]
async fn connection_takes_no_more_streams_than_its_endpoint_does() {
    let Gathering { bff, here, go } = gathering(Some(2)).await;
    let edge = edge(&bff, "").await;

    let sent = burst(&edge, 6).await;
    eventually("all are there", || (here.load(Ordering::SeqCst) == 6).then_some(())).await;
    go.notify_waiters();

    assert_eq!(sent.join_all().await, [200; 6]);
    assert!(bff.connections() >= 3, "{} connections for six", bff.connections());
}

#[tokio::test]
async fn bodies_pass_both_ways() {
    let bff = Bff::http(|request: Request<hyper::body::Incoming>| async move {
        use http_body_util::BodyExt as _;
        let body = request.into_body().collect().await.unwrap().to_bytes();
        respond(200, body)
    })
    .await;
    let edge = edge(&bff, "").await;

    let sent = "x".repeat(300_000);
    let reply = edge.send(headgate_tests::post("/tv/x", sent.clone())).await;
    assert_eq!(reply.text(), sent);
}
