//! SIGTERM ends the edge without a client noticing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use headgate_tests::{Bff, Client, Site, eventually, get, within};
use nix::sys::signal::Signal;
use tokio::{sync::Notify, task::JoinSet, time::Instant};

#[tokio::test]
async fn idle_edge_ends_at_once() {
    let bff = Bff::ok().await;
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut edge = Site::to(&bff).start().await;
        assert_eq!(edge.send(get("/tv/x")).await.status, 200);
        // One that idles must not hold the end up.
        let _idle = edge.h1().await;
        let started = Instant::now();

        edge.signal(signal);

        let ended = edge.ended().await;
        assert_eq!(ended.code(), 0, "{signal}: {}", ended.stderr);
        // Far below the deadline of the drain, and below pingora's own wait.
        assert!(started.elapsed() < Duration::from_secs(6), "{signal}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn signal_is_obeyed_from_the_moment_of_readiness() {
    let bff = Bff::ok().await;
    for _ in 0..5 {
        let mut edge = Site::to(&bff).edge("drain = { accept_for = \"0s\" }").start().await;

        edge.terminate();

        assert_eq!(edge.ended().await.code(), 0);
    }
}

#[tokio::test]
async fn readiness_ends_before_connections_are_refused() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("drain = { accept_for = \"3s\" }").start().await;
    assert_eq!(edge.ask("/readyz").await.status, 200);

    edge.terminate();

    let mut admin = Client::h1(edge.admin()).await;
    let ends = Instant::now() + Duration::from_secs(2);
    while admin.send(get("/readyz")).await.status != 503 {
        assert!(Instant::now() < ends, "still ready");
    }
    assert_eq!(edge.ask("/healthz").await.status, 200);
    assert_eq!(edge.send(get("/tv/x")).await.status, 200);
    assert_eq!(edge.metrics().await.sum("headgate_gateway_draining_flag", &[]), 1);
}

#[tokio::test]
async fn a_connection_that_opens_while_the_edge_drains_gets_its_first_request_served() {
    let bff = Bff::ok().await;
    // Longer than the test can take; the edge ends with it.
    let drain = "drain = { accept_for = \"60s\", deadline = \"120s\" }";
    let edge = Site::to(&bff).edge(drain).start().await;
    edge.terminate();
    while edge.ask("/readyz").await.status != 503 {}

    for _ in 0..10 {
        assert_eq!(edge.h2().await.send(get("/tv/x")).await.status, 200);
        assert_eq!(edge.h1().await.send(get("/tv/x")).await.status, 200);
    }
}

/// Whether the client knows that its request was not taken (RFC 9113, 6.8 for GOAWAY).
fn is_unsent(error: &hyper::Error) -> bool {
    error.is_canceled()
        || error.is_closed()
        || format!("{error:?}").contains("GoAway(b\"\", NO_ERROR, Remote)")
}

/// A load of clients that keep their connections and connect again when the edge closes one.
struct Load {
    stop: Arc<AtomicBool>,
    /// What a load balancer would do that looks at the readiness.
    connects: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    clients: JoinSet<Result<usize, String>>,
}

impl Load {
    fn start(edge: std::net::SocketAddr, is_h2: bool) -> Self {
        let (stop, asked) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let connects = Arc::new(AtomicBool::new(true));
        let mut clients = JoinSet::new();
        for _ in 0..8 {
            let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
            let connects = Arc::clone(&connects);
            clients.spawn(async move {
                let mut answered = 0;
                while !stop.load(Ordering::SeqCst) && connects.load(Ordering::SeqCst) {
                    // A refused connection is what a load balancer sees, not a failed request.
                    let Ok(tcp) = tokio::net::TcpStream::connect(edge).await else { break };
                    let mut client =
                        if is_h2 { Client::h2_on(tcp).await } else { Client::h1_on(tcp).await };
                    while !stop.load(Ordering::SeqCst) {
                        asked.fetch_add(1, Ordering::SeqCst);
                        let response = match client.try_open(get("/tv/x")).await {
                            Ok(response) => response,
                            // Told before the request was sent: it was never under way.
                            Err(error) if is_unsent(&error) => break,
                            Err(error) => return Err(format!("{error:?}")),
                        };
                        if response.status() != 200 {
                            return Err(format!("{response:?}"));
                        }
                        let closes = response.headers().contains_key("connection");
                        let reply = headgate_tests::Reply::read(response).await;
                        reply.map_err(|error| format!("{error:?}"))?;
                        answered += 1;
                        if closes {
                            break;
                        }
                    }
                }
                Ok(answered)
            });
        }
        Self { stop, connects, asked, clients }
    }

    async fn runs(&self) {
        eventually("load", || (self.asked.load(Ordering::SeqCst) > 200).then_some(())).await;
    }
}

async fn no_request_fails(is_h2: bool) {
    let bff = Bff::ok().await;
    let mut edge = Site::to(&bff).edge("threads = 2").start().await;
    let mut load = Load::start(edge.plain(), is_h2);
    load.runs().await;

    let mut admin = Client::h1(edge.admin()).await;
    edge.terminate();
    while admin.send(get("/readyz")).await.status != 503 {}
    load.connects.store(false, Ordering::SeqCst);

    let ended = edge.ended().await;
    load.stop.store(true, Ordering::SeqCst);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let mut answered = 0;
    while let Some(client) = within("the clients", load.clients.join_next()).await {
        answered += client.unwrap().expect("no failed request");
    }
    assert!(answered > 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_h1_request_fails_under_load() {
    no_request_fails(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_h2_request_fails_under_load() {
    no_request_fails(true).await;
}

#[tokio::test]
async fn request_under_way_is_answered() {
    let go = Arc::new(Notify::new());
    let told = Arc::clone(&go);
    let bff = Bff::raw(move |mut connection| {
        let told = Arc::clone(&told);
        async move {
            connection.request().await;
            told.notified().await;
            connection.answer(200, &[], "late").await;
        }
    })
    .await;
    let mut edge = Site::to(&bff).edge("drain = { accept_for = \"100ms\" }").start().await;
    let (mut h1, mut h2) = (edge.h1().await, edge.h2().await);
    let waiting = [
        tokio::spawn(async move { h1.send(get("/tv/x")).await }),
        tokio::spawn(async move { h2.send(get("/tv/x")).await }),
    ];
    bff.saw(2).await;

    edge.terminate();
    // The listener is closed by then, and the requests are not answered yet.
    let address = edge.plain();
    within("the listener's end", async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {}
    })
    .await;
    go.notify_one();
    go.notify_one();

    for reply in waiting {
        let reply = reply.await.unwrap();
        assert_eq!((reply.status, reply.text()), (200, "late"));
    }
    let ended = edge.ended().await;
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.stdout.matches("\"path\":\"/tv/x\"").count(), 2, "access lines are written");
}

#[tokio::test]
async fn what_hangs_is_cut_off_at_the_deadline() {
    let bff = Bff::hanging().await;
    let mut edge = Site::with_route(&bff, "", "timeout = \"60s\"")
        .edge("drain = { accept_for = \"0s\", deadline = \"1s\" }")
        .start()
        .await;
    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;
    bff.first().await;
    let started = Instant::now();

    edge.terminate();

    assert_eq!(edge.ended().await.code(), 0);
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(6), "{took:?}");
    raw.rest().await;
}

#[tokio::test]
async fn second_signal_ends_it_at_once() {
    let bff = Bff::hanging().await;
    let mut edge = Site::with_route(&bff, "", "timeout = \"60s\"")
        .edge("drain = { deadline = \"60s\" }")
        .start()
        .await;
    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;
    bff.first().await;

    edge.terminate();
    let mut admin = Client::h1(edge.admin()).await;
    while admin.send(get("/readyz")).await.status != 503 {}
    edge.terminate();

    edge.ended().await;
}

#[tokio::test]
async fn it_starts_again_at_once_on_the_same_port() {
    let bff = Bff::ok().await;
    let mut edge = Site::to(&bff).start().await;
    let address = edge.plain();
    // Leaves connections behind in TIME_WAIT.
    assert_eq!(edge.send(get("/tv/x")).await.status, 200);
    edge.terminate();
    edge.ended().await;

    let edge = Site::to(&bff).listen(&format!("[\"{address}\"]")).start().await;

    assert_eq!(edge.plain(), address);
    assert_eq!(edge.send(get("/tv/x")).await.status, 200);
}
