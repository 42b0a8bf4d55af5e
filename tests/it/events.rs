//! From a request to an event, through functions, to its results.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use headgate_tests::{
    Bff, Edge, Reply, Seen, Site, eventually, get, identity::sha256, post, within,
};
use serde_json::{Value, json};

/// The platform's tables of a site with events: two callers, `alice` and `bob`.
pub(crate) fn platform() -> String {
    let key = |name: &str| {
        let digest = sha256(&format!("{name}-key"));
        format!("{{ sha256 = \"{digest}\", subject = \"{name}\" }}")
    };
    let keys = format!("{}, {}", key("alice"), key("bob"));
    format!("[data]\ndir = \"data\"\n[identity.accounts]\napi_keys = [{keys}]\n")
}

/// A route that publishes orders; `more` are further lines of it.
pub(crate) fn order_route(publish: &str, more: &str) -> String {
    format!(
        "[route.order]\nmatch = \"POST /tv/orders\"\nauth = \"accounts\"\n\
         publish = {{ topic = \"orders\", type = \"order.placed.v1\", key = \"body.order_id\"{publish} }}\n\
         {more}\n"
    )
}

/// A handler of orders; `more` are further lines of it.
pub(crate) fn handler(name: &str, bff: &Bff, more: &str) -> String {
    format!(
        "[handler.{name}]\non = \"orders/order.placed.v1\"\n\
         call = \"http://{}/{name}\"\n{more}\n",
        bff.endpoint()
    )
}

pub(crate) fn site(tables: &[String]) -> Site {
    Site::new().platform(&platform()).team("tv", tables)
}

/// An order of alice's.
pub(crate) fn place(id: &str) -> headgate_tests::client::Call {
    post("/tv/orders", json!({ "order_id": id }).to_string()).header("x-api-key", "alice-key")
}

/// A function that answers each call by what it makes of it.
pub(crate) async fn function<F>(answer: F) -> Bff
where
    F: Fn(&Seen) -> (u16, &'static str, String) + Clone + Send + Sync + 'static,
{
    Bff::raw(move |mut connection| {
        let answer = answer.clone();
        async move {
            while let Some(seen) = connection.request().await {
                let (status, kind, body) = answer(&seen);
                connection.answer(status, &[("content-type", kind)], &body).await;
            }
        }
    })
    .await
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const OUTCOME: &str = "application/vnd.headgate.outcome+json";

/// A function that charges whatever it is called for.
pub(crate) async fn charging() -> Bff {
    function(|_| (200, JSON, "{\"charged\":true}".to_owned())).await
}

/// Asks for alice's results until every handler is done.
pub(crate) async fn results(edge: &Edge, location: &str) -> Value {
    let mut client = edge.h1().await;
    within("results", async {
        loop {
            let ask = get(location).header("x-api-key", "alice-key").header("prefer", "wait=2");
            let reply = client.send(ask).await;
            match reply.status {
                202 => assert!(!reply.header("retry-after").is_empty()),
                200 => return reply.json(),
                status => panic!("{status}: {}", reply.text()),
            }
        }
    })
    .await
}

fn accepted(reply: &Reply) -> String {
    assert_eq!(reply.status, 202, "{}", reply.text());
    let location = reply.header("location").to_owned();
    assert!(location.starts_with("/_headgate/results/"), "{location:?}");
    location
}

#[tokio::test]
async fn many_orders_are_taken() {
    let edge = site(&[order_route("", "")]).start().await;
    let mut client = edge.h1().await;
    // Far more than a route's throttle looks at before it refuses anything.
    for number in 0..400 {
        accepted(&client.send(place(&format!("o-{number}"))).await);
    }
}

#[tokio::test]
async fn order_is_an_event_that_a_function_handles_once() {
    let bff = charging().await;
    let edge = site(&[order_route("", ""), handler("charge", &bff, "")]).start().await;

    let reply = edge.send(place("o-1")).await;

    let location = accepted(&reply);
    assert_eq!(location, format!("/_headgate/results/{}", reply.trace_id()));
    assert_eq!(results(&edge, &location).await, json!({ "charge": { "charged": true } }));
    let calls = bff.requests();
    assert_eq!(calls.len(), 1);
    let call = &calls[0];
    assert_eq!((&*call.method, &*call.target), ("POST", "/charge"));
    assert_eq!(call.body, b"{\"order_id\":\"o-1\"}");
    let header = |name: &str| call.header(name).unwrap_or_else(|| panic!("no {name}")).to_owned();
    assert_eq!(header("ce-specversion"), "1.0");
    assert_eq!(header("ce-type"), "order.placed.v1");
    assert_eq!(header("ce-partitionkey"), "o-1");
    assert_eq!(header("ce-correlationid"), reply.trace_id());
    assert_eq!(header("content-type"), "application/json");
    assert!(header("traceparent").starts_with(&format!("00-{}-", reply.trace_id())));
    for name in ["ce-id", "ce-source", "ce-time", "idempotency-key", "headgate-deadline-ms"] {
        assert!(!header(name).is_empty(), "{name}");
    }
    let line = edge.access_line(reply.trace_id()).await;
    assert_eq!((&line["status"], &line["topic"]), (&202.into(), &"orders".into()), "{line}");
}

#[tokio::test]
async fn result_that_comes_in_time_is_the_answer() {
    let bff = charging().await;
    let tables = [order_route(", wait = \"10s\"", ""), handler("charge", &bff, "")];
    let edge = site(&tables).start().await;

    let reply = edge.send(place("o-1")).await;

    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json(), json!({ "charge": { "charged": true } }));
    let hanging = Bff::hanging().await;
    let tables = [order_route(", wait = \"100ms\"", ""), handler("charge", &hanging, "")];
    let slow = site(&tables);
    let slow = slow.start().await;
    let reply = slow.send(place("o-1")).await;
    accepted(&reply);
    let wish = slow.send(place("o-2").header("prefer", "wait=0")).await;
    accepted(&wish);
}

#[tokio::test]
async fn repeats_with_one_key_are_one_event() {
    let bff = charging().await;
    let tables =
        [order_route("", "idempotency = { required = true }"), handler("charge", &bff, "")];
    let edge = site(&tables).start().await;

    let first = edge.send(place("o-1").header("idempotency-key", "k")).await;

    let location = accepted(&first);
    assert_eq!(first.header("idempotency-replayed"), "");
    for _ in 0..9 {
        let repeat = edge.send(place("o-1").header("idempotency-key", "k")).await;
        assert_eq!(accepted(&repeat), location);
        assert_eq!(repeat.header("idempotency-replayed"), "true");
        assert_ne!(repeat.trace_id(), first.trace_id());
    }
    results(&edge, &location).await;
    let other = edge.send(place("o-2").header("idempotency-key", "k")).await;
    assert_eq!((other.status, &*other.outcome()), (422, "idempotency_conflict"));
    assert!(!other.text().contains("o-1"), "no word of the first payload");
    let none = edge.send(place("o-3")).await;
    assert_eq!((none.status, &*none.outcome()), (400, "idempotency_missing"));
    // A last order that is handled tells that nothing else was before it.
    let last = edge.send(place("o-1").header("idempotency-key", "last")).await;
    results(&edge, &accepted(&last)).await;
    assert_eq!(bff.requests().len(), 2);
}

/// Scenario S15 on a route that publishes: repeats get the first one's results, byte for byte, and
/// another payload with its key gets none of them.
#[tokio::test]
async fn repeats_get_the_results_byte_for_byte() {
    const SIZES: [usize; 4] = [0, 1, 1 << 10, 60 << 10];
    let bff = function(|seen| {
        let size = serde_json::from_slice::<Value>(&seen.body).unwrap()["size"].as_u64().unwrap();
        let result = "7".repeat(usize::try_from(size).unwrap());
        (200, JSON, json!({ "result": result }).to_string())
    })
    .await;
    let tables = [order_route(", wait = \"20s\"", ""), handler("charge", &bff, "")];
    let edge = site(&tables).start().await;
    let of = |size: usize, id: &str| {
        let body = json!({ "order_id": id, "size": size }).to_string();
        let call = post("/tv/orders", body).header("x-api-key", "alice-key");
        call.header("idempotency-key", format!("k{size}"))
    };

    for size in SIZES {
        let first = edge.send(of(size, "first")).await;
        assert_eq!(first.status, 200, "{}", first.text());
        assert!(first.body.len() >= size);
        for _ in 0..5 {
            let repeat = edge.send(of(size, "first")).await;
            assert_eq!((repeat.status, &repeat.body), (first.status, &first.body));
            assert_eq!(repeat.header("content-type"), first.header("content-type"));
            assert_eq!(repeat.header("location"), first.header("location"));
        }
        let other = edge.send(of(size, "other")).await;
        assert_eq!((other.status, &*other.outcome()), (422, "idempotency_conflict"));
        assert!(!other.text().contains("first") && !other.text().contains("777"));
    }
}

#[tokio::test]
async fn results_are_for_their_owner_alone() {
    let bff = charging().await;
    let edge = site(&[order_route("", ""), handler("charge", &bff, "")]).start().await;
    let location = accepted(&edge.send(place("o-1")).await);
    results(&edge, &location).await;

    let nobody = edge.send(get(&location)).await;
    assert_eq!((nobody.status, &nobody.problem()["code"]), (404, &"HG0042".into()));
    let bob = edge.send(get(&location).header("x-api-key", "bob-key")).await;
    assert_eq!(bob.status, 404);
    let other = "/_headgate/results/0123456789abcdef0123456789abcdef";
    assert_eq!(edge.send(get(other).header("x-api-key", "alice-key")).await.status, 404);
    assert_eq!(edge.send(get("/_headgate/results/x")).await.status, 404);

    let open = order_route(", wait = \"5s\"", "").replace("auth = \"accounts\"", "");
    let open = site(&[open, handler("charge", &bff, "")]).start().await;
    let reply = open.send(post("/tv/orders", "{\"order_id\":1}")).await;
    assert_eq!(reply.json(), json!({ "charge": { "charged": true } }), "it may wait");
    let later = open.send(get(reply.header("location")).header("x-api-key", "alice-key")).await;
    assert_eq!(later.status, 404, "and nobody may ask later");
}

#[tokio::test]
async fn request_that_makes_no_event_is_told_why() {
    let edge = site(&[order_route("", "max_body = \"100B\"")]).start().await;
    let send =
        |body: &'static str| edge.send(post("/tv/orders", body).header("x-api-key", "alice-key"));
    for (body, detail) in [
        ("", "no body"),
        ("{", "no JSON"),
        ("{}", "nothing where the event's key is expected"),
        ("{\"order_id\":[]}", "neither a text nor a whole number"),
    ] {
        let reply = send(body).await;
        let problem = reply.problem();
        assert_eq!((reply.status, &problem["code"]), (400, &"HG0040".into()), "{body}");
        assert_eq!(problem["outcome"], "client_bad_request");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
    }
    let long = Box::leak(format!("{{\"order_id\":\"{}\"}}", "x".repeat(90)).into_boxed_str());
    assert_eq!(send(long).await.status, 413);
    let nobody = edge.send(post("/tv/orders", "{\"order_id\":1}")).await;
    assert_eq!(nobody.status, 401);
    // An event that nobody handles has no results to wait for.
    let reply = send("{\"order_id\":1}").await;
    assert_eq!(results(&edge, &accepted(&reply)).await, json!({}));
}

#[tokio::test]
async fn function_that_fails_is_called_again_and_no_effect_is_doubled() {
    let calls = Arc::<AtomicUsize>::default();
    let bff = {
        let calls = Arc::clone(&calls);
        function(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
            0 => (503, JSON, "{}".to_owned()),
            1 => (409, JSON, "{}".to_owned()),
            _ => (200, OUTCOME, json!({
                "result": { "id": 7 },
                "emit": [{ "topic": "mail", "type": "mail.due.v1", "key": "a", "data": { "to": "a" } }],
            }).to_string()),
        })
        .await
    };
    let mail = charging().await;
    let mailer = format!(
        "[handler.mailer]\non = \"mail/mail.due.v1\"\ncall = \"http://{}/mail\"\n",
        mail.endpoint()
    );
    let retry = "retry = { max = 3, backoff = \"10ms..20ms\" }";
    let tables = [order_route("", ""), handler("charge", &bff, retry), mailer];
    let edge = site(&tables).start().await;

    let reply = edge.send(place("o-1")).await;

    assert_eq!(results(&edge, &accepted(&reply)).await, json!({ "charge": { "id": 7 } }));
    let calls = bff.requests();
    let key = |seen: &Seen| seen.header("idempotency-key").map(str::to_owned);
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| key(call) == key(&calls[0])), "one key for all attempts");
    let mails = eventually("the emitted event", || {
        let seen = mail.requests();
        (!seen.is_empty()).then_some(seen)
    })
    .await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].header("ce-causationid"), calls[0].header("ce-id"));
    assert_eq!(mails[0].header("ce-correlationid"), Some(reply.trace_id()));
    assert_eq!(mails[0].body, b"{\"to\":\"a\"}");
}

#[tokio::test]
async fn refusal_is_the_result_and_is_not_repeated() {
    let bff = function(|_| (422, JSON, "{\"why\":\"no money\"}".to_owned())).await;
    let edge = site(&[order_route("", ""), handler("charge", &bff, "")]).start().await;

    let location = accepted(&edge.send(place("o-1")).await);

    let found = results(&edge, &location).await;
    let error = found["charge"]["error"].as_str().unwrap();
    assert!(error.contains("422") && error.contains("no money"), "{error}");
    assert_eq!(bff.requests().len(), 1);
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_edge_is_killed() {
    let ledger = Arc::<std::sync::Mutex<std::collections::BTreeMap<String, usize>>>::default();
    let bff = {
        let ledger = Arc::clone(&ledger);
        function(move |seen| {
            let key = seen.header("idempotency-key").unwrap().to_owned();
            *ledger.lock().unwrap().entry(key).or_default() += 1;
            (200, JSON, String::from_utf8(seen.body.clone()).unwrap())
        })
        .await
    };
    let tables = [order_route("", ""), handler("charge", &bff, "concurrency = 2")];
    let mut edge = site(&tables).start().await;
    let mut locations = Vec::new();
    for round in 0..3 {
        let mut client = edge.h1().await;
        for number in 0..10 {
            let id = format!("o-{round}-{number}");
            locations.push((id.clone(), accepted(&client.send(place(&id)).await)));
        }
        edge = edge.kill_and_start().await;
    }

    for (id, location) in &locations {
        let result = results(&edge, location).await;
        assert_eq!(result, json!({ "charge": { "order_id": id } }));
    }
    assert_eq!(ledger.lock().unwrap().len(), locations.len(), "one effect key for each order");
}

#[tokio::test]
async fn events_of_a_key_come_in_their_order() {
    let bff = function(|seen| (200, JSON, String::from_utf8(seen.body.clone()).unwrap())).await;
    let failing = "order = \"per_key\"\nretry = { backoff = \"10ms..50ms\" }";
    let route = order_route("", "").replace("body.order_id", "body.device");
    let edge = site(&[route, handler("charge", &bff, failing)]).start().await;
    let mut client = edge.h1().await;
    let mut last = String::new();
    for number in 0..20 {
        let body = json!({ "device": number % 2, "n": number }).to_string();
        let reply = client.send(post("/tv/orders", body).header("x-api-key", "alice-key")).await;
        last = accepted(&reply);
    }
    results(&edge, &last).await;
    eventually("all calls", || (bff.requests().len() >= 20).then_some(())).await;
    for device in 0..2 {
        let seen =
            bff.requests().into_iter().map(|seen| serde_json::from_slice(&seen.body).unwrap());
        let of: Vec<Value> = seen.filter(|body: &Value| body["device"] == device).collect();
        let numbers: Vec<_> = of.iter().map(|body| body["n"].as_i64().unwrap()).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
    }
}

#[tokio::test]
async fn log_that_is_not_there_costs_the_events_and_nothing_else() {
    let bff = Bff::ok().await;
    let tables = [
        order_route("", ""),
        headgate_tests::upstream("home", &[&bff.endpoint()], ""),
        headgate_tests::route("home", "GET /tv/home", "home", ""),
    ];
    // What no store can be opened on.
    let edge = site(&tables).file("data/store.redb", "no store").start().await;

    let reply = edge.send(place("o-1")).await;

    assert_eq!((reply.status, &*reply.outcome()), (503, "store_unavailable"));
    assert_eq!(reply.problem()["code"], "HG0041");
    assert!(!reply.header("retry-after").is_empty());
    assert_eq!(edge.send(get("/tv/home")).await.status, 200);
}
