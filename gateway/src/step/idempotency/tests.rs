use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use headgate_idempotency::{
    Answer, Budget, OsRandom, Records, Settings, Store, StoreError, Written,
    testing::{Failing, Fault, MemoryStore},
};
use headgate_store::{Batch, Item, Key};
use headgate_telemetry::{Metrics, access};
use headgate_types::{Class, Clock, Ratio};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tower::Service as _;

use crate::{
    ClientBody, Edge, Exchanges, Parts,
    identity::{Fetch, FetchKeys, testing::PausedClock},
    settings,
};

const ANSWER: &str = "the order was taken";

#[derive(Debug)]
struct NoFetch;

impl FetchKeys for NoFetch {
    fn fetch(&self, _uri: http::Uri) -> Fetch<'_> {
        Box::pin(std::future::pending())
    }

    fn ask(&self, _question: http::Request<Bytes>) -> Fetch<'_> {
        Box::pin(std::future::pending())
    }
}

/// A BFF that counts the connections on which it has answered.
async fn bff() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"{}") {
                stream.read_buf(&mut request).await.unwrap();
            }
            counted.fetch_add(1, Ordering::SeqCst);
            let length = ANSWER.len();
            let head = format!("HTTP/1.1 201 OK\r\nconnection: close\r\ncontent-length: {length}");
            stream.write_all(format!("{head}\r\n\r\n{ANSWER}").as_bytes()).await.unwrap();
        }
    });
    (address, count)
}

struct Site {
    edge: Arc<Edge>,
    orders: Arc<AtomicUsize>,
    _writer: access::Writer,
}

impl Site {
    /// An edge with one route that heeds keys, and whose records are in this store.
    async fn new(store: Option<Arc<dyn Store>>) -> Self {
        let (address, orders) = bff().await;
        let clock: Arc<dyn Clock> = Arc::new(PausedClock::default());
        let records = store.map(|store| {
            Records::new(store, Arc::clone(&clock), Arc::new(OsRandom), Settings::default())
        });
        let settings = settings::Settings {
            upstreams: vec![upstream(address)],
            routes: vec![route()],
            ..settings::Settings::default()
        };
        let metrics = Metrics::new();
        let (access, writer) = access::Log::start(std::io::sink(), &metrics).unwrap();
        let (fetch, digest) = (Arc::new(NoFetch), "test".into());
        let parts = Parts { clock, metrics, access, fetch, digest, records };
        Self { edge: Edge::new(&settings, parts).unwrap(), orders, _writer: writer }
    }

    /// Sends the order; returns status, headers and body.
    async fn order(&self) -> (StatusCode, HeaderMap, String) {
        let request =
            Request::post("/tv/orders").header("host", "edge").header("idempotency-key", "k");
        let request = request.body(ClientBody::from(Bytes::from_static(b"{}"))).unwrap();
        let mut exchanges = Exchanges::of_client(&self.edge, "127.0.0.1:9".parse().unwrap());
        let (parts, body) = exchanges.call(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Sends the order, which the edge refuses with this status and outcome.
    async fn is_refused(&self, status: u16, outcome: &str) {
        let (found, _, body) = self.order().await;
        assert_eq!(found, status, "{body}");
        assert!(body.contains(&format!("\"outcome\":\"{outcome}\"")), "{body}");
        assert!(!body.contains("order was"), "a part of the answer was told: {body}");
    }

    fn orders(&self) -> usize {
        self.orders.load(Ordering::SeqCst)
    }
}

fn upstream(address: SocketAddr) -> settings::Upstream {
    settings::Upstream {
        team: "tv".into(),
        name: "home".into(),
        endpoints: vec![settings::Address::Tcp(address.to_string().into()).into()],
        protocol: settings::Protocol::H1,
        tls: None,
        connect_timeout: Duration::from_secs(1),
        idle_connections_max: 1,
        connections_max: NonZeroUsize::MIN,
        idle_timeout: Duration::from_secs(1),
        health: None,
        slow_start: None,
        dns: None,
        zone: None,
        drained: Vec::new(),
        overload: settings::UpstreamOverload::default(),
    }
}

fn route() -> settings::Route {
    settings::Route {
        team: "tv".into(),
        name: "orders".into(),
        pattern: "POST /tv/orders".parse().unwrap(),
        upstream: Some(0),
        publish: None,
        split: None,
        mirror: None,
        auth: settings::Auth::None,
        priority: Class::Standard,
        timeout: None,
        try_timeout: None,
        retry: settings::Retry { max: 0, on: Vec::new(), budget: Ratio::default() },
        body_bytes_max: None,
        hash_by: None,
        idempotency: Some(settings::Idempotency::default()),
        slow: None,
        overload: settings::RouteOverload::default(),
    }
}

/// A site whose store goes wrong at this call of it: the first claims, the second commits.
async fn failing(call: usize, fault: Fault) -> Site {
    Site::new(Some(Arc::new(Failing::new(Arc::new(MemoryStore::new()), call, Some(fault))))).await
}

const CLAIM: usize = 0;
const COMMIT: usize = 1;

#[tokio::test]
async fn without_a_store_nothing_with_a_key_is_passed_on() {
    let site = Site::new(None).await;
    site.is_refused(503, "store_unavailable").await;
    assert_eq!(site.orders(), 0);
}

#[tokio::test]
async fn claim_that_fails_keeps_the_request_from_the_bff() {
    let site = failing(CLAIM, Fault::Down(20)).await;
    site.is_refused(503, "store_unavailable").await;
    assert_eq!(site.orders(), 0);
}

#[tokio::test(start_paused = true)]
async fn store_that_hangs_is_waited_for_with_an_end() {
    let site = failing(CLAIM, Fault::StallBefore(Duration::from_mins(1))).await;
    site.is_refused(503, "store_unavailable").await;
    assert_eq!(site.orders(), 0);
}

#[tokio::test]
async fn answer_that_could_not_be_kept_is_not_told() {
    let site = failing(COMMIT, Fault::Down(20)).await;
    site.is_refused(503, "store_unavailable").await;
    assert_eq!(site.orders(), 1);
}

#[tokio::test]
async fn commit_whose_answer_is_lost_is_known_again() {
    for fault in [Fault::LoseReply, Fault::LoseRequest, Fault::Busy] {
        let site = failing(COMMIT, fault).await;
        let (status, headers, body) = site.order().await;
        assert_eq!((status.as_u16(), body.as_str()), (201, ANSWER), "{fault:?}");
        assert!(!headers.contains_key("idempotency-replayed"));

        let (status, headers, body) = site.order().await;
        assert_eq!((status.as_u16(), body.as_str()), (201, ANSWER), "{fault:?}");
        assert_eq!(headers["idempotency-replayed"], "true");
        assert_eq!(site.orders(), 1);
    }
}

/// A store that takes only short results.
#[derive(Debug, Default)]
struct Tight(MemoryStore);

impl Store for Tight {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>> {
        self.0.get(key)
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Written> {
        self.0.commit(batch)
    }

    fn offset<'a>(
        &'a self,
        _group: &'a str,
        _topic: &'a str,
        _partition: u32,
    ) -> Answer<'a, Option<u64>> {
        Box::pin(async { Err(StoreError::Unavailable("no consumers here".to_owned())) })
    }

    fn budget(&self) -> Budget {
        Budget { result_bytes: ANSWER.len(), ..Budget::default() }
    }
}

#[tokio::test]
async fn answer_above_what_the_store_takes_passes_and_is_not_repeated() {
    let site = Site::new(Some(Arc::new(Tight::default()))).await;
    let (status, _, body) = site.order().await;
    assert_eq!((status.as_u16(), body.as_str()), (201, ANSWER));
    site.is_refused(422, "idempotency_conflict").await;
    assert_eq!(site.orders(), 1);
}

#[tokio::test]
async fn client_that_left_before_the_call_leaves_its_key_free() {
    let site = Site::new(Some(Arc::new(MemoryStore::new()))).await;
    tokio::select! {
        biased;
        answered = site.order() => panic!("the client was to leave at once: {answered:?}"),
        () = std::future::ready(()) => {}
    }
    while site.edge.lifecycle().in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(site.orders(), 0, "a call was made for nobody");

    let (status, headers, _) = site.order().await;
    assert_eq!((status.as_u16(), site.orders()), (201, 1));
    assert!(!headers.contains_key("idempotency-replayed"));
}
