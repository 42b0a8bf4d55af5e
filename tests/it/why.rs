//! The life of one exchange, as an operator asks for it by its trace.

use headgate_tests::{
    Bff, Edge, Ended, Site, bff, edge, get,
    identity::{ACCOUNTS, Key, claims_with, jwks},
    route, upstream, within,
};
use serde_json::{Value, json};

async fn why(edge: &Edge, trace: &str, more: &[&str]) -> Ended {
    let admin = format!("http://{}", edge.admin());
    let arguments = [&["why", trace, "--admin", admin.as_str()], more].concat();
    edge::run(&arguments, edge.folder()).await
}

/// What is told of an exchange that has been answered: it ends a moment after its last byte.
async fn told(edge: &Edge, trace: &str) -> Value {
    let path = format!("/v1/why/{trace}");
    let found = async {
        loop {
            let reply = edge.ask(&path).await;
            if reply.status == 200 {
                return reply.json();
            }
        }
    };
    within("exchange", found).await
}

#[tokio::test]
async fn every_decision_on_an_exchange_is_told() {
    let key = Key::ed25519("1");
    let bff = Bff::ok().await;
    let lines = "auth = \"accounts\"\npriority = \"critical\"\nretry = { max = 1, on = [\"connect\"] }\n\
                 canary = { to = \"next\", weight = \"100%\", sticky = \"user\" }";
    let ceiling = "[team.tv.ceiling]\npriority = \"critical\"";
    let edge = Site::new()
        .file("jwks.json", jwks(&[&key]))
        .platform(ACCOUNTS)
        .platform("[[device]]\nname = \"tv\"\nwhen = [\"header x-app ~ '^tv/'\"]")
        .team(
            "tv",
            &[
                upstream("home", &[&bff.endpoint()], ""),
                upstream("next", &[&bff::refusing(), &bff.endpoint()], ""),
                route("home", "GET /tv/{*rest}", "home", lines),
            ],
        )
        .platform(ceiling)
        .start()
        .await;
    let token = key.sign(&claims_with("sub", json!("user-7")));
    let call = || {
        let call = get("/tv/x?secret=1").bearer(&token).header("x-app", "tv/7");
        call.header("headgate-priority", "bulk")
    };
    // The endpoint that refuses is the first one tried in half of the exchanges.
    let mut tried = 0;
    let why = loop {
        let trace = edge.send(call()).await.trace_id().to_owned();
        let why = told(&edge, &trace).await;
        tried += 1;
        if why["attempts"].as_array().unwrap().len() == 2 || tried == 50 {
            break why;
        }
    };

    for (member, value) in [
        ("outcome", json!("ok")),
        ("status", json!(200)),
        ("path", json!("/tv/x")),
        ("device", json!("tv")),
        ("team", json!("tv")),
        ("route", json!("home")),
        ("match", json!("GET /tv/{*rest}")),
        ("upstream", json!("next")),
        ("arm", json!("canary")),
        ("arm_by", json!("user")),
        ("identity", json!("accounts")),
        ("priority", json!("bulk")),
        ("priority_granted", json!("critical")),
        ("config", edge.config().await["digest"].clone()),
        ("earlier", json!([])),
    ] {
        assert_eq!(why[member], value, "{member} in {why:#}");
    }
    assert!(why["device_reason"].as_str().unwrap().contains("x-app"), "{why:#}");
    assert_eq!(why["attempts"][0]["result"], "connect", "{why:#}");
    assert_eq!(why["attempts"][1]["result"], "ok", "{why:#}");
    assert!(why["timing_us"]["routed"].is_u64(), "{why:#}");
    let text = why.to_string();
    assert!(!text.contains("secret") && !text.contains("user-7") && !text.contains(&token));
}

#[tokio::test]
async fn people_are_told_in_words() {
    let edge = Site::to_endpoints(&[&bff::refusing()], "", "timeout = \"2s\"").start().await;
    let reply = edge.send(get("/tv/x")).await;
    told(&edge, reply.trace_id()).await;

    let ended = why(&edge, reply.trace_id(), &[]).await;

    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    for words in ["origin_connect (502 HG0012) after", "tv/all: ", "attempt 1", ": connect"] {
        assert!(ended.stdout.contains(words), "{words} is not in\n{}", ended.stdout);
    }
    let json = why(&edge, reply.trace_id(), &["--json"]).await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["outcome"], "origin_connect");
}

#[tokio::test]
async fn unknown_trace_ends_with_1_and_how_long_they_are_kept() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;
    let unknown = "0af7651916cd43dd8448eb211c80319c";
    let ended = why(&edge, unknown, &[]).await;
    assert_eq!(ended.code(), 1, "{}", ended.stderr);
    for words in ["HG1225", "32MiB (why.memory)", "0 failed since the start", "500 a second"] {
        assert!(ended.stdout.contains(words), "{words} is not in\n{}", ended.stdout);
    }
    let ended = why(&edge, unknown, &["--json"]).await;
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code(), &told["trace_id"]), (1, &json!(unknown)));
    assert_eq!(why(&edge, "no-trace", &[]).await.code(), 2);
}

#[tokio::test]
async fn exchanges_of_one_trace_are_told_together() {
    let bff = Bff::ok().await;
    let site = Site::to(&bff).edge("trusted_peers = [\"127.0.0.0/8\"]\naccess_log = \"off\"");
    let edge = site.start().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    for path in ["/tv/first", "/tv/last"] {
        let parent = format!("00-{trace}-00f067aa0ba902b7-01");
        let reply = edge.send(get(path).header("traceparent", parent)).await;
        assert_eq!(reply.trace_id(), trace);
    }
    let found = async {
        loop {
            let reply = edge.ask(&format!("/v1/why/{trace}")).await;
            if reply.status == 200 && reply.json()["earlier"][0].is_object() {
                return reply.json();
            }
        }
    };
    let told = within("both exchanges", found).await;
    assert_eq!(
        (&told["path"], &told["earlier"][0]["path"]),
        (&json!("/tv/last"), &json!("/tv/first"))
    );
}

#[tokio::test]
async fn nothing_is_kept_where_nothing_may_be() {
    let edge = Site::to_endpoints(&[&bff::refusing()], "", "timeout = \"2s\"")
        .platform("[why]\nmemory = \"0B\"")
        .start()
        .await;
    let reply = edge.send(get("/tv/x")).await;
    edge.access_line(reply.trace_id()).await;
    let ended = why(&edge, reply.trace_id(), &[]).await;
    assert_eq!(ended.code(), 1);
    assert!(ended.stdout.contains("none are, by why.memory"), "{}", ended.stdout);
}

#[tokio::test]
async fn of_those_that_passed_as_many_a_second_are_kept_as_wanted() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).platform("[why]\npassed_per_second = 1").start().await;
    let mut client = edge.h1().await;
    let kept = eventually_sampled(&edge, &mut client).await;
    // One second of the rush is kept whole at most, by the credit of the calm before it.
    assert!(kept, "all exchanges of a rush were kept");
}

/// Sends until one of the exchanges that passed is not kept.
async fn eventually_sampled(edge: &Edge, client: &mut headgate_tests::Client) -> bool {
    let ends = tokio::time::Instant::now() + headgate_tests::PATIENCE;
    while tokio::time::Instant::now() < ends {
        let mut trace = String::new();
        for _ in 0..50 {
            client.send(get("/tv/x")).await.trace_id().clone_into(&mut trace);
        }
        edge.access_line(&trace).await;
        if edge.ask(&format!("/v1/why/{trace}")).await.status == 404 {
            return true;
        }
    }
    false
}
