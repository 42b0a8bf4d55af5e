use std::time::Duration;

use headgate_types::{SpanId, UnixTime};
use proptest::prelude::*;

use super::*;

fn span(name: &str) -> Span<'_> {
    Span {
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap(),
        span_id: "00f067aa0ba902b7".parse().unwrap(),
        parent_id: None,
        name: name.into(),
        kind: Kind::Server,
        began: UnixTime::from_secs(1),
        took: Duration::from_millis(1),
        attributes: Vec::new(),
        events: Vec::new(),
        error: None,
    }
}

fn counted(metrics: &Metrics, result: &str) -> bool {
    let line = format!("headgate_telemetry_spans_total{{result=\"{result}\"}}");
    let text = metrics.exporter().render();
    text.lines().any(|it| it.strip_prefix(&line).is_some_and(|count| count.trim() != "0"))
}

#[test]
fn what_waits_is_taken_as_one_request() {
    let spans = Spans::new(&Metrics::new());
    assert_eq!(spans.take(), None);
    spans.record(&[span("one"), span("two")]);
    spans.record(&[span("three")]);
    let batch = spans.take().unwrap();
    assert_eq!(batch.count, 3);
    let has = |text: &str| batch.body.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(["one", "two", "three", "service.name", "headgate"].iter().all(|text| has(text)));
    assert_eq!(spans.take(), None);
}

#[test]
fn what_finds_no_room_is_dropped_and_counted() {
    let metrics = Metrics::new();
    let spans = Spans::new(&metrics);
    let long = "x".repeat(1_000);
    let many = WAITING_BYTES_MAX / 1_000 + 1;
    for _ in 0..many {
        spans.record(&[span(&long)]);
    }
    assert!(counted(&metrics, "dropped"));
    let batch = spans.take().unwrap();
    assert!(batch.count < many as u64 && batch.body.len() < WAITING_BYTES_MAX + 1_000);
    spans.record(&[span("there is room again")]);
    assert_eq!(spans.take().unwrap().count, 1);
    assert!(!counted(&metrics, "exported"));
    spans.exported(1);
    assert!(counted(&metrics, "exported"));
}

proptest! {
    #[test]
    fn parts_of_one_whole_have_ids_of_their_own(whole in 1_u64.., one in 0_u64..1_000, other in 0_u64..1_000) {
        let whole = SpanId::from_bytes(whole.to_be_bytes()).unwrap();
        prop_assert_eq!(span_id(whole, one), span_id(whole, one));
        if one != other {
            prop_assert_ne!(span_id(whole, one), span_id(whole, other));
        }
    }
}
