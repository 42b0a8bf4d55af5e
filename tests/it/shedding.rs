//! Operators see what is shed and why, move it for a while, and read what has moved.

use headgate_tests::{Bff, Client, Edge, Ended, Reply, Site, edge, eventually, get, within};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// Nothing is tried twice, and no timeout comes before the test's end.
const PLAIN: &str = "priority = \"critical\"\nretry = { max = 0, on = [] }\ntimeout = \"60s\"";
const TWO: &str = "concurrency = { initial = 2, min = 2, max = 2 }";
const CEILING: &str = "[data]\ndir = \"data\"\n[edge.overload]\nmode = \"enforce\"";

async fn verb(edge: &Edge, arguments: &[&str]) -> Ended {
    let admin = format!("http://{}", edge.admin());
    let arguments = [arguments, &["--admin", admin.as_str()]].concat();
    edge::run(&arguments, edge.folder()).await
}

async fn told(edge: &Edge, arguments: &[&str]) -> Value {
    let ended = verb(edge, &[arguments, &["--json"]].concat()).await;
    assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// An edge whose upstream never answers, with its limit of two used up.
async fn full(upstream_lines: &str) -> (Bff, Edge, Vec<JoinHandle<Reply>>) {
    let bff = Bff::hanging().await;
    let edge = Site::with_route(&bff, upstream_lines, PLAIN).platform(CEILING).start().await;
    let address = edge.plain();
    let send = || tokio::spawn(async move { Client::h1(address).await.send(get("/tv/x")).await });
    let asked = (0..2).map(|_| send()).collect();
    bff.saw(2).await;
    (bff, edge, asked)
}

/// The refusal of one more bulk request, which waits for its turn in vain.
async fn refused(edge: &Edge) -> Reply {
    let reply = edge.send(get("/tv/x").header("headgate-priority", "bulk")).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    reply
}

#[tokio::test]
async fn limit_stands_against_what_is_in_flight() {
    let (_bff, edge, asked) = full(TWO).await;

    let limits = told(&edge, &["limits"]).await;

    let gate = &limits["upstreams"][0]["gate"];
    assert_eq!((&gate["limit"], &gate["in_flight"]), (&json!(2), &json!(2)), "{limits:#}");
    assert_eq!(gate["in_flight_by_class"]["critical"], 2, "{limits:#}");
    assert_eq!(gate["mode"], "enforce");
    assert_eq!(limits["upstreams"][0]["endpoints"][0]["breaker"], "closed");
    let text = verb(&edge, &["limits"]).await.stdout;
    assert!(text.contains("upstream tv/home  enforce"), "{text}");
    let status = told(&edge, &["shed", "status"]).await;
    let route = &status["routes"][0];
    assert_eq!((&route["limit"], &route["in_flight"]), (&json!(2), &json!(2)), "{status:#}");
    assert_eq!(route["class"], "critical");
    edge.metrics_show("the limit", |metrics| {
        metrics.sum("headgate_gateway_limit_requests", &[("name", "home")]) == 2
            && metrics.sum("headgate_gateway_permitted_requests", &[("class", "critical")]) == 2
    })
    .await;
    asked.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn refusal_is_explained_with_its_numbers_and_counted_once() {
    let (_bff, edge, asked) = full(TWO).await;
    let reply = refused(&edge).await;

    let line = edge.access_line(reply.trace_id()).await;
    let layer = line["layers"].as_array().unwrap().last().unwrap();
    assert_eq!((&layer["layer"], &layer["ruled"]), (&json!("concurrency"), &json!("refused")));
    let why = told(&edge, &["why", reply.trace_id()]).await;
    let layers = why["layers"].as_array().unwrap();
    let ruled: Vec<_> = layers.iter().map(|layer| layer["ruled"].as_str().unwrap()).collect();
    assert_eq!(ruled.iter().filter(|ruled| **ruled == "refused").count(), 1, "{why:#}");
    assert!(ruled.contains(&"admitted"), "layers before it let the request pass: {why:#}");
    let layer = layers.last().unwrap();
    assert!(layer["observed"].is_number() && layer["limit"].is_number(), "{why:#}");
    assert!(layer["retry_after_ms"].as_u64().unwrap() >= 1_000, "{why:#}");
    assert_eq!(why["priority"], "bulk");
    let labels = [("class", "bulk"), ("layer", "concurrency"), ("ruled", "refused")];
    let metrics = edge.metrics().await;
    assert_eq!(metrics.sum("headgate_gateway_ruled_requests_total", &labels), 1);
    let reason = layer["reason"].as_str().unwrap();
    let by_reason = [("ruled", "refused"), ("reason", reason)];
    assert_eq!(metrics.sum("headgate_gateway_ruled_requests_total", &by_reason), 1);
    asked.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn layer_that_observes_tells_whom_it_would_refuse() {
    let bff = Bff::ok().await;
    let cut = "[edge.overload]\nmode = \"observe\"\ncut = { bulk = \"100%\" }";
    let edge = Site::with_route(&bff, "", PLAIN).platform(cut).start().await;
    let mut client = edge.h1().await;
    for _ in 0..3 {
        client.send(get("/tv/x")).await;
        let reply = client.send(get("/tv/x").header("headgate-priority", "bulk")).await;
        assert_eq!(reply.status, 200);
        let line = edge.access_line(reply.trace_id()).await;
        let layer = &line["layers"][0];
        assert_eq!((&layer["layer"], &layer["mode"]), (&json!("instance"), &json!("observe")));
        assert_eq!(
            (&layer["ruled"], &layer["reason"]),
            (&json!("would_refuse"), &json!("operator"))
        );
    }

    let metrics = edge.metrics().await;
    let of = |ruled| {
        let labels = [("layer", "instance"), ("ruled", ruled)];
        metrics.sum("headgate_gateway_ruled_requests_total", &labels)
    };
    assert_eq!((of("refused"), of("would_refuse"), of("admitted")), (0, 3, 3));
}

#[tokio::test]
async fn cut_acts_at_once_outlasts_a_kill_and_ends() {
    let bff = Bff::ok().await;
    let edge = Site::with_route(&bff, "", PLAIN).platform(CEILING).start().await;
    let bulk = |edge: Edge| async move {
        let reply = edge.send(get("/tv/x").header("headgate-priority", "bulk")).await;
        (reply.status, edge)
    };
    let (status, edge) = bulk(edge).await;
    assert_eq!(status, 200);

    let set =
        ["shed", "set", "cut.bulk=100%", "--for", "1h", "--reason", "INC-7", "--actor", "ada"];
    let overlay = told(&edge, &set).await;
    assert_eq!(overlay[0]["key"], "edge.overload.cut.bulk");
    let (status, edge) = bulk(edge).await;
    assert_eq!(status, 503);
    assert_eq!(edge.send(get("/tv/x")).await.status, 200, "other classes are served");
    let text = verb(&edge, &["shed", "status"]).await.stdout;
    let first = text.lines().next().unwrap();
    assert!(first.contains("cut.bulk") && first.contains("by ada: INC-7"), "{text}");

    let (status, edge) = bulk(edge.kill_and_start().await).await;
    assert_eq!(status, 503, "it outlasts the process");
    let id = told(&edge, &["config", "overlays"]).await[0]["id"].to_string();
    assert_eq!(verb(&edge, &["config", "unset", &id]).await.code(), 0);
    assert_eq!(bulk(edge).await.0, 200);
}

#[tokio::test]
async fn settings_are_set_together_or_not_at_all() {
    let bff = Bff::ok().await;
    let edge = Site::with_route(&bff, "", PLAIN).platform(CEILING).start().await;
    let all = ["shed", "set", "cut.bulk=10%", "cut.standard=much", "--for", "1h", "--reason", "x"];
    let ended = verb(&edge, &all).await;
    assert_eq!(ended.code(), 2, "{}", ended.stdout);
    assert!(ended.stderr.contains("much"), "{}", ended.stderr);
    assert_eq!(edge.config().await["overlays"], json!([]));
    let ended = verb(&edge, &["shed", "set", "timeout=1s", "--for", "1h", "--reason", "x"]).await;
    assert!(ended.stderr.contains("allowed is mode, cut.…, exempt"), "{}", ended.stderr);
}

/// The entries of the timeline, once one of them is this.
async fn entries(edge: &Edge, kind: &str, what: &str) -> Vec<Value> {
    let mut admin = Client::h1(edge.admin()).await;
    let found = async {
        loop {
            let page = admin.send(get("/v1/history?since=1h")).await.json();
            let entries = page["entries"].as_array().unwrap();
            if entries.iter().any(|entry| entry["kind"] == kind && entry["what"] == what) {
                return entries.clone();
            }
        }
    };
    within("entry of the history", found).await
}

#[tokio::test]
async fn moves_and_changes_stand_in_one_timeline_that_outlasts_a_kill() {
    // One endpoint fails, and the other's load leads requests to it.
    let (fails, hangs) = (Bff::failing(500).await, Bff::hanging().await);
    let endpoints = [fails.endpoint(), hangs.endpoint()];
    let breaker = "breaker = { consecutive_failures = 2 }";
    let route = format!("{PLAIN}\nthrottle = {{ mode = \"off\" }}");
    let edge = Site::to_endpoints(&endpoints.each_ref().map(String::as_str), breaker, &route)
        .platform(CEILING)
        .start()
        .await;
    let key = "edge.overload.cut.bulk";
    told(&edge, &["shed", "set", "cut.bulk=1%", "--for", "1h", "--reason", "INC-7"]).await;
    let address = edge.plain();
    let send = || tokio::spawn(async move { Client::h1(address).await.send(get("/tv/x")).await });
    let mut asked = Vec::new();
    while fails.requests().len() < 2 {
        asked.push(send());
        eventually("the request to reach an endpoint", || {
            (fails.requests().len() + hangs.requests().len() == asked.len()).then_some(())
        })
        .await;
    }

    let what = format!("{} of tv/home", fails.endpoint());
    let before = entries(&edge, "breaker", &what).await;
    let overlay = before.iter().find(|entry| entry["what"] == key).unwrap();
    assert_eq!((&overlay["reason"], &overlay["actor"]), (&json!("INC-7"), &json!("operator")));
    let breaker = before.iter().find(|entry| entry["what"] == what).unwrap();
    // On a slow machine the first look may find it half-open already.
    assert_eq!(breaker["from"], "closed");
    assert_ne!(breaker["to"], "closed");
    assert_eq!(before[0]["kind"], "start");

    let edge = edge.kill_and_start().await;
    within("second start", two_starts(&edge)).await;
    let text = verb(&edge, &["history", "--kind", "breaker"]).await.stdout;
    assert!(text.contains("closed to ") && !text.contains("start"), "{text}");
    asked.iter().for_each(JoinHandle::abort);
}

async fn two_starts(edge: &Edge) {
    let mut admin = Client::h1(edge.admin()).await;
    loop {
        let page = admin.send(get("/v1/history?since=1h")).await.json();
        assert_eq!(page["is_kept"], true);
        let entries = page["entries"].as_array().unwrap();
        if entries.iter().filter(|entry| entry["kind"] == "start").count() == 2 {
            return;
        }
    }
}

#[tokio::test]
async fn recent_requests_are_sent_through_other_limits() {
    let bff = Bff::ok().await;
    let edge = Site::with_route(&bff, "", PLAIN).platform(CEILING).start().await;
    let mut client = edge.h1().await;
    for _ in 0..5 {
        client.send(get("/tv/x")).await;
        client.send(get("/tv/x").header("headgate-priority", "bulk")).await;
    }
    let mut admin = Client::h1(edge.admin()).await;
    // Facts are written a second after they came at the latest.
    while admin.send(get("/v1/facts?since=15m")).await.json()["facts"].as_array().unwrap().len()
        < 10
    {}
    let folder = edge.folder();
    let text = std::fs::read_to_string(folder.path().join("headgate.toml")).unwrap();
    let cut = "[edge.overload]\ncut = { bulk = \"100%\" }";
    folder.write("new.toml", text.replace("[edge.overload]", cut));

    let simulate = ["shed", "simulate", "--last", "15m", "--with", "new.toml"];
    let ended = verb(&edge, &[&simulate[..], &["--json"]].concat()).await;

    assert_eq!(ended.code(), 1, "more would be refused: {}{}", ended.stdout, ended.stderr);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["requests"], 10, "{told:#}");
    let of = |class: &str| {
        let rows = told["rows"].as_array().unwrap();
        rows.iter().find(|row| row["class"] == class).unwrap().clone()
    };
    assert_eq!((&of("bulk")["arrived"], &of("bulk")["refused_new"]), (&json!(5), &json!(5)));
    assert_eq!(
        (&of("critical")["refused_then"], &of("critical")["refused_new"]),
        (&json!(0), &json!(0))
    );
    let same = ["shed", "simulate", "--last", "15m", "--with", "headgate.toml"];
    let ended = verb(&edge, &same).await;
    assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("0 (0.0 %)"), "{}", ended.stdout);
}

#[tokio::test]
async fn chaos_refuses_a_share_and_gives_it_back() {
    let bff = Bff::ok().await;
    let edge = Site::with_route(&bff, "", PLAIN).platform(CEILING).start().await;
    let chaos = ["shed", "chaos", "--class", "bulk", "--percent", "100", "--for", "1s"];
    let ended = verb(&edge, &chaos);
    let load = async {
        let mut client = edge.h1().await;
        let mut refused = 0;
        loop {
            let reply = client.send(get("/tv/x").header("headgate-priority", "bulk")).await;
            refused += u32::from(reply.status == 503);
            if refused > 0 && reply.status == 200 {
                return;
            }
        }
    };
    // Boxed: both together are large.
    let both = Box::pin(async { tokio::join!(ended, load) });
    let (ended, ()) = within("end of the chaos", both).await;
    assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("100 % of bulk were refused"), "{}", ended.stdout);
    assert_eq!(edge.config().await["overlays"], json!([]));
}

#[tokio::test]
async fn chaos_ends_by_itself_when_a_higher_class_suffers() {
    let (good, bad) = (Bff::ok().await, Bff::failing(500).await);
    let edge = Site::new()
        .platform(CEILING)
        .team(
            "tv",
            &[
                headgate_tests::upstream("good", &[&good.endpoint()], ""),
                headgate_tests::upstream("bad", &[&bad.endpoint()], "breaker = { mode = \"off\" }"),
                headgate_tests::route("play", "GET /tv/good", "good", PLAIN),
                headgate_tests::route(
                    "other",
                    "GET /tv/bad",
                    "bad",
                    "priority = \"critical\"\nretry = { max = 0, on = [] }\nthrottle = { mode = \"off\" }",
                ),
            ],
        )
        .start()
        .await;
    let chaos = ["shed", "chaos", "--class", "bulk", "--percent", "5", "--for", "10m"];
    let ended = verb(&edge, &chaos);
    let suffers = async {
        let mut client = edge.h1().await;
        loop {
            let is_on = edge.config().await["overlays"][0].is_object();
            for _ in 0..20 {
                client.send(get(if is_on { "/tv/bad" } else { "/tv/good" })).await;
            }
        }
    };
    let ended = tokio::select! {
        ended = ended => ended,
        () = suffers => unreachable!("it has no end"),
    };
    assert_eq!(ended.code(), 1, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("aborted after"), "{}", ended.stdout);
    let overlays = edge.config().await["overlays"].take();
    assert_eq!(overlays, json!([]), "the refusals have ended when the verb has");
}

#[tokio::test]
async fn chaos_does_not_replace_a_cut_that_somebody_has_made() {
    let bff = Bff::ok().await;
    let edge = Site::with_route(&bff, "", PLAIN).platform(CEILING).start().await;
    told(&edge, &["shed", "set", "cut.bulk=80%", "--for", "1h", "--reason", "INC-7"]).await;
    let chaos = ["shed", "chaos", "--class", "bulk", "--percent", "5", "--for", "1s"];
    let ended = verb(&edge, &chaos).await;
    assert_eq!(ended.code(), 2, "{}", ended.stdout);
    assert!(ended.stderr.contains("edge.overload.cut.bulk is"), "{}", ended.stderr);
}
