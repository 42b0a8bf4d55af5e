//! Requests are copied to another upstream, whose answers are compared and reach nobody.

use headgate_tests::{
    Bff, Edge, Reply, Site,
    bff::refusing,
    client::call,
    edge, get,
    identity::{ACCOUNTS, Key, jwks, sha256, verify_passport},
    post, route, upstream,
};
use serde_json::Value;

const COPIES: &str = "headgate_gateway_mirror_requests_total";

/// A site whose one route has a mirror; `mirror` are its keys beside `to`.
fn site(home: &Bff, mirror: &str, keys: &str) -> Site {
    with_route(home, mirror, &format!("mirror = {{ to = \"next\", {keys} }}"))
}

fn with_route(home: &Bff, mirror: &str, lines: &str) -> Site {
    Site::new().team(
        "tv",
        &[
            upstream("home", &[&home.endpoint()], ""),
            upstream("next", &[mirror], ""),
            route("all", "* /{*rest}", "home", lines),
        ],
    )
}

/// Waits until so many copies have ended so.
async fn copies(edge: &Edge, result: &str, count: u64) {
    let is_there = |metrics: &headgate_tests::metrics::Metrics| {
        metrics.sum(COPIES, &[("team", "tv"), ("route", "all"), ("result", result)]) >= count
    };
    edge.metrics_show(&format!("{count} copies {result}"), is_there).await;
}

/// Sends so many requests on one connection.
async fn ask(edge: &Edge, count: usize) -> Vec<Reply> {
    let mut client = edge.h1().await;
    let mut replies = Vec::new();
    for number in 0..count {
        replies.push(client.send(get(&format!("/tv/{number}?q=1"))).await);
    }
    replies
}

async fn report(edge: &Edge) -> (Value, i32) {
    let admin = format!("http://{}", edge.admin());
    let ended = edge::run(&["mirror", "report", "--admin", &admin, "--json"], edge.folder()).await;
    let all: Value = serde_json::from_str(&ended.stdout).unwrap();
    (all[0].clone(), ended.code())
}

#[tokio::test]
async fn copy_reaches_the_mirror_and_its_answer_nobody() {
    let (home, next) = (Bff::saying("home").await, Bff::saying("next").await);
    let edge = site(&home, &next.endpoint(), "share = \"100%\"").start().await;

    let mut client = edge.h1().await;
    let forged = get("/tv/x?q=1").header("headgate-mirror", "9").header("x-more", "1");
    let reply = client.send(forged).await;

    assert_eq!((reply.status, reply.text()), (200, "home"));
    let (own, copy) = (home.first().await, next.first().await);
    assert_eq!((copy.method.as_str(), copy.target.as_str()), ("GET", "/tv/x?q=1"));
    for name in ["host", "x-more", "traceparent", "x-forwarded-for", "headgate-device"] {
        assert_eq!(copy.header(name), own.header(name), "{name}");
    }
    assert_eq!((own.header("headgate-mirror"), copy.header("headgate-mirror")), (None, Some("1")));
    copies(&edge, "same", 1).await;
}

#[tokio::test]
async fn share_is_drawn_by_the_trace() {
    let (home, next) = (Bff::saying("home").await, Bff::saying("next").await);
    let edge = site(&home, &next.endpoint(), "share = \"30%\"").start().await;

    let mut expected = Vec::new();
    for reply in ask(&edge, 60).await {
        let hex = sha256(&format!("mirror:tv/all:{}", reply.trace_id()));
        if (u64::from_str_radix(hex.get(..8).unwrap(), 16).unwrap() * 10_000) >> 32 < 3_000 {
            expected.push(reply.trace_id().to_owned());
        }
    }

    copies(&edge, "same", expected.len() as u64).await;
    let seen = next.requests();
    assert_eq!(seen.len(), expected.len());
    for copy in seen {
        let parent = copy.header("traceparent").unwrap();
        assert!(expected.iter().any(|trace| parent.contains(trace.as_str())), "{parent}");
    }
}

#[tokio::test]
async fn answers_are_compared_field_by_field() {
    let home = Bff::saying("{\"rows\":[{\"id\":1,\"at\":5},{\"id\":2,\"at\":6}]}").await;
    let next = Bff::saying("{\"rows\":[{\"id\":1,\"at\":7},{\"id\":2,\"at\":8}]}").await;
    let compare = "compare = [\"status\", \"json:/rows/*/id\", \"json:/rows/*/at\"]";
    let edge = site(&home, &next.endpoint(), &format!("share = \"100%\", {compare}")).start().await;

    let last = ask(&edge, 3).await.pop().unwrap();
    copies(&edge, "different", 3).await;

    let (report, code) = report(&edge).await;
    assert_eq!(code, 1);
    for (at, field, same, different) in
        [(0, "status", 3, 0), (1, "json:/rows/*/id", 3, 0), (2, "json:/rows/*/at", 0, 3)]
    {
        let told = &report["fields"][at];
        assert_eq!(told["field"], field);
        assert_eq!(
            (&told["same"], &told["different"]),
            (&same.into(), &different.into()),
            "{told}"
        );
    }
    assert!(report["fields"][2]["last_different"].is_string());
    assert_eq!(
        report["fields"][2]["last_different"].as_str().unwrap().len(),
        last.trace_id().len()
    );
    assert_eq!(report["pairs"], 3);
    assert!(report["caller_ms"].is_number() && report["mirror_ms"].is_number(), "{report}");
    assert_eq!(edge.ask("/v1/mirrors").await.json()["mirrors"][0]["copies"]["different"], 3);
}

#[tokio::test]
async fn status_alone_is_compared_unless_more_is_said() {
    let (home, next) = (Bff::saying("home").await, Bff::failing(503).await);
    let edge = site(&home, &next.endpoint(), "share = \"100%\"").start().await;

    assert!(ask(&edge, 2).await.iter().all(|reply| reply.status == 200));
    copies(&edge, "different", 2).await;

    let (report, code) = report(&edge).await;
    assert_eq!((report["fields"].as_array().unwrap().len(), code), (1, 1));
    let admin = format!("http://{}", edge.admin());
    let told = edge::run(&["mirror", "report", "--admin", &admin], edge.folder()).await.stdout;
    assert!(
        told.contains("tv/all to next, 100%: 2 copies") && told.contains("2 different"),
        "{told}"
    );
}

#[tokio::test]
async fn mirror_that_hangs_changes_nothing() {
    let (home, next) = (Bff::saying("home").await, Bff::hanging().await);
    let edge = site(&home, &next.endpoint(), "share = \"100%\", timeout = \"10m\"").start().await;

    for reply in ask(&edge, 200).await {
        assert_eq!((reply.status, reply.text()), (200, "home"));
    }

    // As many as have a place wait; the others are dropped, and said so.
    copies(&edge, "dropped", 120).await;
    assert_eq!(edge.metrics().await.sum(COPIES, &[("result", "dropped")]), 120);
    assert!(next.requests().len() <= 16, "{}", next.requests().len());
}

#[tokio::test]
async fn copy_has_a_time_of_its_own() {
    let (home, next) = (Bff::saying("home").await, Bff::hanging().await);
    let edge = site(&home, &next.endpoint(), "share = \"100%\", timeout = \"50ms\"").start().await;

    ask(&edge, 3).await;

    copies(&edge, "timeout", 3).await;
    assert_eq!(next.first().await.header("headgate-deadline-ms"), Some("50"));
}

#[tokio::test]
async fn mirror_that_dies_changes_nothing() {
    let home = Bff::saying("home").await;
    let garbage = Bff::answering("nonsense\r\n\r\n").await;
    for mirror in [refusing(), garbage.endpoint()] {
        let edge = site(&home, &mirror, "share = \"100%\"").start().await;

        for reply in ask(&edge, 20).await {
            assert_eq!((reply.status, reply.text()), (200, "home"));
        }

        copies(&edge, "failed", 20).await;
        let ended = "headgate_gateway_ended_requests_total";
        assert_eq!(edge.metrics().await.sum(ended, &[("outcome", "ok")]), 20);
    }
}

#[tokio::test]
async fn only_what_changes_nothing_is_copied_unless_the_route_says_so() {
    let (home, next) = (Bff::saying("home").await, Bff::saying("next").await);
    for (writes, expected) in
        [("", vec!["GET", "HEAD"]), (", writes = true", vec!["DELETE", "GET", "HEAD", "POST"])]
    {
        let before = next.requests().len();
        let edge =
            site(&home, &next.endpoint(), &format!("share = \"100%\"{writes}")).start().await;
        let mut client = edge.h1().await;

        for call in
            [post("/tv/a", "body"), call("DELETE", "/tv/a"), call("HEAD", "/tv/a"), get("/tv/a")]
        {
            assert_eq!(client.send(call).await.status, 200);
        }

        copies(&edge, "same", expected.len() as u64).await;
        let mut seen: Vec<_> =
            next.requests().into_iter().skip(before).map(|seen| seen.method).collect();
        seen.sort();
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn body_is_copied_up_to_its_limit() {
    let (home, next) = (Bff::saying("home").await, Bff::saying("next").await);
    let keys = "share = \"100%\", writes = true, max_body = \"10B\"";
    let edge = site(&home, &next.endpoint(), keys).start().await;
    let mut client = edge.h1().await;

    assert_eq!(client.send(post("/tv/a", "ten bytes!")).await.text(), "home");
    assert_eq!(next.first().await.body, b"ten bytes!");
    assert_eq!(client.send(post("/tv/a", "eleven byte")).await.text(), "home");

    copies(&edge, "too_large", 1).await;
    copies(&edge, "same", 1).await;
    assert_eq!(next.requests().len(), 1);
}

#[tokio::test]
async fn mirror_gets_no_credential_that_the_upstream_does_not_get() {
    let (home, next, key) = (Bff::ok().await, Bff::ok().await, Key::ed25519("1"));
    let lines = "auth = \"accounts\"\nmirror = { to = \"next\", share = \"100%\" }";
    let site = with_route(&home, &next.endpoint(), lines);
    let edge = site.file("jwks.json", jwks(&[&key])).platform(ACCOUNTS).start().await;
    let token = key.token();

    let asked = get("/tv/x").bearer(&token).header("proxy-authorization", "Basic eA==");
    edge.send(asked.header("cookie", "a=b")).await;

    let (own, copy) = (home.first().await, next.first().await);
    for name in copy.names() {
        match name.as_str() {
            "headgate-mirror" => {}
            "headgate-passport" => {
                let keys = edge.ask("/.well-known/jwks.json").await.json();
                let passport = copy.header(&name).unwrap();
                assert_eq!(verify_passport(passport, &keys, "tv/next")["sub"], "user-1");
            }
            "headgate-deadline-ms" => assert!(own.header(&name).is_some()),
            _ => assert_eq!(copy.headers(&name), own.headers(&name), "{name}"),
        }
    }
    let denied = edge.send(get("/tv/x")).await;
    assert_eq!(denied.status, 401);
    copies(&edge, "same", 1).await;
    assert_eq!(next.requests().len(), 1, "what is denied is not copied");
}

#[tokio::test]
async fn route_with_keys_has_no_mirror() {
    let (home, next) = (Bff::ok().await, Bff::ok().await);
    let lines = "idempotency = {}\nmirror = { to = \"next\", share = \"1%\" }";

    let ended =
        with_route(&home, &next.endpoint(), lines).platform("[data]\ndir = \"data\"").run().await;

    assert_eq!(ended.code(), 2);
    assert!(ended.stderr.contains("requests on a route with `idempotency`"), "{}", ended.stderr);
}
