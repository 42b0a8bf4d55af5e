use bytes::Bytes;
use headgate_types::{Root, SpanId, TraceId, UnixTime};
use serde_json::json;

use super::*;
use crate::sink::{Column, Kind};

fn table(columns: &[&str], sequence: Option<&str>) -> Table {
    let column = |from: &&str| Column {
        name: from.replace('.', "_"),
        kind: Kind::Text,
        value: from.parse().unwrap(),
    };
    Table {
        name: "orders".to_owned(),
        topic: "orders".to_owned(),
        kinds: vec!["order.placed.v1".to_owned()],
        columns: columns.iter().map(column).collect(),
        key: vec![columns[0].replace('.', "_")],
        sequence: sequence.map(|from| from.parse().unwrap()),
    }
}

fn entry(kind: &str, data: &str) -> Entry {
    let root = Root {
        id: "e1".into(),
        source: "/tests".into(),
        kind: kind.into(),
        partition_key: "k".into(),
        time: UnixTime::from_secs(1_700_000_000),
        trace_id: TraceId::from_bytes([7; 16]).unwrap(),
        span_id: SpanId::from_bytes([7; 8]).unwrap(),
    };
    let event = Event::root(root, Bytes::from(data.to_owned()));
    let value = event.encode().unwrap();
    let time = event.time;
    Entry { partition: 0, offset: 41, time, key: None, headers: Vec::new(), value }
}

fn of(table: &Table, data: &str) -> Fate {
    fate(table, &entry("order.placed.v1", data))
}

#[test]
fn columns_get_attributes_and_parts_of_the_data() {
    let table = table(&["id", "partitionkey", "time", "data.customer.name", "data.gone"], None);
    let row = of(&table, r#"{"customer":{"name":"Ada"}}"#);
    let wanted = json!({
        "id": "e1", "partitionkey": "k", "time": "2023-11-14T22:13:20.000Z",
        "data_customer_name": "Ada", "data_gone": null, "hg_seq": 41
    });
    assert_eq!(row, Fate::Row(wanted));
}

#[test]
fn a_sequence_may_be_the_producers_own() {
    let table = table(&["id"], Some("data.version"));
    let wanted = json!({ "id": "e1", "hg_seq": 7 });
    assert_eq!(of(&table, r#"{"version":7}"#), Fate::Row(wanted));
    let Fate::Rejected(why) = of(&table, r#"{"version":"x"}"#) else { panic!("no number") };
    assert_eq!(why, "its sequence is no whole number");
}

#[test]
fn a_row_without_its_key_is_rejected() {
    let table = table(&["data.order_id"], None);
    let Fate::Rejected(why) = of(&table, "{}") else { panic!("there is no key") };
    assert_eq!(why, "it has no data_order_id");
}

#[test]
fn probes_are_in_no_table() {
    let mut entry = entry("order.placed.v1", "{}");
    let mut event = entry.event().unwrap();
    event.probe = Some("order".into());
    entry.value = event.encode().unwrap();
    assert_eq!(fate(&table(&["id"], None), &entry), Fate::Passed);
}

#[test]
fn other_types_are_passed_over() {
    assert_eq!(fate(&table(&["id"], None), &entry("order.gone.v1", "{}")), Fate::Passed);
}

#[test]
fn what_is_no_event_is_rejected() {
    let poison = Entry { value: Bytes::from_static(b"\xff\x00"), ..entry("x", "{}") };
    assert!(matches!(fate(&table(&["id"], None), &poison), Fate::Rejected(_)));
}
