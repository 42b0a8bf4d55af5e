use super::*;

fn entry(kind: &str, what: &str, from: u32, to: u32) -> HistoryEntry {
    HistoryEntry {
        kind: kind.to_owned(),
        what: what.to_owned(),
        from: Some(from.to_string()),
        to: Some(to.to_string()),
        reason: "queueing".to_owned(),
        ..HistoryEntry::default()
    }
}

fn told(taken: &Taken) -> Vec<String> {
    let words = |entry: &HistoryEntry| {
        let (from, to) = (entry.from.as_deref().unwrap(), entry.to.as_deref().unwrap());
        format!("{} {from}-{to} {}", entry.what, entry.reason)
    };
    taken.told.iter().map(words).collect()
}

/// Half seconds since the beginning.
fn at(halves: u32) -> Moment {
    Moment::default() + Duration::from_millis(500) * halves
}

#[test]
fn fast_moves_of_a_limit_are_one() {
    let mut coalesced = Coalesced::default();
    let mut seen = Vec::new();
    for half in 0..32 {
        let entries = if half < 14 { vec![entry(LIMIT, "a", half, half + 1)] } else { vec![] };
        seen.extend(told(&coalesced.take(&entries, at(half))));
    }
    let expected = [
        "a 0-1 queueing",
        "a 1-11 queueing, the last of 10 moves",
        "a 11-14 queueing, the last of 3 moves",
    ];
    assert_eq!(seen, expected);
    assert!(coalesced.limits.is_empty(), "one that rests is forgotten");
}

#[test]
fn limits_do_not_wait_for_each_other() {
    let mut coalesced = Coalesced::default();
    coalesced.take(&[entry(LIMIT, "a", 1, 2)], at(0));
    let both = [entry(LIMIT, "a", 2, 3), entry(LIMIT, "b", 1, 2)];
    assert_eq!(told(&coalesced.take(&both, at(1))), ["b 1-2 queueing"]);
}

#[test]
fn what_operators_change_is_in_a_log_already() {
    let taken = Coalesced::default().take(&[entry(OVERLAY, "edge.timeout", 1, 2)], at(0));
    assert_eq!(taken, Taken::default());
}

#[test]
fn rate_is_kept_and_moves_of_limits_go_first() {
    let mut coalesced = Coalesced::default();
    let limits = (0..30).map(|number| entry(LIMIT, &number.to_string(), 1, 2));
    let breaker = entry("breaker", "x", 1, 2);
    let entries: Vec<_> = limits.chain([breaker]).collect();

    let taken = coalesced.take(&entries, at(0));

    assert_eq!((taken.told.len(), taken.dropped), (PER_SECOND_MAX, 11));
    assert_eq!(taken.told[0].kind, "breaker");
    let breaker = [entry("breaker", "y", 1, 2)];
    assert_eq!(coalesced.take(&breaker, at(1)).dropped, 1, "the same second");
    assert_eq!(coalesced.take(&breaker, at(2)).dropped, 0, "the next one");
}
