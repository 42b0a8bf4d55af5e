//! Every exchange has one trace, and everybody can name it.

use headgate_tests::{Bff, Site, bff, get, post, route, tls::Authority, upstream};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn trace_of(traceparent: &str) -> &str {
    let parts: Vec<_> = traceparent.split('-').collect();
    assert_eq!((parts.len(), parts[0]), (4, "00"), "{traceparent}");
    parts[1]
}

#[tokio::test]
async fn trace_of_a_trusted_peer_goes_on() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("trusted_peers = [\"127.0.0.0/8\"]").start().await;

    let call = get("/tv/x").header("traceparent", PARENT).header("tracestate", "a=1,b=2");
    let reply = edge.send(call).await;

    assert_eq!(reply.trace_id(), TRACE);
    let seen = bff.first().await;
    let parent = seen.header("traceparent").unwrap();
    assert_eq!(trace_of(parent), TRACE);
    assert_ne!(parent, PARENT, "the edge has a span of its own");
    assert!(parent.ends_with("-01"), "sampled stays sampled: {parent}");
    assert_eq!(seen.header("tracestate"), Some("a=1,b=2"));
}

#[tokio::test]
async fn trace_of_anybody_else_is_replaced_and_noted() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("trusted_peers = [\"10.0.0.0/8\"]").start().await;

    let call = get("/tv/x").header("traceparent", PARENT).header("tracestate", "a=1");
    let reply = edge.send(call).await;

    assert_ne!(reply.trace_id(), TRACE);
    let seen = bff.first().await;
    assert_eq!(trace_of(seen.header("traceparent").unwrap()), reply.trace_id());
    assert_eq!(seen.headers("traceparent").len(), 1);
    assert_eq!(seen.header("tracestate"), None);
    let line = edge.access_line(reply.trace_id()).await;
    assert_eq!(line["untrusted_traceparent"], PARENT);
}

#[tokio::test]
async fn malformed_trace_is_replaced_even_from_a_trusted_peer() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("trusted_peers = [\"127.0.0.1\"]").start().await;

    for parent in [
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "nonsense",
        "",
    ] {
        let reply = edge.send(get("/tv/x").header("traceparent", parent)).await;
        assert_ne!(reply.trace_id(), TRACE, "{parent}");
    }
}

#[tokio::test]
async fn two_exchanges_have_two_traces() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;
    let mut client = edge.h1().await;

    let (one, two) = (client.send(get("/tv/x")).await, client.send(get("/tv/x")).await);

    assert_ne!(one.trace_id(), two.trace_id());
}

#[tokio::test]
async fn refusals_have_a_trace_on_every_protocol() {
    let authority = Authority::default();
    let gone = bff::refusing();
    let edge = Site::new()
        .team(
            "tv",
            &[upstream("home", &[&gone], ""), route("x", "* /tv/x", "home", "max_body = \"1KiB\"")],
        )
        .tls(&authority, &["localhost"])
        .start()
        .await;

    for mut client in [
        edge.h1().await,
        edge.h2().await,
        edge.tls_h1(&authority, "localhost").await,
        edge.tls_h2(&authority, "localhost").await,
    ] {
        // Each problem body is checked for the trace id of its own header.
        assert_eq!(client.send(get("/tv/x")).await.outcome(), "origin_connect");
        assert_eq!(client.send(get("/nowhere")).await.outcome(), "no_route");
        assert_eq!(client.send(post("/tv/x", vec![0; 2048])).await.outcome(), "client_too_large");
    }
}
