use std::time::Duration;

use super::*;
use crate::access::{
    Journal,
    tests::{exchange as facts, line},
};

/// Names of spans, each with the name of its parent.
fn tree(spans: &[Span<'_>]) -> Vec<(String, String)> {
    let name = |span: &Span<'_>| {
        let parent = spans.iter().find(|other| Some(other.span_id) == span.parent_id);
        (span.name.to_string(), parent.map_or_else(String::new, |it| it.name.to_string()))
    };
    spans.iter().map(name).collect()
}

#[test]
fn exchange_is_a_span_for_the_whole_and_one_for_each_part() {
    let facts = facts();
    let line = line(&facts);
    let spans = exchange(&line);
    let expected = [
        ("GET home", ""),
        ("attempt 1", "GET home"),
        ("connect 1", "attempt 1"),
        ("attempt 2", "GET home"),
    ];
    let expected = expected.map(|(name, parent)| (name.to_owned(), parent.to_owned()));
    assert_eq!(tree(&spans), expected);
    let whole = &spans[0];
    assert_eq!(whole.span_id, line.trace.span_id);
    assert_eq!(whole.parent_id, line.trace.parent_id);
    assert_eq!((whole.began, whole.took), (line.time, line.duration));
    assert_eq!(whole.error, None);
    let routed = ("routed", Duration::from_micros(12));
    assert!(whole.events.contains(&routed), "{:?}", whole.events);
    for attribute in [
        ("http.response.status_code", Value::Number(200)),
        ("client.address", Value::text("192.0.2.7")),
        ("headgate.upstream", Value::text("home-next")),
        ("headgate.config", Value::text("c0ffee")),
    ] {
        assert!(whole.attributes.contains(&attribute), "{attribute:?}");
    }
    let ids: std::collections::BTreeSet<_> = spans.iter().map(|span| span.span_id).collect();
    assert_eq!(ids.len(), spans.len());
}

#[test]
fn failed_attempt_says_how_it_failed_and_the_whole_says_what_the_client_saw() {
    let facts = facts();
    let journal = Journal::start(headgate_types::Moment::ZERO);
    let line = Line { status: Some(502), route: None, journal: &journal, ..line(&facts) };
    let spans = exchange(&line);
    assert_eq!(spans[0].name, "GET");
    assert_eq!(spans[0].error.as_deref(), Some("ok"));
    assert_eq!(spans[1].error.as_deref(), Some("reset"));
    assert_eq!(spans[1].took, Duration::from_micros(250));
    assert_eq!(spans[3].error, None);
    let refused = Line { status: Some(404), ..line };
    assert_eq!(exchange(&refused)[0].error, None);
}
