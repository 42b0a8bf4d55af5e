//! Events through Kafka, with their records in DynamoDB: several edges are one.

use std::{collections::BTreeSet, process, time::Duration};

use headgate_events::kafka::{Further, KafkaLocal, OwnKafka};
use headgate_idempotency::testing::{DynamoDbLocal, Link, Weather};
use headgate_tests::{
    Bff, Client, Edge, Folder, Reply, Site, get, post, push::Stream, route, upstream, within,
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::Instant};

use crate::events::{charging, handler, order_route, place, platform, results};

/// An edge that shares its log and its records with those of its test.
async fn edge(test: &str, brokers: &str, endpoint: &str, tables: &[String]) -> Edge {
    let name = format!("it-{}-{test}", process::id());
    let shared = format!(
        "[events]\nlog = \"kafka\"\nkafka = {{ brokers = {brokers:?} }}\n\
         [idempotency]\nstore = \"dynamodb\"\n\
         dynamodb = {{ table = \"{name}-events\", endpoint = {endpoint:?}, region = \"local\" }}\n"
    );
    let topic = format!("{name}-orders");
    let tables: Vec<_> = tables
        .iter()
        .map(|table| table.replace("\"orders\"", &format!("{topic:?}")))
        .map(|table| table.replace("\"orders/", &format!("\"{topic}/")))
        .collect();
    Site::new().platform(&platform()).platform(&shared).team("tv", &tables).start().await
}

#[tokio::test]
async fn edges_with_one_log_make_one_event_and_give_one_result() {
    let (Some(kafka), Some(table)) = (KafkaLocal::shared(), DynamoDbLocal::shared()) else {
        return;
    };
    let bff = charging().await;
    let tables = [order_route("", ""), handler("charge", &bff, "")];
    let one = edge("one", kafka.brokers(), table.endpoint(), &tables).await;
    let two = edge("one", kafka.brokers(), table.endpoint(), &tables).await;

    let first = one.send(place("o-1").header("idempotency-key", "k")).await;

    assert_eq!(first.status, 202, "{}", first.text());
    for edge in [&two, &one, &two] {
        let repeat = edge.send(place("o-1").header("idempotency-key", "k")).await;
        assert_eq!(repeat.header("location"), first.header("location"), "{}", repeat.text());
        assert_eq!(repeat.header("idempotency-replayed"), "true");
    }
    for edge in [&two, &one] {
        let found = results(edge, first.header("location")).await;
        assert_eq!(found, json!({ "charge": { "charged": true } }));
    }
    // A call may come once more with the same key, as when its partition moves to the other edge.
    let calls = bff.requests();
    let keys: BTreeSet<_> = calls.iter().map(|call| call.header("idempotency-key")).collect();
    assert_eq!(keys.len(), 1, "one effect");
}

/// An order of bob's, of whom no other test here is told anything.
fn of_bob(id: &str) -> headgate_tests::client::Call {
    post("/tv/orders", json!({ "order_id": id }).to_string()).header("x-api-key", "bob-key")
}

#[tokio::test]
async fn result_is_pushed_at_any_edge_and_goes_on_at_another() {
    let (Some(kafka), Some(table)) = (KafkaLocal::shared(), DynamoDbLocal::shared()) else {
        return;
    };
    let bff = charging().await;
    let tables = [order_route("", ""), handler("charge", &bff, "")];
    let one = edge("push", kafka.brokers(), table.endpoint(), &tables).await;
    let two = edge("push", kafka.brokers(), table.endpoint(), &tables).await;
    let mut streams =
        [Stream::open(&one, "bob-key", None).await, Stream::open(&two, "bob-key", None).await];

    let first = one.send(of_bob("p-1")).await;
    let mut places = Vec::new();
    for stream in &mut streams {
        assert_eq!(stream.pushed().await["trace_id"], first.trace_id());
        places.push(stream.last);
    }
    assert_eq!(places[0], places[1], "a place means the same at each edge");

    // The client's edge is killed, and it comes back to the other one.
    let [stream, _] = streams;
    drop((stream, one));
    let second = two.send(of_bob("p-2")).await;
    let mut again = Stream::open(&two, "bob-key", places[0]).await;
    assert_eq!(again.pushed().await["trace_id"], second.trace_id());
}

/// Posts until an answer has come; none comes of an edge that is killed meanwhile.
async fn posted(address: std::net::SocketAddr) -> Option<Reply> {
    let call = place("t-1").header("idempotency-key", "ten");
    let tcp = TcpStream::connect(address).await.ok()?;
    let response = Client::h1_on(tcp).await.try_open(call).await.ok()?;
    Reply::read(response).await.ok()
}

/// A device repeats a POST ten times over two edges, one of which is killed: one event, one result.
#[tokio::test]
async fn post_that_is_repeated_over_two_edges_is_one_event_with_one_result() {
    let (Some(kafka), Some(table)) = (KafkaLocal::shared(), DynamoDbLocal::shared()) else {
        return;
    };
    let bff = charging().await;
    let tables = [order_route("", ""), handler("charge", &bff, "")];
    let one = edge("ten", kafka.brokers(), table.endpoint(), &tables).await;
    let two = edge("ten", kafka.brokers(), table.endpoint(), &tables).await;
    let mut answers = vec![posted(one.plain()).await];
    let location = answers[0].as_ref().unwrap().header("location").to_owned();
    results(&two, &location).await;
    answers.push(posted(two.plain()).await);
    answers.push(posted(one.plain()).await);

    // One is killed with a repeat in flight.
    let in_flight = tokio::spawn(posted(one.plain()));
    one.signal(Signal::SIGKILL);
    answers.push(in_flight.await.unwrap());
    while answers.len() < 10 {
        answers.push(posted(two.plain()).await);
    }

    let answered: Vec<_> = answers.iter().flatten().collect();
    assert!(answered.len() >= 9, "{answers:?}");
    for answer in &answered {
        assert_eq!((answer.status, answer.header("location")), (202, &*location));
    }
    let found = results(&two, &location).await;
    assert_eq!(found, json!({ "charge": { "charged": true } }));
    let trace = location.rsplit('/').next().unwrap();
    let topic = format!("it-{}-ten-orders", process::id());
    for topic in [&*topic, "hg.results"] {
        let page = two.ask(&format!("/v1/events?topic={topic}&limit=256")).await.json();
        let of_series = |entry: &&Value| entry["event"].to_string().contains(trace);
        let events = page["events"].as_array().unwrap();
        assert_eq!(events.iter().filter(of_series).count(), 1, "{topic}: {page}");
    }
    let calls = bff.requests();
    let keys: BTreeSet<_> = calls.iter().map(|call| call.header("idempotency-key")).collect();
    assert_eq!(keys.len(), 1, "one effect");
}

#[tokio::test]
async fn breaker_that_opens_at_one_edge_is_told_at_the_other() {
    let (Some(kafka), Some(table)) = (KafkaLocal::shared(), DynamoDbLocal::shared()) else {
        return;
    };
    let (fails, works) = (Bff::failing(500).await, Bff::ok().await);
    let breaker = "breaker = { consecutive_failures = 1 }";
    let tables = [
        upstream("home", &[&fails.endpoint(), &works.endpoint()], breaker),
        route("home", "GET /tv/home", "home", ""),
    ];
    let one = edge("breaker", kafka.brokers(), table.endpoint(), &tables).await;
    let two = edge("breaker", kafka.brokers(), table.endpoint(), &tables).await;
    let of_one = |entry: &Value| {
        let node = entry["node"].as_str().unwrap();
        node.ends_with(&format!(":{}", one.admin().port())) && entry["from"] == "closed"
    };
    let told = within("the other's breaker", async {
        loop {
            one.send(get("/tv/home")).await;
            let page = two.ask("/v1/history?since=1h&kind=breaker").await.json();
            assert_eq!(page["fault"], Value::Null);
            let entries = page["entries"].as_array().unwrap();
            if let Some(entry) = entries.iter().find(|entry| of_one(entry)) {
                return entry.clone();
            }
        }
    })
    .await;

    assert_eq!(told["what"], format!("{} of tv/home", fails.endpoint()));
    assert_eq!(told["digest"], one.config().await["digest"]);
    let own = one.ask("/v1/history?since=1h&kind=breaker").await.json();
    let entries = own["entries"].as_array().unwrap();
    assert_eq!(entries.iter().filter(|entry| **entry == told).count(), 1, "{own}");
}

#[tokio::test]
async fn edge_that_is_cut_off_from_its_brokers_goes_on_after_it() {
    let Some(table) = DynamoDbLocal::shared().filter(|_| !KafkaLocal::is_left_out()) else {
        return;
    };
    let (folder, link) = (Folder::default(), Link::new().await);
    let further = Further::Behind(link.address().port());
    let kafka = OwnKafka::start_with(folder.path(), further).unwrap();
    link.leads_to(kafka.further());
    let bff = charging().await;
    let tables = [order_route("", ""), handler("charge", &bff, "")];
    let edge = edge("cut", &link.address().to_string(), table.endpoint(), &tables).await;
    let charged = json!({ "charge": { "charged": true } });
    let first = edge.send(place("o-1")).await;
    assert_eq!(results(&edge, first.header("location")).await, charged);

    link.set(Weather::Cut);
    // What is acknowledged stands in the table, and is carried to the brokers when they are back.
    let cut_off = edge.send(place("o-2")).await;
    assert_eq!(cut_off.status, 202, "{}", cut_off.text());
    link.set(Weather::Fair);
    assert_eq!(results(&edge, cut_off.header("location")).await, charged);

    link.reset();
    let after = edge.send(place("o-3")).await;
    assert_eq!(results(&edge, after.header("location")).await, charged);
}

/// How long the log is away in [`log_that_is_away_costs_publish_routes_alone`]; `cargo xtask load
/// push` takes a minute, and compares times.
const AWAY: Duration = Duration::from_secs(5);

#[tokio::test]
async fn log_that_is_away_costs_publish_routes_alone() {
    let Some(table) = DynamoDbLocal::shared().filter(|_| !KafkaLocal::is_left_out()) else {
        return;
    };
    let (folder, to_kafka) = (Folder::default(), Link::new().await);
    let further = Further::Behind(to_kafka.address().port());
    let kafka = OwnKafka::start_with(folder.path(), further).unwrap();
    to_kafka.leads_to(kafka.further());
    let endpoint = table.endpoint().trim_start_matches("http://").parse().unwrap();
    let to_table = Link::to(endpoint).await;
    let bff = charging().await;
    let home = upstream("home", &[&bff.endpoint()], "");
    let tables = [
        order_route("", ""),
        handler("charge", &bff, ""),
        home,
        route("home", "GET /tv/home", "home", ""),
    ];
    let behind = format!("http://{}", to_table.address());
    let edge = edge("away", &to_kafka.address().to_string(), &behind, &tables).await;
    let mut taken = Vec::new();
    for number in 0..5 {
        taken.push(edge.send(place(&format!("before-{number}"))).await);
    }

    for link in [&to_kafka, &to_table] {
        link.set(Weather::Cut);
    }
    let ends = Instant::now() + AWAY;
    let homes = async {
        let mut client = edge.h1().await;
        while Instant::now() < ends {
            assert_eq!(client.send(get("/tv/home")).await.status, 200);
        }
    };
    let orders = async {
        let (mut client, mut answers) = (edge.h1().await, Vec::new());
        while Instant::now() < ends {
            answers.push(client.send(place(&format!("away-{}", answers.len()))).await);
        }
        answers
    };
    let ((), answers) = tokio::join!(homes, orders);
    for link in [&to_kafka, &to_table] {
        link.set(Weather::Fair);
    }

    assert!(!answers.is_empty());
    for answer in &answers {
        assert_eq!((answer.status, &*answer.outcome()), (503, "store_unavailable"));
        assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    }
    // Those that were refused can be sent again, and what was taken is handled.
    taken.push(edge.send(place("after").header("idempotency-key", "after")).await);
    for reply in &taken {
        assert_eq!(reply.status, 202, "{}", reply.text());
        let found = results(&edge, reply.header("location")).await;
        assert_eq!(found, json!({ "charge": { "charged": true } }));
    }
}
