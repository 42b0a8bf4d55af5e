//! Events through Kafka, with their records in DynamoDB: several edges are one.

use std::process;

use headgate_events::kafka::KafkaLocal;
use headgate_idempotency::testing::DynamoDbLocal;
use headgate_tests::{Edge, Site, post};
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
