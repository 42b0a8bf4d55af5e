//! What configuration says of events, and what comes of it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use headgate_tests::{Bff, Edge, Ended, Site, edge, eventually, post};
use serde_json::{Value, json};

use crate::events::{JSON, charging, function, handler, order_route, place, platform, site};

async fn status_of(edge: &Edge, path: &str, list: &str, name: &str) -> Value {
    let answer = edge.ask(path).await.json();
    let all = answer[list].as_array().unwrap().clone();
    let found = all.into_iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {answer}"))
}

#[tokio::test]
async fn events_need_a_log_that_fits() {
    let tables = [order_route("", "")];
    let nowhere = Site::new()
        .platform("[identity.accounts]\napi_keys = []\n")
        .team("tv", &tables)
        .run()
        .await;
    assert_eq!(nowhere.code(), 2);
    assert!(nowhere.stderr.contains("HG1042"), "{}", nowhere.stderr);
    let kafka = site(&tables).platform("[events]\nlog = \"kafka\"");
    let kafka = kafka.run().await;
    assert!(kafka.stderr.contains("no brokers are named"), "{}", kafka.stderr);
    let apart = site(&tables)
        .platform("[events]\nlog = \"kafka\"\nkafka = { brokers = \"127.0.0.1:1\" }")
        .run()
        .await;
    assert!(apart.stderr.contains("where every edge finds them"), "{}", apart.stderr);
    let unused = site(&tables).platform("[events]\nkafka = { brokers = \"127.0.0.1:1\" }");
    let unused = unused.run().await;
    assert!(unused.stderr.contains("`kafka` is not used"), "{}", unused.stderr);
}

#[tokio::test]
async fn large_bodies_are_taken_where_there_is_room() {
    let bff = charging().await;
    let route = order_route(", wait = \"10s\"", "max_body = \"300KiB\"");
    let tables = [route.clone(), handler("charge", &bff, "")];
    let order = |id: &str, bytes: usize| {
        let body = json!({ "order_id": id, "note": "x".repeat(bytes) }).to_string();
        post("/tv/orders", body).header("x-api-key", "alice-key")
    };
    let checked = edge::run(&["check", "--config", "headgate.toml"], site(&tables).write()).await;
    assert!(checked.stderr.contains("[events.claim_check]"), "{}", checked.stderr);
    let room = "[events.claim_check]\nmax_body = \"300KiB\"\nmax_total = \"400KiB\"\n";
    let edge = site(&tables).platform(room).start().await;

    let reply = edge.send(order("o-1", 250 << 10)).await;

    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = bff.requests().remove(0);
    let data: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(data["note"].as_str().unwrap().len(), 250 << 10);
    assert!(seen.header("ce-dataref").unwrap().starts_with("ni:///sha-256;"), "{seen:?}");
    // What stands in the log is small, and the same body takes no more room.
    let topic = status_of(&edge, "/v1/topics", "topics", "orders").await;
    assert_eq!(topic["entries"], 1, "{topic}");
    assert_eq!(edge.send(order("o-1", 250 << 10)).await.status, 200);
    let full = edge.send(order("o-2", 250 << 10)).await;
    assert_eq!(
        (full.status, full.problem()["code"].as_str()),
        (503, Some("HG0074")),
        "{}",
        full.text()
    );
    assert_eq!(edge.send(order("o-3", 10)).await.status, 200);
    assert_eq!(edge.send(order("o-4", 310 << 10)).await.status, 413);
}

#[tokio::test]
async fn key_with_another_large_body_is_refused() {
    let route = order_route("", "max_body = \"300KiB\"");
    let edge = site(&[route]).platform("[events.claim_check]\n").start().await;
    let order = |fill: &str| {
        let body = json!({ "order_id": "o-1", "note": fill.repeat(100_000) }).to_string();
        let call = post("/tv/orders", body).header("x-api-key", "alice-key");
        call.header("idempotency-key", "k")
    };
    assert_eq!(edge.send(order("a")).await.status, 202);
    let repeat = edge.send(order("a")).await;
    assert_eq!((repeat.status, repeat.header("idempotency-replayed")), (202, "true"));
    assert_eq!(edge.send(order("b")).await.status, 422);
}

/// What `check` says of lines of `[events.kafka]`, after the brokers'.
async fn checked_cluster(lines: &str) -> Ended {
    let kafka = "[events]\nlog = \"kafka\"\n[events.kafka]\nbrokers = \"127.0.0.1:1\"\n";
    let table = "[idempotency]\nstore = \"dynamodb\"\n\
                 dynamodb = { table = \"keys\", endpoint = \"http://127.0.0.1:1\", region = \"local\" }\n";
    let site = site(&[order_route("", "")]).platform(&format!("{kafka}{lines}\n{table}"));
    edge::run(&["check", "--config", "headgate.toml"], site.write()).await
}

#[tokio::test]
async fn cluster_is_spoken_to_without_a_contradiction() {
    let sasl = |mechanism: &str, username: &str, password: &str| {
        format!(
            "sasl = {{ mechanism = {mechanism:?}, username = {username:?}, \
             password = {password:?} }}\n"
        )
    };
    let plain = sasl("plain", "edge", "env:KAFKA_PASSWORD");
    for lines in [
        "instance = \"edge-1\"\ntls = true".to_owned(),
        format!("{plain}tls = true"),
        sasl("scram-sha-256", "edge", "env:KAFKA_PASSWORD"),
    ] {
        let checked = checked_cluster(&lines).await;
        assert_ne!(checked.code(), 2, "{lines}: {}", checked.stderr);
    }
    for (lines, expected) in [
        ("instance = \"edge 1\"".to_owned(), "HG1006"),
        (plain, "a password in plain needs TLS"),
        (sasl("scram-sha-512", "", "env:KAFKA_PASSWORD"), "HG100"),
        (sasl("scram-sha-512", "edge", "hunter2"), "HG1006"),
        ("tls = { ca = \"none.pem\" }".to_owned(), "HG1015"),
        ("tls = { cert = \"edge.pem\" }".to_owned(), "`cert` without `key`"),
        ("tls = { key = \"edge.key\" }".to_owned(), "`key` without `cert`"),
    ] {
        let checked = checked_cluster(&lines).await;
        assert_eq!(checked.code(), 2, "{lines}: {}", checked.stderr);
        assert!(checked.stderr.contains(expected), "{lines}: {}", checked.stderr);
    }
}

#[tokio::test]
async fn second_team_that_publishes_to_a_topic_is_refused_by_name() {
    let pay = order_route("", "").replace("/tv/", "/pay/");
    let site =
        Site::new().platform(&platform()).team("tv", &[order_route("", "")]).team("pay", &[pay]);

    let checked = edge::run(&["check", "--config", "headgate.toml"], site.write()).await;

    assert_eq!(checked.code(), 2);
    for word in ["HG1040", "\"pay\" and \"tv\"", "\"orders\"", "routes.d/pay/main.toml", "^"] {
        assert!(checked.stderr.contains(word), "{word:?} is not in {}", checked.stderr);
    }
}

#[tokio::test]
async fn topic_has_the_partitions_that_the_platform_says() {
    for (lines, count) in [("", 8), ("[topic.orders]\npartitions = 3\n", 3)] {
        let site = site(&[order_route("", ""), handler("charge", &charging().await, "")]);
        let edge = site.platform(lines).start().await;
        assert_eq!(edge.send(place("o-1")).await.status, 202);
        edge.metrics_show("the handler", |metrics| {
            metrics.has("headgate_idempotency_handler_runs_total")
        })
        .await;
        let topic = status_of(&edge, "/v1/topics", "topics", "orders").await;
        assert_eq!(topic["partitions"].as_array().unwrap().len(), count, "{topic}");
    }
}

#[tokio::test]
async fn events_are_kept_as_long_as_their_topic_says() {
    for (lines, kept) in [("", "7d"), ("[topic.orders]\nretention = \"2h\"\n", "2h")] {
        let edge = site(&[order_route("", "")]).platform(lines).start().await;
        assert_eq!(edge.send(place("o-1")).await.status, 202);
        let topic = status_of(&edge, "/v1/topics", "topics", "orders").await;
        assert_eq!((&topic["retention"], &topic["entries"]), (&kept.into(), &1.into()));
    }
}

#[tokio::test]
async fn handler_takes_the_events_that_it_names() {
    let (orders, others, refunds) = (charging().await, charging().await, charging().await);
    let refund = order_route("", "")
        .replace("route.order", "route.refund")
        .replace("/tv/orders", "/tv/refunds")
        .replace("order.placed.v1", "order.refunded.v1");
    let tables = [
        order_route("", ""),
        refund,
        handler("charge", &orders, ""),
        handler("other", &others, "").replace("on = \"orders/", "on = \"others/"),
        handler("refund", &refunds, "").replace("order.placed.v1", "order.refunded.v1"),
    ];
    let edge = site(&tables).start().await;
    let reply = edge.send(place("o-1")).await;
    let refund = post("/tv/refunds", json!({ "order_id": "o-1" }).to_string());
    let refunded = edge.send(refund.header("x-api-key", "alice-key")).await;

    let results = crate::events::results(&edge, reply.header("location")).await;
    assert_eq!(results, json!({ "charge": { "charged": true } }));
    let results = crate::events::results(&edge, refunded.header("location")).await;
    assert_eq!(results, json!({ "refund": { "charged": true } }));
    let counts = [&orders, &others, &refunds].map(|bff| bff.requests().len());
    assert_eq!(counts, [1, 0, 1]);
}

/// A function that fails the first calls, and then answers the body.
async fn failing(count: usize) -> Bff {
    let calls = Arc::<AtomicUsize>::default();
    function(move |seen| {
        if calls.fetch_add(1, Ordering::SeqCst) < count {
            return (500, JSON, "{}".to_owned());
        }
        (200, JSON, String::from_utf8(seen.body.clone()).unwrap())
    })
    .await
}

#[tokio::test]
async fn failing_event_blocks_its_key_where_order_is_asked_for() {
    let route = order_route("", "").replace("body.order_id", "body.device");
    for (order, expected) in [("per_key", ["1", "1", "2"]), ("unordered", ["1", "2", "1"])] {
        let bff = failing(1).await;
        let more = format!("order = \"{order}\"\nretry = {{ backoff = \"500ms..500ms\" }}");
        let edge = site(&[route.clone(), handler("charge", &bff, &more)]).start().await;
        for number in ["1", "2"] {
            let body = json!({ "device": "d", "n": number }).to_string();
            let call = post("/tv/orders", body).header("x-api-key", "alice-key");
            assert_eq!(edge.send(call).await.status, 202);
            if number == "1" {
                eventually("the first call", || (!bff.requests().is_empty()).then_some(())).await;
            }
        }
        eventually("three calls", || (bff.requests().len() >= 3).then_some(())).await;
        let seen = bff.requests();
        let number = |seen: &headgate_tests::Seen| {
            let body: Value = serde_json::from_slice(&seen.body).unwrap();
            body["n"].as_str().unwrap().to_owned()
        };
        assert_eq!(seen.iter().map(number).collect::<Vec<_>>(), expected, "{order}");
    }
}

#[tokio::test]
async fn waits_between_attempts_are_those_of_the_handler() {
    let bff = failing(1).await;
    let wait = ", wait = \"900ms\"";
    let slow = "retry = { max = 1, backoff = \"1h..1h\" }";
    let edge = site(&[order_route(wait, ""), handler("charge", &bff, slow)]).start().await;
    assert_eq!(edge.send(place("o-1")).await.status, 202, "the next attempt is an hour away");

    let bff = failing(1).await;
    let fast = "retry = { max = 1, backoff = \"1ms..1ms\" }";
    let wait = ", wait = \"10s\"";
    let edge = site(&[order_route(wait, ""), handler("charge", &bff, fast)]).start().await;
    assert_eq!(edge.send(place("o-1")).await.json()["charge"]["order_id"], "o-1");
}

#[tokio::test]
async fn function_has_the_time_that_its_handler_says() {
    let more = "timeout = \"100ms\"\nretry = { max = 0 }";
    let bff = Bff::hanging().await;
    let tables = [order_route(", wait = \"10s\"", ""), handler("charge", &bff, more)];
    let edge = site(&tables).start().await;

    let reply = edge.send(place("o-1")).await;

    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.json()["charge"]["error"].is_string(), "{}", reply.text());
    let letters = edge.ask("/v1/dead-letters/tv.charge").await.json();
    assert_eq!(letters["letters"][0]["error"], "the function did not answer in time");
}

#[tokio::test]
async fn calls_at_once_are_as_many_as_the_handler_says() {
    let bff = Bff::hanging().await;
    let tables = [order_route("", ""), handler("charge", &bff, "concurrency = 2")];
    let edge = site(&tables).start().await;
    let mut client = edge.h1().await;
    for number in 0..8 {
        assert_eq!(client.send(place(&format!("o-{number}"))).await.status, 202);
    }
    eventually("two calls", || (bff.requests().len() >= 2).then_some(())).await;
    let group = status_of(&edge, "/v1/groups", "groups", "tv.charge").await;
    assert_eq!((&group["in_flight"], &group["limit"]), (&2.into(), &2.into()), "{group}");
    assert_eq!(bff.requests().len(), 2);
}

#[tokio::test]
async fn handlers_come_and_go_with_the_configuration() {
    let (before, after) = (charging().await, charging().await);
    let tables = [order_route(", wait = \"10s\"", ""), handler("charge", &before, "")];
    let edge = site(&tables).start().await;
    let config = edge.config().await;
    assert_eq!(edge.send(place("o-1")).await.status, 200);

    let tables = [
        "team = \"tv\"\n".to_owned(),
        order_route(", wait = \"10s\"", ""),
        handler("charge", &after, "timeout = \"9s\""),
        handler("mail", &after, ""),
    ];
    edge.folder().write("routes.d/tv/main.toml", tables.concat());
    edge.config_changes(&config).await;
    let both = json!({ "charge": { "charged": true }, "mail": { "charged": true } });
    let reply = edge.send(place("o-2")).await;
    assert_eq!(reply.json(), both);
    assert_eq!(before.requests().len(), 1);
}
