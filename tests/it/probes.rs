//! Requests that the edge sends to itself, and where they do not count.

use headgate_tests::{
    Bff, Edge, Ended, Site, edge, get,
    identity::{ACCOUNTS, Key, claims_with, jwks},
    route,
    tls::Authority,
    upstream, within,
};
use serde_json::{Value, json};

use crate::events::{JSON, charging, function, handler, order_route, place, platform};

/// A probe `home` of `GET /tv/home`, with further lines.
fn probe(lines: &str) -> String {
    format!("[probe.home]\nsend = \"GET /tv/home\"\n{lines}\n")
}

fn site(bff: &Bff, probe: &str) -> Site {
    Site::new().platform(probe).team(
        "tv",
        &[upstream("home", &[&bff.endpoint()], ""), route("home", "GET /tv/home", "home", "")],
    )
}

async fn run(edge: &Edge, more: &[&str]) -> Ended {
    let admin = format!("http://{}", edge.admin());
    edge::run(&[&["probe", "--admin", &admin], more].concat(), edge.folder()).await
}

/// What came of a run of one probe.
fn told(ended: &Ended) -> Value {
    let runs: Value = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|_| panic!("no JSON: {}{}", ended.stdout, ended.stderr));
    runs[0].clone()
}

#[tokio::test]
async fn probe_goes_the_whole_way_and_counts_for_no_route() {
    let bff = Bff::ok().await;
    let edge = site(&bff, &probe("headers = [\"x-app: tv/7\"]")).start().await;

    let ended = run(&edge, &["home", "--json"]).await;
    assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);
    let run_of = told(&ended);
    assert_eq!((&run_of["result"], &run_of["status"]), (&json!("ok"), &json!(200)));

    let seen = bff.requests().remove(0);
    assert_eq!((seen.header("headgate-probe"), seen.header("x-app")), (Some("home"), Some("tv/7")));
    assert_eq!(seen.header("idempotency-key"), None, "nothing is changed by a GET");
    let line = edge.access_line(run_of["trace_id"].as_str().unwrap()).await;
    assert_eq!((&line["probe"], &line["route"]), (&json!("home"), &json!("home")));
    let metrics = edge.metrics().await;
    let count = |name: &str, team: &str, route: &str| {
        metrics.sum(name, &[("team", team), ("route", route)])
    };
    let arrived = "headgate_gateway_arrived_requests_total";
    let ended = "headgate_gateway_ended_requests_total";
    for name in [arrived, ended] {
        assert_eq!((count(name, "tv", "home"), count(name, "_probe", "_probe")), (0, 1), "{name}");
    }
    let runs = "headgate_gateway_probe_runs_total";
    assert_eq!(metrics.sum(runs, &[("probe", "home"), ("result", "ok")]), 1);
}

#[tokio::test]
async fn device_can_not_say_that_it_is_a_probe() {
    let bff = Bff::ok().await;
    let edge = site(&bff, &probe("")).start().await;
    for value in ["home", "home 00", &format!("home {}", "0".repeat(64))] {
        let reply = edge.send(get("/tv/home").header("headgate-probe", value)).await;
        let line = edge.access_line(reply.trace_id()).await;
        assert_eq!((reply.status, line.get("probe")), (200, None), "{value}");
    }
    assert!(bff.requests().iter().all(|seen| seen.header("headgate-probe").is_none()));
    let name = "headgate_gateway_arrived_requests_total";
    let metrics = edge.metrics().await;
    assert_eq!(metrics.sum(name, &[("team", "tv"), ("route", "home")]), 3);
}

#[tokio::test]
async fn probe_of_a_canary_counts_for_no_arm_and_is_not_copied() {
    let (bff, shadow) = (Bff::ok().await, Bff::ok().await);
    let lines = "canary = { to = \"next\", weight = \"100%\", sticky = \"trace\" }\n\
                 mirror = { to = \"shadow\", share = \"100%\" }";
    let site = Site::new().platform(&probe("")).team(
        "tv",
        &[
            upstream("home", &[&bff.endpoint()], ""),
            upstream("next", &[&bff.endpoint()], ""),
            upstream("shadow", &[&shadow.endpoint()], ""),
            route("home", "GET /tv/home", "home", lines),
        ],
    );
    let edge = site.start().await;
    assert_eq!(run(&edge, &["home"]).await.code(), 0);
    assert_eq!(bff.requests()[0].header("headgate-arm"), Some("canary"), "it draws as others do");
    let of_arm = "headgate_gateway_arm_ended_requests_total";
    assert_eq!(edge.metrics().await.sum(of_arm, &[("route", "home")]), 0);
    edge.send(get("/tv/home")).await;
    edge.metrics_show("arm", |metrics| metrics.sum(of_arm, &[("route", "home")]) == 1).await;
    shadow.saw(1).await;
    assert_eq!(shadow.requests()[0].header("headgate-probe"), None);
}

#[tokio::test]
async fn mark_goes_along_the_series_to_its_last_result() {
    let bff = charging().await;
    let lines = "[probe.order]\nsend = \"POST /tv/orders\"\nbody = '{\"order_id\":\"probe\"}'\n\
        credential = \"file:probe-key\"\ncredential_header = \"x-api-key\"\n";
    let tables = [order_route("", ""), handler("charge", &bff, "")];
    let site = Site::new().platform(&platform()).platform(lines).file("probe-key", "alice-key\n");
    let edge = site.team("tv", &tables).start().await;

    for _ in 0..2 {
        let ended = run(&edge, &["order", "--json"]).await;
        assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);
        assert_eq!(told(&ended)["status"], 202);
    }
    let marks: Vec<_> =
        bff.requests().iter().map(|seen| seen.header("ce-hgprobe").map(str::to_owned)).collect();
    assert!(marks.iter().all(|mark| mark.as_deref() == Some("order")), "{marks:?}");
    let keys: std::collections::BTreeSet<_> = bff
        .requests()
        .iter()
        .map(|seen| seen.header("idempotency-key").map(str::to_owned))
        .collect();
    assert_eq!(keys.len(), 2, "each run is an order of its own");
    let published = "headgate_events_published_events_total";
    assert_eq!(edge.metrics().await.sum(published, &[("topic", "orders")]), 0);
    edge.send(place("o-1")).await;
    bff.saw(3).await;
    edge.metrics_show("published", |all| all.sum(published, &[("topic", "orders")]) == 1).await;
}

#[tokio::test]
async fn probe_fails_when_a_handler_does() {
    let bff = function(|_| (500, JSON, "{}".to_owned())).await;
    let lines = "[probe.order]\nsend = \"POST /tv/orders\"\nbody = '{\"order_id\":\"probe\"}'\n\
        credential = \"file:probe-key\"\ncredential_header = \"x-api-key\"\n";
    let tables = [order_route("", ""), handler("charge", &bff, "retry = { max = 0 }")];
    let site = Site::new().platform(&platform()).platform(lines).file("probe-key", "alice-key");
    let edge = site.team("tv", &tables).start().await;

    let ended = run(&edge, &["order", "--json"]).await;
    assert_eq!(ended.code(), 1, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(
        (&told(&ended)["result"], &told(&ended)["status"]),
        (&json!("handler"), &json!(202))
    );
    let failing = "headgate_gateway_probe_failing_flag";
    assert_eq!(edge.metrics().await.sum(failing, &[("probe", "order")]), 1);
}

#[tokio::test]
async fn schedule_is_kept_and_a_probe_that_hangs_has_its_time() {
    let hangs = Bff::raw(|mut connection| async move {
        let _request = connection.request().await;
        std::future::pending::<()>().await;
    })
    .await;
    let edge = site(&hangs, &probe("every = \"50ms\"\ntimeout = \"100ms\"")).start().await;
    let runs = "headgate_gateway_probe_runs_total";
    let late = [("probe", "home"), ("result", "timeout")];
    edge.metrics_show("late runs", |metrics| metrics.sum(runs, &late) >= 2).await;
    let list = run(&edge, &["--list", "--json"]).await;
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!((&list[0]["every"], &list[0]["timeout"]), (&json!("50ms"), &json!("100ms")));
    assert_eq!(list[0]["last"]["result"], "timeout");
}

#[tokio::test]
async fn probe_shows_its_token_and_names_its_host() {
    let key = Key::ed25519("1");
    let bff = Bff::ok().await;
    let probe = probe("host = \"api.example\"\ncredential = \"env:PROBE_TOKEN\"");
    let site = Site::new().file("jwks.json", jwks(&[&key])).platform(ACCOUNTS).platform(&probe);
    let token = key.sign(&claims_with("sub", json!("probe")));
    let site = site.environment("PROBE_TOKEN", &token).team(
        "tv",
        &[
            upstream("home", &[&bff.endpoint()], ""),
            route("home", "GET api.example/tv/home", "home", "auth = \"accounts\""),
        ],
    );
    let edge = site.start().await;
    let ended = run(&edge, &["--json"]).await;
    assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(bff.requests()[0].header("host"), Some("api.example"));
}

#[tokio::test]
async fn edge_that_speaks_tls_alone_is_probed_too() {
    let authority = Authority::default();
    let bff = Bff::ok().await;
    let site = site(&bff, &probe("")).listen("[]").tls(&authority, &["api.example"]);
    let edge = site.start().await;
    let ended = run(&edge, &["--json"]).await;
    assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);
}

#[tokio::test]
async fn unknown_probe_is_told() {
    let bff = Bff::ok().await;
    let edge = site(&bff, "").start().await;
    let ended = run(&edge, &["home"]).await;
    assert_eq!(ended.code(), 2, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("no probe \"home\""), "{}", ended.stderr);
    let list = within("list", edge.ask("/v1/probes")).await.json();
    assert_eq!(list, json!({ "probes": [] }));
}
