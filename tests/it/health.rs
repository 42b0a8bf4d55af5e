//! Endpoints are checked beside the calls, and no call goes to one that is unhealthy, cold or
//! drained while there is a better one.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use headgate_tests::{
    Bff, Client, Edge, PATIENCE, Site,
    bff::{self, Handled, respond},
    edge, get,
};
use http::Request;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::{task::JoinSet, time::Instant};

/// A BFF that says its name, and at `/healthz` what it is told to.
struct Patient {
    bff: Bff,
    is_well: Arc<AtomicBool>,
    checks: Arc<AtomicUsize>,
}

async fn patient(name: &'static str) -> Patient {
    let (is_well, checks) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicUsize>::default());
    let (well, counted) = (Arc::clone(&is_well), Arc::clone(&checks));
    let bff = Bff::http(move |request: Request<Incoming>| {
        let answer: Handled = if request.uri().path() == "/healthz" {
            counted.fetch_add(1, Ordering::SeqCst);
            respond(if well.load(Ordering::SeqCst) { 204 } else { 503 }, "")
        } else {
            respond(200, name)
        };
        async move { answer }
    })
    .await;
    Patient { bff, is_well, checks }
}

const CHECKS: &str = "health = { path = \"/healthz\", interval = \"50ms\", timeout = \"5s\", \
    healthy_after = 2, unhealthy_after = 2 }";

fn site(endpoints: &[&Patient], lines: &str) -> Site {
    let endpoints: Vec<_> = endpoints.iter().map(|one| one.bff.endpoint()).collect();
    let endpoints: Vec<_> = endpoints.iter().map(String::as_str).collect();
    Site::to_endpoints(&endpoints, lines, "")
}

async fn endpoints(edge: &Edge) -> Vec<Value> {
    let status = edge.ask("/v1/status").await.json();
    status["upstreams"][0]["endpoints"].as_array().unwrap().clone()
}

/// Waits until the endpoints' health is so, in their order.
async fn health_is(edge: &Edge, expected: &[&str]) {
    let ends = Instant::now() + PATIENCE;
    loop {
        let all = endpoints(edge).await;
        let found: Vec<_> = all.iter().map(|one| one["health"].as_str().unwrap()).collect();
        if found == expected {
            return;
        }
        assert!(Instant::now() < ends, "never {expected:?}: {all:#?}");
    }
}

/// Waits until both endpoints have answered: which of two is quicker, the balancer may think for a
/// while.
async fn both_answer(edge: &Edge) {
    let ends = Instant::now() + PATIENCE;
    let mut said = BTreeSet::new();
    while said.len() < 2 {
        let mut sent = JoinSet::new();
        for _ in 0..16 {
            let mut client = edge.h1().await;
            sent.spawn(async move { client.send(get("/tv/x")).await.text().to_owned() });
        }
        said.extend(sent.join_all().await);
        assert!(Instant::now() < ends, "only {said:?}");
    }
    assert_eq!(said.into_iter().collect::<String>(), "ab");
}

/// Who answers so many requests.
async fn who(edge: &Edge, count: usize) -> String {
    let mut client = edge.h1().await;
    let mut said = Vec::new();
    for _ in 0..count {
        said.push(client.send(get("/tv/x")).await.text().to_owned());
    }
    said.sort();
    said.dedup();
    said.concat()
}

#[tokio::test]
async fn endpoint_that_fails_its_checks_gets_no_calls_until_it_passes_them() {
    let (a, b) = (patient("a").await, patient("b").await);
    let edge = site(&[&a, &b], CHECKS).start().await;
    health_is(&edge, &["healthy", "healthy"]).await;
    both_answer(&edge).await;

    b.is_well.store(false, Ordering::SeqCst);
    health_is(&edge, &["healthy", "unhealthy"]).await;
    assert_eq!(who(&edge, 30).await, "a");
    let sick = endpoints(&edge).await.remove(1);
    assert_eq!(sick["fault"], "its answer is no success");
    let told = edge.metrics().await;
    let state = |state: &str| {
        let labels = [("team", "tv"), ("upstream", "home"), ("state", state)];
        told.sum("headgate_gateway_health_endpoints", &labels)
    };
    assert_eq!((state("healthy"), state("unhealthy"), state("drained")), (1, 1, 0));
    assert!(told.sum("headgate_gateway_health_checks_total", &[("result", "failed")]) >= 2);
    assert!(edge.told().contains("endpoint is unhealthy"), "{}", edge.told());

    b.is_well.store(true, Ordering::SeqCst);
    health_is(&edge, &["healthy", "healthy"]).await;
    both_answer(&edge).await;
}

#[tokio::test]
async fn endpoints_that_are_all_unhealthy_are_all_asked() {
    let (a, b) = (patient("a").await, patient("b").await);
    a.is_well.store(false, Ordering::SeqCst);
    b.is_well.store(false, Ordering::SeqCst);
    let edge = site(&[&a, &b], CHECKS).start().await;
    health_is(&edge, &["unhealthy", "unhealthy"]).await;
    both_answer(&edge).await;
}

#[tokio::test]
async fn health_outlasts_a_reload_that_leaves_the_check_as_it_is() {
    let (a, b) = (patient("a").await, patient("b").await);
    b.is_well.store(false, Ordering::SeqCst);
    let lines = |interval: &str| CHECKS.replace("50ms", interval);
    let edge = site(&[&a, &b], &lines("50ms")).start().await;
    health_is(&edge, &["healthy", "unhealthy"]).await;

    // From here on nobody is checked for an hour.
    let before = edge.config().await;
    site(&[&a, &b], &lines("1h")).rewrite(&edge);
    edge.config_changes(&before).await;
    health_is(&edge, &["healthy", "unhealthy"]).await;
    assert_eq!(who(&edge, 30).await, "a");
}

#[tokio::test]
async fn without_a_path_a_connection_is_the_check() {
    let (a, gone) = (patient("a").await, bff::refusing());
    let lines = "health = { interval = \"50ms\" }\nbreaker = { mode = \"off\" }";
    let edge = Site::to_endpoints(&[&a.bff.endpoint(), &gone], lines, "").start().await;
    health_is(&edge, &["healthy", "unhealthy"]).await;
    assert_eq!(who(&edge, 30).await, "a");
    assert_eq!(a.checks.load(Ordering::SeqCst), 0);
    assert_eq!(endpoints(&edge).await[1]["fault"], "no connection");
}

#[tokio::test]
async fn check_that_hangs_ends_with_its_time() {
    let (a, hanging) = (patient("a").await, Bff::hanging().await);
    let lines = CHECKS.replace("5s", "100ms");
    let edge =
        Site::to_endpoints(&[&a.bff.endpoint(), &hanging.endpoint()], &lines, "").start().await;
    health_is(&edge, &["healthy", "unhealthy"]).await;
    assert_eq!(endpoints(&edge).await[1]["fault"], "no answer in time");
}

#[tokio::test]
async fn so_many_checks_in_a_row_decide() {
    // The first check of all decides alone; after that it takes as many as the file says.
    let flaky = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&flaky);
    let bff = Bff::http(move |request: Request<Incoming>| {
        let is_check = request.uri().path() == "/healthz";
        // Well at first, and then every third time.
        let number = if is_check { counted.fetch_add(1, Ordering::SeqCst) } else { 0 };
        async move { respond(if number % 3 == 0 { 200 } else { 500 }, "") }
    })
    .await;
    let lines = CHECKS.replace("unhealthy_after = 2", "unhealthy_after = 3");
    let edge = Site::with_route(&bff, &lines, "").start().await;
    health_is(&edge, &["healthy"]).await;
    while flaky.load(Ordering::SeqCst) < 12 {
        assert_eq!(endpoints(&edge).await[0]["health"], "healthy");
    }
    drop(edge);
    let edge = Site::with_route(&bff, CHECKS, "").start().await;
    health_is(&edge, &["unhealthy"]).await;
    // One good check in three is never two in a row.
    let seen = flaky.load(Ordering::SeqCst);
    while flaky.load(Ordering::SeqCst) < seen + 9 {
        assert_eq!(endpoints(&edge).await[0]["health"], "unhealthy");
    }
}

async fn drain(edge: &Edge, upstream: &str, endpoint: &str) -> headgate_tests::Ended {
    let admin = format!("http://{}", edge.admin());
    let terms = ["--for", "10m", "--reason", "its disk is full", "--admin", &admin];
    edge::run(&[&["drain", upstream, endpoint][..], &terms].concat(), edge.folder()).await
}

#[tokio::test]
async fn drained_endpoint_gets_no_new_calls() {
    let (a, b) = (patient("a").await, patient("b").await);
    let edge = site(&[&a, &b], "").platform("[data]\ndir = \"data\"").start().await;
    both_answer(&edge).await;

    let ended = drain(&edge, "tv/home", &b.bff.endpoint()).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(who(&edge, 30).await, "a");
    let drained: Vec<_> =
        endpoints(&edge).await.iter().map(|one| one["is_drained"].clone()).collect();
    assert_eq!(drained, [false, true]);

    // Nobody is left: that is what was asked for.
    assert_eq!(drain(&edge, "tv/home", &a.bff.endpoint()).await.status.code(), Some(0));
    let reply = edge.send(get("/tv/x")).await;
    assert_eq!((reply.status, reply.outcome().as_str()), (503, "origin_unhealthy"));
    assert_eq!(reply.problem()["code"], "HG0011");

    let overlays = edge.ask("/v1/overlays").await.json();
    for overlay in overlays["overlays"].as_array().unwrap() {
        let path = format!("/v1/overlays/{}", overlay["id"]);
        let reply = Client::h1(edge.admin())
            .await
            .send(headgate_tests::client::call("DELETE", &path))
            .await;
        assert_eq!(reply.status, 200);
    }
    both_answer(&edge).await;
}

#[tokio::test]
async fn what_is_not_there_is_not_drained() {
    let a = patient("a").await;
    let edge = site(&[&a], "").start().await;
    for (upstream, endpoint, words) in [
        ("tv/home", "127.0.0.1:1", "is no endpoint of tv/home"),
        ("tv/other", "127.0.0.1:1", "is no upstream"),
        ("home", "127.0.0.1:1", "is no upstream"),
    ] {
        let ended = drain(&edge, upstream, endpoint).await;
        assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn endpoints_that_are_all_cold_share_everything() {
    let (a, b) = (patient("a").await, patient("b").await);
    let lines = "slow_start = \"1h\"";
    let edge = site(&[&a], lines).start().await;
    // Alone it gets everything, however cold it is.
    assert_eq!(who(&edge, 10).await, "a");
    let before = edge.config().await;
    site(&[&a, &b], lines).rewrite(&edge);
    edge.config_changes(&before).await;
    // Both are as cold; so nobody is spared.
    both_answer(&edge).await;
}

#[tokio::test]
async fn new_endpoint_beside_a_warm_one_gets_its_share_little_by_little() {
    let (a, b) = (patient("a").await, patient("b").await);
    let lines = "slow_start = \"3s\"";
    let edge = site(&[&a], lines).start().await;
    let mut client = edge.h1().await;
    while edge.ask("/v1/status").await.json()["uptime_seconds"].as_u64().unwrap() < 3 {
        assert_eq!(client.send(get("/tv/x")).await.status, 200);
    }
    let before = edge.config().await;
    site(&[&a, &b], lines).rewrite(&edge);
    edge.config_changes(&before).await;

    let (began, mut all, mut cold) = (Instant::now(), 0, 0);
    while began.elapsed() < Duration::from_secs(1) {
        all += 1;
        cold += usize::from(client.send(get("/tv/x")).await.text() == "b");
    }
    // A tenth to a third of what it would get, which is about half.
    assert!(cold > 0 && cold * 3 < all, "{cold} of {all}");
}
