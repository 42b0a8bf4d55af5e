//! A request with an `idempotency-key` is carried out once, and answered as often as it is asked.

use std::time::Duration;

use bytes::Bytes;
use headgate_tests::{
    Bff, Client, Edge, Reply, Shop, Site, bff,
    client::{call, streamed},
    get,
    identity::sha256,
    keyed, keyed_in,
    metrics::Metrics,
    order, post, route, upstream,
    websocket::{TEXT, echo, handshake, masked, read_frame},
    within,
};
use http_body_util::BodyExt;
use tokio::task::JoinSet;

/// What a problem of the edge says.
fn told(reply: &Reply) -> (u16, String, String) {
    let problem = reply.problem();
    (reply.status, reply.outcome(), problem["code"].as_str().unwrap().to_owned())
}

fn is(reply: &Reply, status: u16, outcome: &str, code: &str) {
    assert_eq!(told(reply), (status, outcome.to_owned(), code.to_owned()), "{}", reply.text());
}

/// The same answer as the first, under a trace of its own.
fn repeats(first: &Reply, repeat: &Reply) {
    assert_eq!(repeat.header("idempotency-replayed"), "true");
    assert_eq!(first.header("idempotency-replayed"), "");
    assert_eq!((repeat.status, &repeat.body), (first.status, &first.body));
    for name in ["content-type", "location", "content-length"] {
        assert_eq!(repeat.header(name), first.header(name), "{name}");
    }
    assert_ne!(repeat.trace_id(), first.trace_id());
}

#[tokio::test]
async fn key_is_asked_for_where_it_is_required() {
    let shop = Shop::open().await;
    let edge = keyed(&shop.bff, "required = true").start().await;

    is(&edge.send(post("/tv/orders", "{}")).await, 400, "idempotency_missing", "HG0019");
    for key in ["\"open", "a b", "\u{20}", &"k".repeat(256)] {
        let reply = edge.send(order(key, "{}")).await;
        is(&reply, 400, "client_bad_request", "HG0020");
        assert!(reply.problem()["detail"].as_str().unwrap().starts_with("idempotency-key "));
    }
    let twice = order("a", "{}").header("idempotency-key", "b");
    is(&edge.send(twice).await, 400, "client_bad_request", "HG0020");
    assert_eq!(shop.orders(), 0);

    assert_eq!(edge.send(get("/tv/orders")).await.status, 201, "a safe method needs no key");
    let other = keyed(&shop.bff, "required = false").start().await;
    assert_eq!(other.send(post("/tv/orders", "{}")).await.status, 201);
    assert_eq!(other.send(post("/tv/orders", "{}")).await.status, 201);
    assert_eq!(shop.orders(), 3);
}

#[tokio::test]
async fn repeat_gets_the_first_answer() {
    let shop = Shop::open().await;
    let edge = keyed(&shop.bff, "required = true").start().await;

    for (number, key) in [(1, "8e03978e-40d5-43dd-bc93-6894a57f9324"), (2, "order:4711")] {
        let first = edge.send(order(key, "{\"item\":1}")).await;
        assert_eq!((first.status, first.text()), (201, &*format!("{{\"order\":{number}}}")));
        assert_eq!(first.header("set-cookie"), "session=secret");

        repeats(&first, &edge.send(order(key, "{\"item\":1}")).await);
        let quoted = format!("\"{key}\"");
        let by_h2 = edge.h2().await.send(order(&quoted, "{\"item\":1}")).await;
        repeats(&first, &by_h2);
        assert_eq!(by_h2.header("set-cookie"), "", "a secret was kept");
        assert_eq!(shop.orders(), number);
    }
    let seen = shop.bff.requests();
    assert_eq!(seen[1].header("idempotency-key"), Some("order:4711"), "the BFF can check too");
    assert_eq!(seen[1].body, b"{\"item\":1}");
    edge.metrics_show("four replays", |metrics| {
        metrics.sum("headgate_gateway_replayed_requests_total", &[("route", "all")]) == 4
    })
    .await;
}

/// Scenario S15: what is refused says nothing of what it collides with.
#[tokio::test]
async fn other_request_is_422_without_a_byte_of_the_first() {
    let shop = Shop::open().await;
    let edge = keyed(&shop.bff, "").start().await;
    let secret = "{\"card\":\"4242424242424242\"}";
    let first = edge.send(order("k", secret)).await;
    assert_eq!(first.status, 201);

    let other_path = post("/tv/carts", secret).header("idempotency-key", "k");
    let other_query = post("/tv/orders?a=1", secret).header("idempotency-key", "k");
    let other_method = call("PUT", "/tv/orders").header("idempotency-key", "k");
    for request in
        [order("k", "{\"card\":\"1\"}"), order("k", ""), other_path, other_query, other_method]
    {
        let reply = edge.send(request).await;
        is(&reply, 422, "idempotency_conflict", "HG0021");
        assert_eq!(reply.problem()["retryable"], false);
        let head = format!("{:?}", reply.headers);
        for byte_of_old in ["4242", "order\"", first.trace_id(), "/tv/orders/1"] {
            assert!(!reply.text().contains(byte_of_old) && !head.contains(byte_of_old));
        }
    }
    assert_eq!(shop.orders(), 1);
}

#[tokio::test]
async fn twin_is_told_to_come_back_while_the_first_is_served() {
    let shop = Shop::slow().await;
    let edge = keyed(&shop.bff, "").start().await;
    let mut client = edge.h1().await;
    let first = tokio::spawn(async move { client.send(order("k", "{}")).await });
    shop.took(1).await;

    let twin = edge.send(order("k", "{}")).await;
    is(&twin, 409, "idempotency_busy", "HG0022");
    assert_eq!(twin.problem()["retryable"], true);
    assert!(twin.header("retry-after").parse::<u64>().unwrap() >= 1);

    shop.answer();
    let first = first.await.unwrap();
    assert_eq!(first.status, 201);
    repeats(&first, &edge.send(order("k", "{}")).await);
    assert_eq!(shop.orders(), 1);
}

/// Sends twins at once, and returns their answers.
async fn twins(edge: &Edge, count: usize, prefer: &'static str) -> JoinSet<Reply> {
    let mut sent = JoinSet::new();
    for _ in 0..count {
        let mut client = Client::h1(edge.plain()).await;
        sent.spawn(async move { client.send(order("k", "{}").header("prefer", prefer)).await });
    }
    sent
}

#[tokio::test]
async fn twins_wait_for_the_one_call() {
    for (entries, prefer) in [("wait = \"10s\"", "respond-async"), ("", "wait=10")] {
        let shop = Shop::slow().await;
        let edge = keyed(&shop.bff, entries).start().await;
        let sent = twins(&edge, 8, prefer).await;
        shop.took(1).await;
        shop.answer();

        let replies = within("all twins", sent.join_all()).await;
        assert_eq!(shop.orders(), 1, "{prefer}");
        let (again, first): (Vec<_>, Vec<_>) =
            replies.iter().partition(|reply| reply.header("idempotency-replayed") == "true");
        assert_eq!((first.len(), again.len()), (1, 7), "{prefer}");
        for again in again {
            repeats(first[0], again);
        }
    }
}

#[tokio::test]
async fn twin_waits_no_longer_than_it_wants() {
    let shop = Shop::slow().await;
    let edge = keyed(&shop.bff, "wait = \"10s\"").start().await;
    let mut client = edge.h1().await;
    let first = tokio::spawn(async move { client.send(order("k", "{}")).await });
    shop.took(1).await;

    let twin = edge.send(order("k", "{}").header("prefer", "wait=0")).await;
    is(&twin, 409, "idempotency_busy", "HG0022");
    shop.answer();
    assert_eq!(first.await.unwrap().status, 201);
}

#[tokio::test]
async fn answers_are_kept_by_their_status() {
    for (entries, status, is_kept) in [
        ("", 200, true),
        ("", 303, true),
        ("", 404, true),
        ("", 408, false),
        ("", 425, false),
        ("", 429, false),
        ("", 500, false),
        ("", 503, false),
        ("keep = [\"2xx\", \"5xx\"]", 500, true),
        ("keep = [\"2xx\", \"5xx\"]", 404, false),
    ] {
        let bff = Bff::failing(status).await;
        let edge = keyed(&bff, entries).start().await;
        let first = edge.send(order("k", "{}")).await;
        let again = edge.send(order("k", "{}")).await;
        assert_eq!((first.status, again.status), (status, status), "{entries}");
        assert_eq!(bff.requests().len(), if is_kept { 1 } else { 2 }, "{entries} {status}");
        assert_eq!(again.header("idempotency-replayed") == "true", is_kept, "{entries} {status}");
    }
}

#[tokio::test]
async fn body_with_a_key_has_a_limit_of_its_own() {
    let shop = Shop::open().await;
    let edge = keyed(&shop.bff, "max_body = \"8B\"").start().await;

    assert_eq!(edge.send(order("a", "12345678")).await.status, 201);
    let declared = edge.send(order("b", "123456789")).await;
    is(&declared, 413, "client_too_large", "HG0008");
    let (mut sender, body) = streamed();
    let mut client = edge.h1().await;
    let chunked = call("POST", "/tv/orders").header("idempotency-key", "c").body(body);
    let sending = tokio::spawn(async move { client.send(chunked).await });
    sender.send_data(Bytes::from_static(b"123456789")).await.unwrap();
    is(&sending.await.unwrap(), 413, "client_too_large", "HG0008");
    assert_eq!(shop.orders(), 1);

    assert_eq!(edge.send(post("/tv/orders", "123456789")).await.status, 201, "without a key");
}

#[tokio::test]
async fn longer_answer_passes_and_is_not_repeated() {
    let long = "x".repeat(200);
    let declared = format!("HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n{long}");
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\n{0}\r\n64\r\n{0}\r\n0\r\n\r\n",
        "x".repeat(100)
    );
    for answer in [declared, chunked] {
        let bff = Bff::answering(answer.clone()).await;
        let edge = keyed(&bff, "max_answer = \"199B\"").start().await;
        let first = edge.send(order("k", "{}")).await;
        assert_eq!((first.status, first.text()), (200, &*long), "{answer}");

        let again = edge.send(order("k", "{}")).await;
        is(&again, 422, "idempotency_conflict", "HG0024");
        assert_eq!(bff.requests().len(), 1);

        let roomy = keyed(&bff, "max_answer = \"200B\"").start().await;
        let first = roomy.send(order("k", "{}")).await;
        repeats(&first, &roomy.send(order("k", "{}")).await);
    }
}

/// Scenario S15 in short: repeats are answered with the same status and bytes, and another request
/// with the key is refused.
#[tokio::test]
async fn replay_is_byte_identical_up_to_the_limit() {
    const LIMIT: usize = 1 << 20;
    let sizes = [0, 1, 63, 1 << 10, (64 << 10) + 1, 512 << 10, LIMIT - 1, LIMIT];
    let bff = Bff::http(move |request| async move {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let size: usize = std::str::from_utf8(&body).unwrap().parse().unwrap();
        // Every byte, and no two answers alike.
        let bytes: Vec<u8> = (0..size).map(|at| (at * 31 + size).to_le_bytes()[0]).collect();
        bff::respond(200, bytes)
    })
    .await;
    let edge = keyed(&bff, "max_answer = \"1MiB\"").start().await;

    for size in sizes {
        let of =
            |body: String| post("/tv/orders", body).header("idempotency-key", format!("k{size}"));
        let first = edge.send(of(size.to_string())).await;
        assert_eq!((first.status, first.body.len()), (200, size));
        for _ in 0..3 {
            repeats(&first, &edge.send(of(size.to_string())).await);
            repeats(&first, &edge.h2().await.send(of(size.to_string())).await);
        }
        is(
            &edge.send(of("1".to_owned() + &size.to_string())).await,
            422,
            "idempotency_conflict",
            "HG0021",
        );
    }
}

#[tokio::test]
async fn callers_and_routes_have_keys_of_their_own() {
    let shop = Shop::open().await;
    let keys = format!(
        "[identity.keys]\napi_keys = [{{ sha256 = \"{}\", subject = \"ada\" }}, \
         {{ sha256 = \"{}\", subject = \"ada\" }}, {{ sha256 = \"{}\", subject = \"bob\" }}]\n\
         [identity.partners]\nheader = \"x-partner\"\n\
         api_keys = [{{ sha256 = \"{}\", subject = \"ada\" }}]\n[data]\ndir = \"data\"\n",
        sha256("ada"),
        sha256("ada-2"),
        sha256("bob"),
        sha256("partner")
    );
    let lines = |auth: &str| format!("auth = {auth:?}\nidempotency = {{ required = true }}");
    let edge = Site::new()
        .platform(&keys)
        .team(
            "tv",
            &[
                upstream("home", &[&shop.bff.endpoint()], ""),
                route("orders", "POST /tv/orders", "home", &lines("keys")),
                route("partners", "POST /tv/partners", "home", &lines("partners")),
                route("carts", "POST /tv/carts", "home", &lines("keys")),
            ],
        )
        .start()
        .await;
    let ask = async |path: &str, header: &str, secret: &str| {
        let call = post(path, "{}").header("idempotency-key", "k").header(header, secret);
        edge.send(call).await
    };

    let ada = ask("/tv/orders", "x-api-key", "ada").await;
    let bob = ask("/tv/orders", "x-api-key", "bob").await;
    let cart = ask("/tv/carts", "x-api-key", "ada").await;
    let partner = ask("/tv/partners", "x-partner", "partner").await;
    let orders: Vec<_> = [&ada, &bob, &cart, &partner].map(Reply::text).to_vec();
    assert_eq!(orders, ["{\"order\":1}", "{\"order\":2}", "{\"order\":3}", "{\"order\":4}"]);

    // The same subject by another credential is the same caller.
    repeats(&ada, &ask("/tv/orders", "x-api-key", "ada-2").await);
    repeats(&bob, &ask("/tv/orders", "x-api-key", "bob").await);
    assert_eq!(ask("/tv/orders", "x-api-key", "eve").await.status, 401);
    assert_eq!(shop.orders(), 4);
}

#[tokio::test]
async fn websocket_opens_without_a_key() {
    let bff = Bff::raw(echo).await;
    let edge = keyed(&bff, "required = true").start().await;
    let mut raw = edge.raw().await;
    raw.send(handshake("/tv/socket")).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 101 "));
    raw.send(masked(TEXT, b"hello")).await;
    assert_eq!(read_frame(&mut raw).await, (TEXT, b"hello".to_vec()));
}

#[tokio::test]
async fn event_stream_passes_event_by_event_and_is_not_kept() {
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let told = std::sync::Arc::clone(&gate);
    let bff = Bff::raw(move |mut connection| {
        let told = std::sync::Arc::clone(&told);
        async move {
            connection.request().await;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                        transfer-encoding: chunked\r\n\r\n5\r\ndata:\r\n";
            connection.write(head).await;
            told.notified().await;
            connection.write("0\r\n\r\n").await;
        }
    })
    .await;
    let edge = keyed(&bff, "").start().await;
    let mut client = edge.h1().await;

    let mut stream = client.open(order("k", "{}")).await;
    let event = within("the event", stream.frame()).await.unwrap().unwrap();
    assert_eq!(event.into_data().unwrap(), "data:");
    is(&edge.send(order("k", "{}")).await, 422, "idempotency_conflict", "HG0024");
    gate.notify_one();
    within("the end", stream.into_body().collect()).await.unwrap();
}

#[tokio::test]
async fn grpc_is_not_served_under_a_key() {
    let shop = Shop::open().await;
    let edge = keyed(&shop.bff, "").start().await;
    let grpc = || post("/tv/Say", "").header("content-type", "application/grpc");
    let refused = edge.send(grpc().header("idempotency-key", "k")).await;
    assert_eq!((refused.status, refused.header("grpc-status")), (200, "3"));
    assert_eq!(edge.send(grpc()).await.status, 201);
    assert_eq!(shop.orders(), 1);
}

#[tokio::test]
async fn key_is_free_again_after_its_time() {
    let shop = Shop::open().await;
    let times = "ttl = \"1500ms\", lease = \"1s\"";
    let edge = keyed_in(&shop.bff, "data", "timeout = \"1s\"", times).start().await;
    let first = edge.send(order("k", "{}")).await;
    repeats(&first, &edge.send(order("k", "{}")).await);

    tokio::time::sleep(Duration::from_millis(1_600)).await;
    let later = edge.send(order("k", "{\"other\":true}")).await;
    assert_eq!((later.status, later.text()), (201, "{\"order\":2}"));
}

#[tokio::test]
async fn every_request_ends_in_one_outcome() {
    let shop = Shop::slow().await;
    let edge = keyed(&shop.bff, "required = true").start().await;
    let mut client = edge.h1().await;
    let first = tokio::spawn(async move { client.send(order("k", "{}")).await });
    shop.took(1).await;
    edge.send(order("k", "{}")).await;
    shop.answer();
    first.await.unwrap();
    edge.send(order("k", "{}")).await;
    edge.send(order("k", "{\"other\":true}")).await;
    edge.send(post("/tv/orders", "{}")).await;
    edge.send(order("a b", "{}")).await;

    let sum = |metrics: &Metrics, name: &str| metrics.sum(name, &[("route", "all")]);
    let ended = "headgate_gateway_ended_requests_total";
    let metrics = edge.metrics_show("six ends", |metrics| sum(metrics, ended) >= 6).await;
    for (outcome, count) in [
        ("ok", 2),
        ("idempotency_busy", 1),
        ("idempotency_conflict", 1),
        ("idempotency_missing", 1),
        ("client_bad_request", 1),
    ] {
        let labels = [("route", "all"), ("outcome", outcome)];
        assert_eq!(metrics.sum(ended, &labels), count, "{outcome}");
    }
    assert_eq!(sum(&metrics, "headgate_gateway_arrived_requests_total"), 6);
    assert_eq!(sum(&metrics, "headgate_gateway_in_flight_requests"), 0);
}
