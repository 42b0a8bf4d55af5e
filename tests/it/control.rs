//! What operators change is numbered, told, taken back, and the same on all edges of a log.

use std::{collections::BTreeSet, time::Duration};

use headgate_events::kafka::KafkaLocal;
use headgate_idempotency::testing::DynamoDbLocal;
use headgate_tests::{Bff, Client, Edge, Ended, Site, edge, post, within};
use serde_json::{Value, json};
use tokio::time::Instant;

fn site(bff: &Bff) -> Site {
    Site::to(bff).edge("max_body = \"8KiB\"").platform("[data]\ndir = \"data\"")
}

async fn verb(edge: &Edge, arguments: &[&str]) -> Ended {
    let admin = format!("http://{}", edge.admin());
    edge::run(&[arguments, &["--admin", admin.as_str()]].concat(), edge.folder()).await
}

/// What a verb prints as JSON.
async fn told(edge: &Edge, arguments: &[&str]) -> Value {
    let ended = verb(edge, &[arguments, &["--json"]].concat()).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

fn set<'a>(key: &'a str, value: &'a str, actor: &'a str) -> Vec<&'a str> {
    vec!["config", "set", key, value, "--for", "1h", "--reason", "INC-7", "--actor", actor]
}

/// What a body of six thousand bytes is answered.
async fn large_body(edge: &Edge) -> u16 {
    edge.send(post("/tv/x", vec![0; 6_000])).await.status
}

#[tokio::test]
async fn changes_are_versions_that_can_be_told_and_taken_back() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    told(&edge, &set("edge.max_body", "4KiB", "ada")).await;
    told(&edge, &set("team.tv.route.all.timeout", "7s", "bob")).await;
    assert_eq!(large_body(&edge).await, 413);
    assert_eq!(edge.config().await["version"], 2);

    let back = ["rollback", "0", "--reason", "INC-7 is over", "--actor", "eve"];
    let done = told(&edge, &back).await;

    assert_eq!((&done["version"], done["unset"].as_array().unwrap().len()), (&json!(3), 2));
    assert_eq!(large_body(&edge).await, 200, "it is in force when the verb ends");
    told(&edge, &["rollback", "1", "--reason", "back again", "--actor", "eve"]).await;
    assert_eq!(large_body(&edge).await, 413);
    assert_eq!(edge.config().await["overlays"][0]["actor"], "ada", "as she set it");

    let edge = edge.kill_and_start().await;

    assert_eq!(large_body(&edge).await, 413);
    edge.config_shows("the version", |config| config["version"] == 4).await;
    let versions = told(&edge, &["history", "--versions"]).await;
    let made = |at: usize| {
        let version = &versions[at];
        format!("{} {} {}", version["version"], version["action"], version["actor"])
    };
    assert_eq!(made(0), "1 \"set\" \"ada\"");
    assert_eq!(made(2), "3 \"rollback\" \"eve\"");
    assert_eq!((&versions[3]["to"], &versions[4]), (&json!(1), &Value::Null));
    let text = verb(&edge, &["history", "--versions", "--limit", "1"]).await.stdout;
    assert!(text.starts_with("version 4 at ") && text.contains("rollback to version 1"), "{text}");
    assert_eq!(verb(&edge, &["rollback", "9", "--reason", "x"]).await.code(), 2);
}

#[tokio::test]
async fn what_was_in_force_is_known_afterwards() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    let first = edge.config().await["digest"].clone();
    told(&edge, &set("edge.max_body", "4KiB", "ada")).await;
    let second = edge.config().await["digest"].clone();
    told(&edge, &["config", "unset", "1"]).await;
    let edge = edge.kill_and_start().await;
    let at = |when: &'static str| async {
        let admin = format!("http://{}", edge.admin());
        let show = ["config", "show", "--at", when, "--admin", &admin, "--json"];
        let ended = edge::run(&show, edge.folder()).await;
        assert_eq!(ended.code(), 0, "{ended:?}");
        serde_json::from_str::<Value>(&ended.stdout).unwrap()
    };

    let was = at("1").await;

    assert_eq!((&was["digest"], &was["overlays"][0]["key"]), (&second, &json!("edge.max_body")));
    assert_eq!(was["effective"]["platform"]["edge"]["max_body"], "4KiB");
    let since = was["since"].as_str().unwrap().to_owned();
    let same = edge.ask(&format!("/v1/control/config?time={since}")).await.json();
    assert_eq!(same, was, "a second question by its time");
    let now = at("0s").await;
    assert_eq!((&now["digest"], &now["version"], &now["until"]), (&first, &json!(2), &Value::Null));
    assert_eq!(edge.ask("/v1/control/config?version=9").await.json()["code"], "HG1264");
    let shown = ["config", "show", "--at", "1", "--why", "edge.max_body"];
    let shown = verb(&edge, &shown).await.stdout;
    assert!(shown.contains("edge.max_body") && shown.contains("\"4KiB\""), "{shown}");
}

#[tokio::test]
async fn change_from_another_version_is_refused_and_says_who_was_first() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    told(&edge, &[&set("edge.max_body", "4KiB", "ada")[..], &["--expect", "0"]].concat()).await;

    for late in [
        [&set("edge.timeout", "7s", "bob")[..], &["--expect", "0"]].concat(),
        vec!["config", "unset", "1", "--expect", "0"],
        vec!["rollback", "0", "--reason", "x", "--expect", "0"],
    ] {
        let ended = verb(&edge, &late).await;
        assert_eq!(ended.code(), 2, "{ended:?}");
        for words in ["HG1260", "version 1 stands, by ada at ", "INC-7"] {
            assert!(ended.stderr.contains(words), "{late:?}: {}", ended.stderr);
        }
    }

    assert_eq!(edge.config().await["version"], 1);
    let mut admin = Client::h1(edge.admin()).await;
    let wish = json!({ "to": 0, "actor": "ada", "reason": "x", "expect": 1 }).to_string();
    let call = || post("/v1/control/rollback", wish.clone());
    let unasked = admin.send(call().header("content-type", "text/plain")).await;
    assert_eq!(unasked.status, 400, "a page in a browser can't");
    let done = admin.send(call().header("content-type", "application/json")).await;
    assert_eq!(done.json()["version"], 2);
}

#[tokio::test]
async fn edge_whose_log_is_out_of_reach_serves_on_and_refuses_changes() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    told(&edge, &set("edge.max_body", "4KiB", "ada")).await;
    let text = std::fs::read_to_string(edge.folder().path().join("headgate.toml")).unwrap();
    let nowhere = "[events]\nlog = \"kafka\"\nkafka = { brokers = \"127.0.0.1:1\" }\n\
        [idempotency]\nstore = \"dynamodb\"\n\
        dynamodb = { table = \"edges\", endpoint = \"http://127.0.0.1:1\", region = \"local\" }\n";
    edge.folder().write("headgate.toml", format!("{text}\n{nowhere}"));

    let edge = edge.kill_and_start().await;

    assert_eq!(large_body(&edge).await, 413, "what was in force last");
    let refused = verb(&edge, &set("edge.timeout", "7s", "ada")).await;
    assert_eq!(refused.code(), 3, "{refused:?}");
    assert!(refused.stderr.contains("HG1261"), "{}", refused.stderr);
    let status = edge.ask("/v1/control").await.json();
    assert_eq!(status["topic"], "hg.control");
    assert!(status["fault"].is_string(), "{status}");
}

#[tokio::test]
async fn fleet_has_changes_of_its_own() {
    let bff = Bff::ok().await;
    let edge = site(&bff).platform("[events]\nfleet = \"blue\"").start().await;
    told(&edge, &set("edge.max_body", "4KiB", "ada")).await;
    assert_eq!(edge.ask("/v1/control").await.json()["topic"], "hg.control.blue");
}

/// An edge of a fleet on one Kafka.
async fn on_kafka(fleet: &str, brokers: &str, endpoint: &str, bff: &Bff) -> Edge {
    let shared = format!(
        "[events]\nlog = \"kafka\"\nkafka = {{ brokers = {brokers:?} }}\nfleet = {fleet:?}\n\
         [idempotency]\nstore = \"dynamodb\"\n\
         dynamodb = {{ table = \"{fleet}\", endpoint = {endpoint:?}, region = \"local\" }}\n"
    );
    site(bff).platform(&shared).start().await
}

#[tokio::test]
async fn edges_on_one_kafka_agree_within_a_second() {
    let (Some(kafka), Some(table)) = (KafkaLocal::shared(), DynamoDbLocal::shared()) else {
        return;
    };
    let bff = Bff::ok().await;
    let fleet = format!("it-{}-control", std::process::id());
    let one = on_kafka(&fleet, kafka.brokers(), table.endpoint(), &bff).await;
    let two = on_kafka(&fleet, kafka.brokers(), table.endpoint(), &bff).await;
    // The log is read to its end before anything is changed.
    for edge in [&one, &two] {
        let read = async { while !edge.ask("/v1/control").await.json()["fault"].is_null() {} };
        within("the log of changes", read).await;
    }
    let digest = one.config().await["digest"].clone();
    assert_eq!(two.config().await["digest"], digest);

    let mut fastest = Duration::MAX;
    for (version, (asked, other)) in (1..).zip([(&one, &two), (&two, &one), (&one, &two)]) {
        let timeout = format!("{version}s");
        told(asked, &set("edge.timeout", &timeout, "ada")).await;
        let since = Instant::now();
        let config = other.config_shows("the version", |config| config["version"] == version).await;
        fastest = fastest.min(since.elapsed());
        assert_eq!(config["digest"], asked.config().await["digest"]);
    }
    // A busy machine may be slow at one of them.
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");

    let back = told(&two, &["rollback", "1", "--reason", "INC-7 is over"]).await;
    assert_eq!(back["version"], 4);
    let config = one.config_shows("the rollback", |config| config["version"] == 4).await;
    assert_eq!(config["overlays"], two.config().await["overlays"]);
    assert_eq!(config["overlays"][0]["value"], "1s");
    assert_eq!(
        told(&one, &["history", "--versions"]).await,
        told(&two, &["history", "--versions"]).await
    );
    // What one loads, the other tells, with its node; each entry once.
    let nodes = [&one, &two].map(|edge| edge.admin().port());
    let loads = |history: &Value, port: u16| {
        let entries = history.as_array().unwrap().iter();
        let of_node = format!(":{port}");
        let is_load = |entry: &&Value| {
            entry["kind"] == "config" && entry["node"].as_str().unwrap().ends_with(&of_node)
        };
        let load = |entry: &Value| (entry["to"].to_string(), entry["time"].to_string());
        entries.filter(is_load).map(load).collect::<Vec<_>>()
    };
    for (asked, other) in [(&one, nodes[1]), (&two, nodes[0])] {
        let digest = config["digest"].to_string();
        let told = async {
            loop {
                let history = told(asked, &["history", "--kind", "config"]).await;
                let is_in_force = |(to, _): &(String, String)| *to == digest;
                if loads(&history, other).iter().any(is_in_force) {
                    break history;
                }
            }
        };
        let history = within("the other's load", told).await;
        let own = loads(&history, asked.admin().port());
        assert_eq!(own.iter().collect::<BTreeSet<_>>().len(), own.len(), "{history}");
    }
    // A third one has all of it when it comes.
    let three = on_kafka(&fleet, kafka.brokers(), table.endpoint(), &bff).await;
    let late = three.config_shows("the version", |late| late["version"] == 4).await;
    assert_eq!(late["digest"], config["digest"]);
}
