use super::*;

#[test]
fn place_is_read_as_it_is_written() {
    for place in [
        HistoryPlace { own: 7, shared: None },
        HistoryPlace { own: 0, shared: Some(0) },
        HistoryPlace { own: 7, shared: Some(u64::MAX) },
    ] {
        assert_eq!(place.to_string().parse(), Ok(place));
    }
    for text in ["", ".", "7.", ".7", "-1", "7.7.7", "x"] {
        assert!(text.parse::<HistoryPlace>().is_err(), "{text}");
    }
}

#[test]
fn question_is_read_as_a_whole_or_refused() {
    let read = ask("since=15m&after=7.12&kind=limit&kind=breaker&node=edge-1%3A9900").unwrap();
    assert_eq!(read.since, Duration::from_mins(15));
    assert_eq!(read.after, Some(HistoryPlace { own: 7, shared: Some(12) }));
    assert_eq!(
        (read.kinds.join(" "), read.nodes.join(" ")),
        ("limit breaker".into(), "edge-1:9900".into())
    );
    for query in ["", "after=7", "since=soon", "since=1m&after=x", "since=1m&to=2m"] {
        assert_eq!(ask(query), None, "{query}");
    }
    let many = "&kind=limit".repeat(WANTED_MAX + 1);
    assert_eq!(ask(&format!("since=1m{many}")), None);
}

#[test]
fn entries_are_wanted_by_node_and_kind() {
    let entry = |node: Option<&str>, kind: &str| HistoryEntry {
        node: node.map(str::to_owned),
        kind: kind.to_owned(),
        ..HistoryEntry::default()
    };
    let limits_of_a = HistoryAsk {
        nodes: vec!["a".to_owned()],
        kinds: vec!["limit".to_owned()],
        ..HistoryAsk::default()
    };
    assert!(limits_of_a.wants(&entry(Some("a"), "limit")));
    assert!(!limits_of_a.wants(&entry(Some("b"), "limit")));
    assert!(!limits_of_a.wants(&entry(None, "limit")));
    assert!(!limits_of_a.wants(&entry(Some("a"), "breaker")));
    assert!(HistoryAsk::default().wants(&entry(None, "limit")));
}
