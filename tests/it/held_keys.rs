//! A key that waits for a person is found, looked at and settled, with what the guide shows.

use std::fs;

use headgate_tests::{Bff, Edge, Folder, Reply, Shop, edge::run_shell, keyed_in, order};
use serde_json::Value;

/// A BFF that takes a request, and closes without an answer.
async fn breaking_off() -> Bff {
    Bff::raw(|mut connection| async move {
        connection.request().await;
    })
    .await
}

/// Leaves these keys in doubt in a folder of records.
async fn in_doubt(data: &str, keys: &[&str]) {
    let bff = breaking_off().await;
    let mut edge = keyed_in(&bff, data, "", "on_lost = \"hold\"").start().await;
    for key in keys {
        assert_eq!(edge.send(order(key, "{}")).await.outcome(), "origin_reset");
    }
    edge.metrics_show("the held keys", |metrics| {
        metrics.sum("headgate_idempotency_held_keys_total", &[]) == keys.len() as u64
    })
    .await;
    edge.terminate();
    edge.ended().await;
}

async fn verb(edge: &Edge, arguments: &[&str], code: i32) -> String {
    let admin = format!("http://{}", edge.admin());
    let mut all = vec!["idempotency"];
    all.extend(arguments);
    all.extend(["--admin", &admin]);
    let ended = headgate_tests::edge::run(&all, &Folder::default()).await;
    assert_eq!(ended.code(), code, "{arguments:?}: {}{}", ended.stdout, ended.stderr);
    format!("{}{}", ended.stdout, ended.stderr)
}

async fn listed(edge: &Edge) -> Vec<Value> {
    let told = verb(edge, &["list", "--json"], 1).await;
    let list: Value = serde_json::from_str(&told).unwrap();
    list["keys"].as_array().unwrap().clone()
}

fn is_held(reply: &Reply) {
    assert_eq!((reply.status, &reply.problem()["code"]), (422, &"HG0023".into()));
}

#[tokio::test]
async fn guide_settles_keys_that_wait() {
    let folder = Folder::default();
    let data = folder.path().join("data").display().to_string();
    in_doubt(&data, &["done", "never"]).await;
    let shop = Shop::open().await;
    let edge = keyed_in(&shop.bff, &data, "", "on_lost = \"hold\"").start().await;
    for key in ["done", "never"] {
        is_held(&edge.send(order(key, "{}")).await);
    }
    let keys = listed(&edge).await;
    assert_eq!(keys.len(), 2);
    for key in &keys {
        assert_eq!((&key["state"], &key["scope"]), (&"in_doubt".into(), &"http/tv/all".into()));
        assert!(key["error"].as_str().is_some_and(|error| !error.is_empty()), "{key}");
        assert!(!key.to_string().contains("never"), "a client's key is shown: {key}");
    }
    // Which is which is told by nothing that is shown, so both orders have to do.
    let ids: Vec<_> = keys.iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect();

    folder.write("answer.json", "{\"order\":4711}");
    let guide = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/guides/idempotent-requests.md"
    ));
    let commands: Vec<String> = guide
        .unwrap()
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("```")?.0.trim_end().to_owned()))
        .filter(|block| block.starts_with("headgate idempotency"))
        .collect();
    assert_eq!(commands.len(), 4, "list, show, and two that settle");
    for (command, code) in commands.iter().zip([1, 0, 0, 0]) {
        let script = format!(
            "KEY='{}' OTHER='{}'\n{command} --admin http://{}",
            ids[0],
            ids[1],
            edge.admin()
        );
        let ended = run_shell(&script, &folder).await;
        assert_eq!(ended.code(), code, "{command}: {}{}", ended.stdout, ended.stderr);
    }

    assert_eq!(verb(&edge, &["list"], 0).await, "no key waits\n");
    let mut answers = Vec::new();
    for key in ["done", "never"] {
        let reply = edge.send(order(key, "{}")).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        answers.push((reply.header("idempotency-replayed") == "true", reply.text().to_owned()));
    }
    answers.sort();
    let expected = [(false, "{\"order\":1}".to_owned()), (true, "{\"order\":4711}".to_owned())];
    assert_eq!(answers, expected);
    assert_eq!(shop.orders(), 1, "only what was not done was passed on");
    let told = edge.told();
    for word in ["idempotency key resolved", "in the shop's books", &ids[0]] {
        assert!(told.contains(word), "{word:?} is not in the log: {told}");
    }
    let admin = format!("http://{}", edge.admin());
    let history = ["history", "--kind", "held_key", "--json", "--admin", &admin];
    let ended = headgate_tests::edge::run(&history, &folder).await;
    let history: Value = serde_json::from_str(&ended.stdout).unwrap();
    let entry = |id: &str| {
        let all = history.as_array().unwrap();
        let entry = all.iter().find(|entry| entry["what"] == *id).unwrap();
        (entry["to"].clone(), entry["reason"].clone(), entry["actor"].clone())
    };
    assert_eq!(entry(&ids[0]), ("done".into(), "in the shop's books".into(), Value::Null));
    edge.metrics_show("the resolved keys", |metrics| {
        metrics.sum("headgate_idempotency_resolved_keys_total", &[]) == 2
    })
    .await;
}

#[tokio::test]
async fn key_is_settled_as_it_was_seen_or_not_at_all() {
    let folder = Folder::default();
    let data = folder.path().join("data").display().to_string();
    in_doubt(&data, &["k"]).await;
    let shop = Shop::open().await;
    let edge = keyed_in(&shop.bff, &data, "", "on_lost = \"hold\"").start().await;
    let key = listed(&edge).await.remove(0);
    let (id, fence) = (key["id"].as_str().unwrap(), key["fence"].as_u64().unwrap());

    let other = (fence + 1).to_string();
    let told = verb(&edge, &["resolve", id, "--as", "not-done", "--fence", &other], 1).await;
    assert!(told.contains("HG1213"), "{told}");
    is_held(&edge.send(order("k", "{}")).await);

    verb(&edge, &["resolve", id, "--as", "done"], 0).await;
    let reply = edge.send(order("k", "{}")).await;
    assert_eq!((reply.status, &reply.problem()["code"]), (422, &"HG0024".into()));
    let told = verb(&edge, &["resolve", id, "--as", "done"], 2).await;
    assert!(told.contains("HG1212"), "{told}");
    assert_eq!(shop.orders(), 0);
}

#[tokio::test]
async fn edge_without_records_has_no_keys() {
    let bff = Bff::ok().await;
    let edge = headgate_tests::Site::to(&bff).start().await;
    let told = verb(&edge, &["list"], 3).await;
    assert!(told.contains("HG1211"), "{told}");
}

#[tokio::test]
async fn what_keys_lead_to_is_counted() {
    let shop = Shop::open().await;
    let edge = headgate_tests::keyed(&shop.bff, "").start().await;
    for body in ["{}", "{}", "{\"other\":true}"] {
        edge.send(order("k", body)).await;
    }
    edge.metrics_show("what became of the key", |metrics| {
        let count =
            |what: &str| metrics.sum(&format!("headgate_idempotency_{what}_keys_total"), &[]);
        let all = ["claimed", "settled", "replayed", "conflicting", "held", "taken_over"];
        all.map(count) == [1, 1, 1, 1, 0, 0]
    })
    .await;
}
