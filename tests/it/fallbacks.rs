//! Where a request is refused for load or its upstream is out of reach, something else may answer,
//! and says so.

use headgate_tests::{Bff, Client, Site, bff, eventually, get, post, route, upstream};
use tokio::task::JoinHandle;

const STATIC: &str = "fallback = { body = \"{\\\"rows\\\":[]}\" }";
const ONE: &str = "concurrency = { initial = 1, min = 1, max = 1 }";

#[tokio::test]
async fn answer_of_the_configuration_stands_for_an_upstream_that_is_gone() {
    let gone = bff::refusing();
    let edge = Site::to_endpoints(&[&gone], "", STATIC).start().await;

    let reply = edge.send(get("/tv/x")).await;

    assert_eq!((reply.status, reply.text()), (200, "{\"rows\":[]}"));
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.header("headgate-degraded"), "1");
    assert!(reply.header("proxy-status").contains("HG0012"), "{:?}", reply.headers);
    let line = edge.access_line(reply.trace_id()).await;
    assert_eq!((&line["outcome"], &line["code"]), (&"ok_degraded".into(), &"HG0012".into()));
}

#[tokio::test]
async fn answer_has_the_status_and_type_that_it_is_given() {
    let gone = bff::refusing();
    let fallback = "fallback = { status = 203, type = \"text/plain\", body = \"later\" }";
    let edge = Site::to_endpoints(&[&gone], "", fallback).start().await;
    let reply = edge.send(get("/tv/x")).await;
    assert_eq!((reply.status, reply.text()), (203, "later"));
    assert_eq!(reply.header("content-type"), "text/plain");
}

#[tokio::test]
async fn answer_of_a_file_stands_and_follows_it() {
    const FILE: &str = "routes.d/tv/offline.html";
    let gone = bff::refusing();
    let fallback = "fallback = { type = \"text/html\", file = \"offline.html\" }";
    let site = Site::to_endpoints(&[&gone], "", fallback).file(FILE, "<p>back soon");
    let edge = site.start().await;
    let reply = edge.send(get("/tv/x")).await;
    assert_eq!((reply.status, reply.text()), (200, "<p>back soon"));
    assert_eq!(reply.header("content-type"), "text/html");
    assert_eq!(reply.header("headgate-degraded"), "1");

    let before = edge.config().await;
    edge.folder().write(FILE, "<p>back at ten");
    edge.config_changes(&before).await;
    assert_eq!(edge.send(get("/tv/x")).await.text(), "<p>back at ten");

    edge.folder().write(FILE, "");
    edge.config_shows("held", |config| config["parts"].to_string().contains("HG1064")).await;
    assert_eq!(edge.send(get("/tv/x")).await.text(), "<p>back at ten");
}

#[tokio::test]
async fn what_changes_something_is_not_told_that_it_was_done() {
    let gone = bff::refusing();
    let edge = Site::to_endpoints(&[&gone], "", STATIC).start().await;
    let reply = edge.send(post("/tv/x", "order")).await;
    assert_eq!((reply.status, reply.outcome().as_str()), (502, "origin_connect"));
}

#[tokio::test]
async fn upstreams_own_errors_are_passed_on() {
    let failing = Bff::failing(500).await;
    let edge = Site::with_route(&failing, "", STATIC).start().await;
    let reply = edge.send(get("/tv/x")).await;
    assert_eq!((reply.status, reply.text()), (500, "failed"));
    assert_eq!(reply.header("headgate-degraded"), "");
}

/// A site whose route has another upstream to fall back to.
fn with_spare(home: &str, home_lines: &str, spare: &Bff) -> Site {
    Site::new().team(
        "tv",
        &[
            upstream("home", &[home], home_lines),
            upstream("spare", &[&spare.endpoint()], ""),
            route("all", "* /{*rest}", "home", "timeout = \"60s\"\nfallback = { to = \"spare\" }"),
        ],
    )
}

#[tokio::test]
async fn another_upstream_answers_for_one_that_is_gone() {
    let (gone, spare) = (bff::refusing(), Bff::saying("spare").await);
    let edge = with_spare(&gone, "", &spare).edge("trusted_peers = [\"127.0.0.1\"]").start().await;

    let reply = edge.send(get("/tv/x?a=1").header("x-forwarded-for", "10.1.1.1")).await;

    assert_eq!((reply.status, reply.text()), (200, "spare"));
    assert_eq!(reply.header("headgate-degraded"), "1");
    let seen = spare.requests();
    assert_eq!(seen[0].target, "/tv/x?a=1");
    assert_eq!(seen[0].headers("x-forwarded-for"), ["10.1.1.1", "127.0.0.1"]);
    let line = edge.access_line(reply.trace_id()).await;
    assert_eq!(line["outcome"], "ok_degraded");
}

#[tokio::test]
async fn another_upstream_answers_for_one_that_is_full() {
    let (home, spare) = (Bff::hanging().await, Bff::saying("spare").await);
    let edge = with_spare(&home.endpoint(), ONE, &spare).start().await;
    let address = edge.plain();
    let held: JoinHandle<_> =
        tokio::spawn(async move { Client::h1(address).await.send(get("/tv/x")).await });
    home.saw(1).await;

    let reply = edge.send(post("/tv/x", "with a body")).await;

    assert_eq!((reply.status, reply.text()), (200, "spare"));
    assert_eq!(spare.requests()[0].body, b"with a body");
    held.abort();
}

#[tokio::test]
async fn body_that_was_begun_goes_nowhere_else() {
    let (gone, spare) = (bff::refusing(), Bff::saying("spare").await);
    let edge = with_spare(&gone, "", &spare).start().await;
    let reply = edge.send(post("/tv/x", "order")).await;
    assert_eq!((reply.status, reply.outcome().as_str()), (502, "origin_connect"));
    assert!(spare.requests().is_empty());
}

/// Statuses of requests to a route that always fails, long enough for its throttle to act.
async fn failing_for_long(throttle: &str) -> usize {
    let failing = Bff::failing(500).await;
    let edge = Site::with_route(&failing, "", throttle).edge("threads = 1").start().await;
    let mut client = edge.h1().await;
    let mut refused = 0;
    for _ in 0..400 {
        let reply = client.send(get("/tv/x")).await;
        if reply.status == 503 {
            let problem = reply.problem();
            assert_eq!(
                (&problem["outcome"], &problem["code"]),
                (&"breaker_open".into(), &"HG0033".into())
            );
            refused += 1;
        }
    }
    eventually("every exchange to be seen", || {
        (failing.requests().len() == 400 - refused).then_some(())
    })
    .await;
    refused
}

#[tokio::test]
async fn route_that_always_fails_is_tried_less_and_never_given_up() {
    let refused = failing_for_long("").await;
    // None of the first 150, nine in ten of the rest.
    assert!((150..250).contains(&refused), "{refused} of 400");
    assert_eq!(failing_for_long("throttle = { mode = \"observe\" }").await, 0);
    assert_eq!(failing_for_long("throttle = { mode = \"off\" }").await, 0);
}
