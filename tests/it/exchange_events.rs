//! Exchanges as events of the log, and who reads them.

use headgate_tests::{
    Bff, Edge, Ended, Site, edge, get, identity::sha256, post, route, upstream, within,
};
use serde_json::Value;

const KEY: &str = "s3cr3t-key";

fn platform(exchanges: &str) -> String {
    format!(
        "[data]\ndir = \"data\"\n[events.exchanges]\n{exchanges}\n\
         [identity.partners]\napi_keys = [{{ sha256 = \"{}\", subject = \"ada\" }}]\n",
        sha256(KEY)
    )
}

fn site(bff: &Bff, exchanges: &str) -> Site {
    Site::new().platform(&platform(exchanges)).team(
        "tv",
        &[
            upstream("home", &[&bff.endpoint()], ""),
            route("home", "GET /tv/home/{profile}", "home", ""),
            route("mine", "POST /tv/mine", "home", "auth = \"partners\""),
            route("rest", "* /tv/{*rest}", "home", ""),
        ],
    )
}

/// The last exchanges that are events, once one of them is wanted.
async fn events(edge: &Edge, is_wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    within("exchange as an event", async {
        loop {
            let reply = edge.ask("/v1/events?topic=hg.exchanges&limit=256").await;
            let page = if reply.status == 200 { reply.json() } else { Value::Null };
            let events: Vec<_> = page["events"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|entry| entry["event"].clone())
                .collect();
            if events.iter().any(&is_wanted) {
                return events;
            }
        }
    })
    .await
}

async fn event_of(edge: &Edge, trace: &str) -> Value {
    let is_it = |event: &Value| event["correlationid"] == *trace;
    events(edge, is_it).await.into_iter().find(is_it).unwrap()
}

async fn verb(edge: &Edge, arguments: &[&str]) -> Ended {
    let admin = format!("http://{}", edge.admin());
    edge::run(&[arguments, &["--admin", &admin]].concat(), edge.folder()).await
}

#[tokio::test]
async fn exchange_becomes_an_event_without_secrets() {
    let bff = Bff::ok().await;
    let edge = site(&bff, "record = \"all\"").start().await;
    let call = post("/tv/mine?token=t0ps3cret", "the b0dy").header("x-api-key", KEY);
    let reply = edge.send(call.header("authorization", "Bearer b34rer")).await;
    let event = event_of(&edge, reply.trace_id()).await;

    assert_eq!(
        (&event["type"], &event["source"]),
        (&"edge.exchange.v1".into(), &"/hg/edge".into())
    );
    let data = &event["data"];
    for (member, value) in [
        ("outcome", "ok"),
        ("team", "tv"),
        ("route", "mine"),
        ("path", "/tv/mine"),
        ("identity", "partners"),
        ("priority", "standard"),
    ] {
        assert_eq!(data[member], value, "{member} of {data}");
    }
    assert_eq!((&data["status"], &data["attempts"][0]["result"]), (&200.into(), &"ok".into()));
    assert!(data["timing_us"]["upstream_head"].is_u64(), "{data}");
    assert_eq!(data["config"], edge.config().await["digest"]);
    assert_eq!(data["facts"]["route"], "tv/mine");
    let text = event.to_string();
    for secret in [KEY, "t0ps3cret", "b34rer", "b0dy"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    // What the edge refuses before it knows a route is an exchange too.
    let refused = edge.send(get("/away")).await;
    assert_eq!(event_of(&edge, refused.trace_id()).await["data"]["outcome"], "no_route");

    let off = site(&bff, "").start().await;
    off.send(get("/tv/home/ada")).await;
    let topics = off.ask("/v1/topics").await.text().to_owned();
    assert!(!topics.contains("hg.exchanges"), "{topics}");
}

#[tokio::test]
async fn sampled_exchanges_stand_for_those_that_were_passed_over() {
    let bff = Bff::ok().await;
    let edge = site(&bff, "record = \"sampled\"\nper_second = 1").start().await;
    let weighty = |event: &Value| event["data"]["weight"].as_u64() > Some(1);
    let sent = async {
        let mut client = edge.h1().await;
        loop {
            client.send(get("/tv/home/ada")).await;
        }
    };
    tokio::select! {
        () = sent => {}
        found = events(&edge, weighty) => {
            let event = found.into_iter().find(weighty).unwrap();
            assert_eq!(event["data"]["weight"], event["data"]["facts"]["weight"]);
        }
    }
}

#[tokio::test]
async fn exchanges_are_kept_as_long_as_is_said() {
    let bff = Bff::ok().await;
    let edge = site(&bff, "record = \"all\"\nkeep = \"90m\"").start().await;
    let reply = edge.send(get("/tv/home/ada")).await;
    event_of(&edge, reply.trace_id()).await;

    let topics = edge.ask("/v1/topics").await.json();
    let topics = topics["topics"].as_array().unwrap();
    let topic = topics.iter().find(|topic| topic["name"] == "hg.exchanges").unwrap();
    assert_eq!(topic["retention"], "90m");
    let page = edge.ask("/v1/facts?since=15m").await.json();
    assert_eq!((&page["kept_for"], page["facts"].as_array().unwrap().len()), (&"90m".into(), 1));
}

#[tokio::test]
async fn replay_and_simulation_read_exchanges() {
    let bff = Bff::ok().await;
    let edge = site(&bff, "record = \"all\"").start().await;
    for _ in 0..5 {
        edge.send(get("/tv/home/ada")).await;
    }
    let last = edge.send(get("/tv/list")).await;
    event_of(&edge, last.trace_id()).await;
    let folder = edge.folder();
    for file in ["headgate.toml", "routes.d/tv/main.toml"] {
        let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
        let text = text.replace("GET /tv/home/{profile}", "GET /tv/house/{profile}");
        folder.write(&format!("new/{file}"), text);
    }

    let ended = verb(&edge, &["plan", "--config", "new/headgate.toml", "--replay", "15m"]).await;
    assert_eq!(ended.code(), 1, "{}{}", ended.stdout, ended.stderr);
    let told = "replay of 15m: 5 of 6 requests change: 5 tv/home → tv/rest;";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);

    let with = ["shed", "simulate", "--with", "headgate.toml", "--last", "15m", "--json"];
    let ended = verb(&edge, &with).await;
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(answer["requests"], 6, "{answer}");
}

#[tokio::test]
async fn why_outlasts_the_process() {
    let bff = Bff::ok().await;
    let edge = site(&bff, "record = \"all\"").start().await;
    let trace = edge.send(get("/tv/home/ada")).await.trace_id().to_owned();
    event_of(&edge, &trace).await;
    let again = edge.kill_and_start().await;

    let ended = verb(&again, &["why", &trace, "--json"]).await;
    assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);
    let why: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&why["route"], &why["outcome"]), (&"home".into(), &"ok".into()));

    let ended = verb(&again, &["why", "0af7651916cd43dd8448eb211c80319c"]).await;
    assert_eq!(ended.code(), 1, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("events of hg.exchanges"), "{}", ended.stdout);
}

#[tokio::test]
async fn audit_knows_the_traffic_before_the_last_start() {
    let bff = Bff::ok().await;
    let site =
        site(&bff, "record = \"all\"").platform("[team.tv]\nclaims = [{ prefix = \"/tv/\" }]");
    let edge = site.start().await;
    let trace = edge.send(get("/tv/home/ada")).await.trace_id().to_owned();
    event_of(&edge, &trace).await;
    let again = edge.kill_and_start().await;

    let ended = verb(&again, &["audit", "--config", "headgate.toml", "--json"]).await;
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    let found = |rule: &str| {
        let findings = json["findings"].as_array().unwrap();
        findings
            .iter()
            .filter(|one| one["rule"] == rule)
            .map(|one| one["subject"].clone())
            .collect()
    };
    let (unused, taken): (Vec<Value>, Vec<Value>) = (found("HGA005"), found("HGA024"));
    assert_eq!((unused.len(), taken), (0, vec!["tv/rest".into()]), "{json}");
}
