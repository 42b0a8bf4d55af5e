use bytes::Bytes;
use headgate_types::{Root, SpanId, TraceId, UnixTime};

use super::*;

fn parent(source: &str, id: &str) -> Event {
    let root = Root {
        id: id.into(),
        source: source.into(),
        kind: "k".into(),
        partition_key: "p".into(),
        time: UnixTime::from_secs(1),
        trace_id: TraceId::from_bytes([7; 16]).unwrap(),
        span_id: SpanId::from_bytes([9; 8]).unwrap(),
    };
    Event::root(root, Bytes::from_static(b"1"))
}

fn id(source: &str, id: &str, scope: &str, label: &str) -> String {
    child_id(&parent(source, id), &Scope::new(scope).unwrap(), label)
}

#[test]
fn an_id_lasts_over_releases() {
    assert_eq!(id("/s", "e-1", "billing.charge@1", "charged"), "owae7yrceounlqms7cuiah2stafzmq3x");
    assert_eq!(root_id("accounts/7", "tv/order", "k-1"), "rua4eivrgzzhzicjf5mloysg7wvrz5w6");
}

#[test]
fn every_part_counts_and_none_runs_into_the_next() {
    let ids = [
        id("/s", "e1", "scope", "label"),
        id("/se", "1", "scope", "label"),
        id("/s", "e1s", "cope", "label"),
        id("/s", "e1", "scopel", "abel"),
        id("/s", "e1", "scope", "label2"),
        root_id("/s", "e1", "scope"),
        root_id("/se", "1", "scope"),
    ];
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len());
}

#[test]
fn what_changes_between_attempts_has_no_part_in_it() {
    let mut later = parent("/s", "e-1");
    later.time = UnixTime::from_secs(2);
    later.data = Bytes::from_static(b"2");
    let scope = Scope::new("scope").unwrap();
    assert_eq!(child_id(&later, &scope, "l"), child_id(&parent("/s", "e-1"), &scope, "l"));
}
