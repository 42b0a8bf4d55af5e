use super::*;

fn root(data: &'static str) -> Event {
    let root = Root {
        id: "o-1".into(),
        source: "/hg/test/orders".into(),
        kind: "order.placed.v1".into(),
        partition_key: "customer-7".into(),
        time: UnixTime::from_secs(1_795_243_200),
        trace_id: TraceId::from_bytes([7; 16]).unwrap(),
        span_id: SpanId::from_bytes([9; 8]).unwrap(),
    };
    Event::root(root, Bytes::from_static(data.as_bytes()))
}

fn follow(event: &Event, ordinal: u32) -> Result<Event, TooDeep> {
    let follow = Follow {
        id: format!("c-{ordinal}").into(),
        source: "/hg/test/billing".into(),
        kind: "order.charged.v1".into(),
        partition_key: "customer-7".into(),
        time: UnixTime::from_secs(1_795_243_201),
        ordinal,
    };
    event.follow(follow, Bytes::from_static(b"{}"))
}

#[test]
fn a_follower_keeps_what_the_series_has_and_names_its_cause() {
    let mut parent = root("{}");
    parent.priority = Class::Critical;
    parent.key = Some("k".into());
    parent.owner = Some("accounts/x".into());
    parent.probe = Some("order".into());
    let child = follow(&parent, 3).unwrap();
    assert_eq!((child.trace_id, child.span_id), (parent.trace_id, parent.span_id));
    assert_eq!(child.priority, Class::Critical);
    assert_eq!(child.owner.as_deref(), Some("accounts/x"));
    assert_eq!(child.probe.as_deref(), Some("order"));
    assert_eq!(child.causation_id.as_deref(), Some("o-1"));
    assert_eq!(child.step.as_str(), "0.3");
    assert_eq!(child.key, None, "the key names the parent's work");
}

#[test]
fn a_series_that_feeds_itself_ends() {
    let mut event = root("{}");
    for _ in 0..DEPTH_MAX {
        event = follow(&event, 1).unwrap();
    }
    assert_eq!(follow(&event, 1), Err(TooDeep));
}

#[test]
fn an_event_expires_at_its_time() {
    let mut event = root("{}");
    assert!(!event.is_expired(UnixTime::from_secs(u64::MAX)));
    event.expires_at = Some(UnixTime::from_secs(10));
    assert!(!event.is_expired(UnixTime::from_secs(9)));
    assert!(event.is_expired(UnixTime::from_secs(10)));
}

#[test]
fn an_event_without_partition_key_is_refused() {
    let mut event = root("{}");
    event.partition_key = "".into();
    assert_eq!(event.validate(), Err(InvalidEvent::Missing { attribute: "partitionkey" }));
}

#[test]
fn attributes_have_a_length() {
    let mut event = root("{}");
    event.key = Some("k".repeat(ATTRIBUTE_BYTES_MAX).into());
    assert_eq!(event.validate(), Ok(()));
    event.key = Some("k".repeat(ATTRIBUTE_BYTES_MAX + 1).into());
    let expected =
        InvalidEvent::AttributeTooLarge { attribute: "hgkey", bytes: ATTRIBUTE_BYTES_MAX + 1 };
    assert_eq!(event.validate(), Err(expected));
}

#[test]
fn data_has_a_length() {
    let text = |length: usize| Bytes::from(format!("\"{}\"", "x".repeat(length - 2)));
    let mut event = root("{}");
    event.data = text(DATA_BYTES_MAX);
    assert_eq!(event.validate(), Ok(()));
    event.data = text(DATA_BYTES_MAX + 1);
    let expected = InvalidEvent::DataTooLarge { bytes: DATA_BYTES_MAX + 1 };
    assert_eq!(event.validate(), Err(expected));
}

#[test]
fn data_is_json() {
    assert_eq!(root("[1, null]").validate(), Ok(()));
    for data in ["", "{", "{} {}", "'a'", "NaN"] {
        let refused = root(data).validate();
        assert!(matches!(refused, Err(InvalidEvent::DataNotJson { .. })), "{data:?}: {refused:?}");
    }
}

#[test]
fn work_is_named_by_the_key_and_else_by_source_and_id() {
    let mut event = root("{}");
    assert_eq!(event.work_key(), "id:/hg/test/orders\no-1");
    event.key = Some("id:/hg/test/orders\no-1".into());
    assert_eq!(event.work_key(), "key:id:/hg/test/orders\no-1");
}

#[test]
fn an_event_apart_from_its_data_carries_a_reference() {
    let event = root("[1]").apart("ni:///sha-256;x".into());
    assert_eq!((&*event.data, event.data_ref.as_deref()), (&b"null"[..], Some("ni:///sha-256;x")));
    assert_eq!(Event::decode(&event.encode().unwrap()).unwrap(), event);
    let attributes = event.attributes();
    let attribute = |name: &str| attributes.iter().find(|(it, _)| *it == name);
    assert_eq!(attribute("dataref").unwrap().1, "ni:///sha-256;x");
    assert_eq!(follow(&event, 1).unwrap().data_ref, None, "its data is its own");
}
