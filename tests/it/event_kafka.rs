//! Events through Kafka, with their records in DynamoDB: several edges are one.

use std::process;

use headgate_events::kafka::{Further, KafkaLocal, OwnKafka};
use headgate_idempotency::testing::{DynamoDbLocal, Link, Weather};
use headgate_tests::{Edge, Folder, Site, post};
use serde_json::json;

use crate::{
    events::{charging, handler, order_route, place, platform, results},
    push::Stream,
};

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
    assert_eq!(bff.requests().len(), 1);
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
