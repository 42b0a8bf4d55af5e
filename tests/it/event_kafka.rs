//! Events through Kafka, with their records in DynamoDB: several edges are one.

use std::process;

use headgate_events::kafka::KafkaLocal;
use headgate_idempotency::testing::DynamoDbLocal;
use headgate_tests::{Edge, Site};
use serde_json::json;

use crate::events::{charging, handler, order_route, place, platform, results};

/// An edge that shares its log and its records.
async fn edge(brokers: &str, endpoint: &str, tables: &[String]) -> Edge {
    let name = format!("it-{}", process::id());
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
    let one = edge(kafka.brokers(), table.endpoint(), &tables).await;
    let two = edge(kafka.brokers(), table.endpoint(), &tables).await;

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
