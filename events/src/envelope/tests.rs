use std::sync::Arc;

use headgate_types::{Class, DATA_BYTES_MAX, Root, SpanId, Step, TraceId, UnixTime};
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

fn event() -> Event {
    let root = Root {
        id: "e-1".into(),
        source: "/hg/edge".into(),
        kind: "order.placed.v1".into(),
        partition_key: "o 7 é\"%".into(),
        time: UnixTime::from_secs(1_800_000_000),
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap(),
        span_id: "00f067aa0ba902b7".parse().unwrap(),
    };
    let event = Event::root(root, Bytes::from_static(br#"{"amount":5}"#));
    Event {
        is_sampled: false,
        subject: Some("order 7".into()),
        causation_id: Some("e-0".into()),
        step: "0.2.1".parse().unwrap(),
        key: Some("o-7".into()),
        expires_at: Some(UnixTime::from_secs(1_800_000_060)),
        priority: Class::ALL[0],
        owner: Some("accounts/k7".into()),
        probe: Some("order".into()),
        ..event
    }
}

fn through_kafka(event: &Event) -> Result<Event, DecodeEventError> {
    let headers = kafka_headers(event);
    let headers = headers.iter().map(|(name, value)| (&**name, value.as_bytes()));
    from_kafka(headers, &event.data)
}

fn over_http(event: &Event) -> Result<Event, DecodeEventError> {
    let headers = http_headers(event).into_iter().map(|(name, value)| {
        let name: HeaderName = name.parse().expect("the name is a header's");
        (name, HeaderValue::from_str(&value).expect("the value is a header's"))
    });
    from_http(&headers.collect(), &event.data)
}

/// What an ordinary CloudEvents consumer looks for.
#[test]
fn attributes_have_the_names_of_the_standard() {
    let headers = kafka_headers(&event());
    let value =
        |name: &str| headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str());

    assert_eq!(value("ce_specversion"), Some("1.0"));
    assert_eq!(value("ce_id"), Some("e-1"));
    assert_eq!(value("ce_type"), Some("order.placed.v1"));
    assert_eq!(value("ce_partitionkey"), Some("o 7 é\"%"));
    assert_eq!(value("ce_correlationid"), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(
        value("ce_traceparent"),
        Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
    );
    assert_eq!(value("ce_causationid"), Some("e-0"));
    assert_eq!(value("ce_hgstep"), Some("0.2.1"));
    assert_eq!(value("content-type"), Some("application/json"));
    assert_eq!(value("ce_datacontenttype"), None, "the content type says it");
}

#[test]
fn http_values_are_percent_encoded() {
    let headers = http_headers(&event());
    let key = headers.iter().find(|(name, _)| name == "ce-partitionkey");
    assert_eq!(key.map(|(_, value)| value.as_str()), Some("o%207%20%C3%A9%22%25"));
}

#[test]
fn event_of_another_producer_is_a_root() {
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", "x"),
        ("ce_source", "/shop"),
        ("ce_type", "order.placed.v1"),
        ("ce_partitionkey", "o-1"),
        ("ce_time", "2026-01-01T00:00:00Z"),
        ("ce_traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"),
        ("content-type", "application/json; charset=utf-8"),
    ];
    let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    let event = from_kafka(headers, &Bytes::from_static(b"1")).unwrap();
    assert_eq!((event.step, event.priority), (Step::root(), Class::default()));
}

#[test]
fn structured_events_are_read_too() {
    let event = event();
    let structured = event.encode().unwrap();
    assert_eq!(from_kafka([].into_iter(), &structured).unwrap(), event);
    assert_eq!(from_http(&HeaderMap::new(), &structured).unwrap(), event);
}

#[test]
fn what_no_log_accepts_is_refused() {
    let refused = |event: &Event| through_kafka(event).expect_err("it is no event").to_string();

    assert!(refused(&Event { partition_key: "".into(), ..event() }).contains("partitionkey"));
    let large = Bytes::from(format!("\"{}\"", "x".repeat(DATA_BYTES_MAX)));
    assert!(refused(&Event { data: large, ..event() }).contains("65536"));
    assert!(refused(&Event { data: Bytes::from_static(b"{"), ..event() }).contains("JSON"));
    let too_deep = ["0", &".1".repeat(65)].concat();
    let mut headers = kafka_headers(&event());
    for (name, value) in &mut headers {
        if name == "ce_hgstep" {
            value.clone_from(&too_deep);
        }
    }
    let headers = headers.iter().map(|(name, value)| (&**name, value.as_bytes()));
    assert!(from_kafka(headers, &event().data).is_err(), "a series that feeds itself ends");
}

proptest! {
    #[test]
    fn both_modes_give_back_what_was_written(
        texts in prop::collection::vec("\\PC{1,40}", 6),
        number in 1_u64.., seconds in 0_u64..4_000_000_000,
    ) {
        let text = |at: usize| Arc::<str>::from(texts[at].trim().to_owned() + "x");
        let event = Event {
            id: text(0),
            source: text(1),
            kind: text(2),
            subject: Some(text(3)),
            partition_key: text(4),
            key: Some(text(5)),
            trace_id: TraceId::from_bytes(u128::from(number).to_be_bytes()).unwrap_or(event().trace_id),
            span_id: SpanId::from_bytes(number.to_be_bytes()).unwrap_or(event().span_id),
            time: UnixTime::from_secs(seconds),
            ..event()
        };
        prop_assert_eq!(&through_kafka(&event).unwrap(), &event);
        prop_assert_eq!(&over_http(&event).unwrap(), &event);
    }

    #[test]
    fn bytes_from_outside_are_no_panic(
        headers in prop::collection::vec(("ce_[a-z]{2,8}", prop::collection::vec(any::<u8>(), 0..40)), 0..8),
        value in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let specified = [("ce_specversion", b"1.0".as_slice())].into_iter().chain(headers);
        drop(from_kafka(specified, &value.into()));
    }
}
