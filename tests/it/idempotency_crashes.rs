//! What a key is worth when a side leaves, breaks off or dies.

use std::{fs, time::Duration};

use headgate_tests::{Bff, Folder, PATIENCE, Reply, Shop, eventually, get, keyed, keyed_in, order};
use nix::sys::signal::Signal;
use tokio::time::Instant;

fn is(reply: &Reply, status: u16, outcome: &str, code: &str) {
    assert_eq!((reply.status, &*reply.outcome()), (status, outcome), "{}", reply.text());
    assert_eq!(reply.problem()["code"], code);
}

/// A folder for records that outlasts an edge.
fn records() -> (Folder, String) {
    let folder = Folder::default();
    let path = folder.path().join("data").display().to_string();
    (folder, path)
}

#[tokio::test]
async fn client_that_leaves_finds_the_answer_on_its_next_try() {
    let shop = Shop::slow().await;
    let edge = keyed(&shop.bff, "wait = \"10s\"").start().await;
    let mut raw = edge.raw().await;
    raw.send(
        "POST /tv/orders HTTP/1.1\r\nhost: e\r\nidempotency-key: k\r\ncontent-length: 2\r\n\r\n{}",
    )
    .await;
    shop.took(1).await;

    drop(raw);
    // A moment in which a call that hung on its client would be cancelled.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(shop.bff.closed(), 0, "the call was cancelled");
    shop.answer();

    let reply = edge.send(order("k", "{}")).await;
    assert_eq!((reply.status, reply.header("idempotency-replayed")), (201, "true"));
    assert_eq!(shop.orders(), 1);
    let line = edge.access_line_with("outcome", "client_cancelled").await;
    assert_eq!((&line["path"], &line["status"]), (&"/tv/orders".into(), &201.into()));
}

#[tokio::test]
async fn waiting_twin_that_leaves_disturbs_nobody() {
    let shop = Shop::slow().await;
    let edge = keyed(&shop.bff, "wait = \"10s\"").start().await;
    let mut client = edge.h1().await;
    let first = tokio::spawn(async move { client.send(order("k", "{}")).await });
    shop.took(1).await;
    let mut raw = edge.raw().await;
    raw.send(
        "POST /tv/orders HTTP/1.1\r\nhost: e\r\nidempotency-key: k\r\ncontent-length: 2\r\n\r\n{}",
    )
    .await;
    edge.metrics_show("both in flight", |metrics| {
        metrics.sum("headgate_gateway_in_flight_requests", &[("route", "all")]) == 2
    })
    .await;

    drop(raw);

    let line = edge.access_line_of("/tv/orders").await;
    assert_eq!(line["outcome"], "client_cancelled", "{line}");
    shop.answer();
    assert_eq!(first.await.unwrap().status, 201);
    assert_eq!(shop.orders(), 1);
}

/// A BFF that takes a request, and closes without an answer.
async fn breaking_off() -> Bff {
    Bff::raw(|mut connection| async move {
        connection.request().await;
    })
    .await
}

#[tokio::test]
async fn lost_request_is_passed_on_again_or_held_as_the_route_says() {
    let bff = breaking_off().await;
    let retried = keyed(&bff, "on_lost = \"retry\"").start().await;
    for _ in 0..2 {
        assert_eq!(retried.send(order("k", "{}")).await.outcome(), "origin_reset");
    }
    assert_eq!(bff.requests().len(), 2);

    let bff = breaking_off().await;
    let held = keyed(&bff, "on_lost = \"hold\"").start().await;
    assert_eq!(held.send(order("k", "{}")).await.outcome(), "origin_reset");
    for _ in 0..2 {
        is(&held.send(order("k", "{}")).await, 422, "idempotency_conflict", "HG0023");
    }
    assert_eq!(bff.requests().len(), 1, "the BFF has seen it once");
    assert_eq!(held.send(order("other", "{}")).await.outcome(), "origin_reset");
}

#[tokio::test]
async fn request_that_no_bff_has_seen_leaves_its_key_free() {
    let refusing = headgate_tests::bff::refusing();
    let (_folder, data) = records();
    let down = headgate_tests::Site::to_endpoints(
        &[&refusing],
        "",
        "idempotency = { on_lost = \"hold\" }",
    )
    .platform(&format!("[data]\ndir = {data:?}"));
    let mut edge = down.start().await;
    for _ in 0..2 {
        assert_eq!(edge.send(order("k", "{}")).await.outcome(), "origin_connect");
    }
    edge.terminate();
    edge.ended().await;

    let shop = Shop::open().await;
    let up = keyed_in(&shop.bff, &data, "", "on_lost = \"hold\"").start().await;
    assert_eq!(up.send(order("k", "{}")).await.status, 201);
}

#[tokio::test]
async fn late_answer_is_a_lost_request() {
    let shop = Shop::slow().await;
    let edge =
        keyed_in(&shop.bff, "data", "timeout = \"300ms\"", "on_lost = \"hold\"").start().await;
    assert_eq!(edge.send(order("k", "{}")).await.status, 504);
    is(&edge.send(order("k", "{}")).await, 422, "idempotency_conflict", "HG0023");
    assert_eq!(shop.orders(), 1);
}

#[tokio::test]
async fn answer_that_breaks_off_is_not_kept_as_a_whole_one() {
    let bff = Bff::answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    let edge = keyed(&bff, "").start().await;
    for _ in 0..2 {
        assert_eq!(edge.send(order("k", "{}")).await.outcome(), "origin_reset");
    }
    assert_eq!(bff.requests().len(), 2);
}

#[tokio::test]
async fn answer_that_was_seen_outlasts_any_end_of_the_edge() {
    let shop = Shop::open().await;
    let (_folder, data) = records();
    let mut first = None;
    for signal in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGKILL] {
        let mut edge = keyed_in(&shop.bff, &data, "", "").start().await;
        let reply = edge.send(order("k", "{}")).await;
        let of_this_one = edge.send(order(&format!("{signal}-{}", edge.pid()), "{}")).await;
        assert_eq!(of_this_one.status, 201);
        // The moment the answer is there.
        edge.signal(signal);
        edge.ended().await;

        let again = keyed_in(&shop.bff, &data, "", "").start().await;
        assert_eq!(again.send(order("k", "{}")).await.header("idempotency-replayed"), "true");
        let key = format!("{signal}-{}", edge.pid());
        let replay = again.send(order(&key, "{}")).await;
        assert_eq!((replay.status, &replay.body), (201, &of_this_one.body));
        let first = first.get_or_insert(reply.clone());
        assert_eq!((reply.status, &reply.body), (first.status, &first.body));
    }
    assert_eq!(shop.orders(), 4, "one of `k`, and one of each edge's own");
}

#[tokio::test]
async fn key_of_an_edge_that_died_is_free_after_its_lease() {
    let shop = Shop::slow().await;
    let (_folder, data) = records();
    let mut edge = keyed_in(&shop.bff, &data, "timeout = \"5s\"", "lease = \"1s\"").start().await;
    let mut raw = edge.raw().await;
    raw.send(
        "POST /tv/orders HTTP/1.1\r\nhost: e\r\nidempotency-key: k\r\ncontent-length: 2\r\n\r\n{}",
    )
    .await;
    // The BFF has carried it out, and nothing is recorded.
    shop.took(1).await;
    edge.signal(Signal::SIGKILL);
    edge.ended().await;

    let again = keyed_in(&shop.bff, &data, "timeout = \"5s\"", "lease = \"1s\"").start().await;
    let ends = Instant::now() + PATIENCE;
    shop.answer();
    shop.answer();
    let reply = loop {
        let reply = again.send(order("k", "{}")).await;
        if reply.status == 201 {
            break reply;
        }
        is(&reply, 409, "idempotency_busy", "HG0022");
        assert!(Instant::now() < ends, "the key is never free");
    };
    // Nobody knows that the first one happened, so the BFF sees the key a second time.
    assert_eq!((reply.text(), shop.orders()), ("{\"order\":2}", 2));
    let keys: Vec<_> = shop
        .bff
        .requests()
        .iter()
        .map(|seen| seen.header("idempotency-key").unwrap().to_owned())
        .collect();
    assert_eq!(keys, ["k", "k"]);
    let replay = again.send(order("k", "{}")).await;
    assert_eq!((replay.text(), shop.orders()), ("{\"order\":2}", 2));
}

/// Kills the edge so long after the BFF's answer, and returns what the client has seen by then.
async fn killed_after(shop: &Shop, data: &str, delay: Duration) -> Option<Reply> {
    let before = shop.orders();
    let mut edge = keyed_in(&shop.bff, data, "timeout = \"5s\"", "lease = \"1s\"").start().await;
    let mut client = edge.h1().await;
    let first = tokio::spawn(async move {
        let response = client.try_open(order("k", "{}")).await.ok()?;
        Reply::read(response).await.ok()
    });
    shop.took(before + 1).await;
    shop.answer();
    tokio::time::sleep(delay).await;
    edge.signal(Signal::SIGKILL);
    edge.ended().await;
    first.await.unwrap()
}

#[tokio::test]
async fn edge_that_is_killed_around_its_commit_never_contradicts_itself() {
    for micros in [0, 300, 600, 1_000, 2_000, 4_000, 20_000] {
        let (shop, (_folder, data)) = (Shop::slow().await, records());
        let seen = killed_after(&shop, &data, Duration::from_micros(micros)).await;

        let times = ("timeout = \"5s\"", "lease = \"1s\"");
        let again = keyed_in(&shop.bff, &data, times.0, times.1).start().await;
        shop.answer();
        let ends = Instant::now() + PATIENCE;
        let reply = loop {
            let reply = again.send(order("k", "{}")).await;
            if reply.status == 201 {
                break reply;
            }
            is(&reply, 409, "idempotency_busy", "HG0022");
            assert!(Instant::now() < ends, "the key is never free");
        };
        // Committed, and then it is repeated; or not, and then nobody had seen it.
        let is_replay = reply.header("idempotency-replayed") == "true";
        assert_eq!(shop.orders(), if is_replay { 1 } else { 2 }, "{micros}");
        if let Some(seen) = seen {
            assert!(is_replay, "{micros}: an answer was seen that nobody remembers");
            assert_eq!((seen.status, &seen.body), (reply.status, &reply.body));
        }
        let last = again.send(order("k", "{}")).await;
        assert_eq!((last.status, &last.body), (201, &reply.body), "{micros}");
    }
}

#[tokio::test]
async fn held_key_of_an_edge_that_died_is_never_passed_on_again() {
    let shop = Shop::slow().await;
    let (_folder, data) = records();
    let table = "on_lost = \"hold\", lease = \"1s\"";
    let mut edge = keyed_in(&shop.bff, &data, "timeout = \"5s\"", table).start().await;
    let mut raw = edge.raw().await;
    raw.send(
        "POST /tv/orders HTTP/1.1\r\nhost: e\r\nidempotency-key: k\r\ncontent-length: 2\r\n\r\n{}",
    )
    .await;
    shop.took(1).await;
    edge.signal(Signal::SIGKILL);
    edge.ended().await;

    let again = keyed_in(&shop.bff, &data, "timeout = \"5s\"", table).start().await;
    let ends = Instant::now() + PATIENCE;
    loop {
        let reply = again.send(order("k", "{}")).await;
        if reply.outcome() == "idempotency_conflict" {
            is(&reply, 422, "idempotency_conflict", "HG0023");
            break;
        }
        is(&reply, 409, "idempotency_busy", "HG0022");
        assert!(Instant::now() < ends, "the key is never held");
    }
    assert_eq!(shop.orders(), 1);
}

#[tokio::test]
async fn long_call_keeps_its_key() {
    let shop = Shop::slow().await;
    let edge = keyed(&shop.bff, "lease = \"1s\"").start().await;
    let mut client = edge.h1().await;
    let first = tokio::spawn(async move { client.send(order("k", "{}")).await });
    shop.took(1).await;

    let three_leases = Instant::now() + Duration::from_secs(3);
    let mut twin = edge.h1().await;
    while Instant::now() < three_leases {
        is(&twin.send(order("k", "{}")).await, 409, "idempotency_busy", "HG0022");
    }
    shop.answer();
    assert_eq!(first.await.unwrap().status, 201);
    assert_eq!(shop.orders(), 1);
}

#[tokio::test]
async fn drain_waits_for_the_answer_and_keeps_it() {
    let shop = Shop::slow().await;
    let (_folder, data) = records();
    let mut edge = keyed_in(&shop.bff, &data, "", "").start().await;
    let mut client = edge.h1().await;
    let first = tokio::spawn(async move { client.send(order("k", "{}")).await });
    shop.took(1).await;

    edge.terminate();
    shop.answer();

    assert_eq!(first.await.unwrap().status, 201);
    assert_eq!(edge.ended().await.code(), 0);
    let again = keyed_in(&shop.bff, &data, "", "").start().await;
    assert_eq!(again.send(order("k", "{}")).await.header("idempotency-replayed"), "true");
    assert_eq!(shop.orders(), 1);
}

#[tokio::test]
async fn store_is_opened_where_it_has_a_folder() {
    let shop = Shop::open().await;
    for (store, heeds_keys) in [("store = \"embedded\"", true), ("", true), ("", false)] {
        let (folder, data) = records();
        let lines = if heeds_keys { "idempotency = {}" } else { "" };
        let edge = headgate_tests::Site::with_route(&shop.bff, "", lines)
            .platform(&format!("[data]\ndir = {data:?}\nfacts = \"0s\"\n[idempotency]\n{store}"))
            .start()
            .await;
        assert_eq!(edge.send(order("k", "{}")).await.status, 201);

        assert!(folder.path().join("data/store.lock").exists(), "{store}");
        let metrics = edge
            .metrics_show("the store's batches", |metrics| {
                !heeds_keys || metrics.sum("headgate_store_acknowledged_batches_total", &[]) >= 2
            })
            .await;
        assert!(metrics.has("headgate_store_waiting_batches"));
        assert_eq!(metrics.sum("headgate_store_closed_flag", &[]), 0);
    }
    let edge = headgate_tests::Site::to(&shop.bff).start().await;
    assert!(!edge.metrics().await.has("headgate_store_closed_flag"));
}

#[tokio::test]
async fn store_of_another_edge_is_one_line() {
    let shop = Shop::open().await;
    let (_folder, data) = records();
    let edge = keyed_in(&shop.bff, &data, "", "").start().await;

    let second = keyed_in(&shop.bff, &data, "", "").run().await;

    assert_eq!(second.code(), 2, "{}", second.stderr);
    assert_eq!(second.stderr.trim_end().lines().count(), 1, "{}", second.stderr);
    for word in ["another process", &data, "data.dir", "HG1301"] {
        assert!(second.stderr.contains(word), "{word:?} is not in {}", second.stderr);
    }
    assert_eq!(edge.send(order("k", "{}")).await.status, 201);
}

#[tokio::test]
async fn damaged_store_costs_the_keys_and_nothing_else() {
    let shop = Shop::open().await;
    let (folder, data) = records();
    let mut edge = keyed_in(&shop.bff, &data, "", "").start().await;
    assert_eq!(edge.send(order("k", "{}")).await.status, 201);
    edge.terminate();
    edge.ended().await;
    for file in fs::read_dir(folder.path().join("data")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() && !path.ends_with("store.lock") {
            fs::write(&path, vec![0x5a; 1 << 16]).unwrap();
        }
    }

    let edge = keyed_in(&shop.bff, &data, "", "").start().await;

    let refused = edge.send(order("k", "{}")).await;
    is(&refused, 503, "store_unavailable", "HG0025");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(edge.send(get("/tv/orders")).await.status, 201);
    assert_eq!(shop.orders(), 2, "a request with a key was served without its record");
    let metrics = edge.metrics().await;
    assert_eq!(metrics.sum("headgate_store_closed_flag", &[]), 1);
    eventually("the reason in the log", || {
        let told = edge.told();
        (told.contains("HG130") && told.contains("store can't be used")).then_some(())
    })
    .await;
}
