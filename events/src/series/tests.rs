use super::*;

/// Lets a script be said of one series, a letter each, and tells how it stands after each: `.` goes
/// on, `p` is paused, `c` is cancelled.
fn check(script: &str, expected: &str) {
    let mut fold = Fold::default();
    let trace = TraceId::from_bytes([7; 16]).unwrap();
    let by = Actor { name: "ann".to_owned(), why: "why".to_owned() };
    let stands: String = (0..)
        .zip(script.chars())
        .map(|(offset, letter)| {
            let action = match letter {
                'c' => SeriesAction::Cancel,
                'p' => SeriesAction::Pause,
                _ => SeriesAction::Resume,
            };
            fold.take(offset, Some((trace, action, by.clone(), UnixTime::from_secs(offset))));
            match fold.of(trace) {
                None => '.',
                Some(control) if control.is_cancelled => 'c',
                Some(_) => 'p',
            }
        })
        .collect();
    assert_eq!(stands, expected, "{script}");
    assert_eq!(fold.next(), u64::try_from(script.len()).unwrap());
    fold.take(0, Some((trace, SeriesAction::Resume, by, UnixTime::from_secs(0))));
    assert_eq!(stands.ends_with('.'), fold.is_empty(), "an entry is taken in once");
}

#[test]
fn what_is_paused_goes_on_when_it_is_resumed() {
    check("ppr", "pp.");
    check("rpr", ".p.");
}

#[test]
fn what_is_cancelled_stays_so() {
    check("crpc", "cccc");
    check("pcr", "pcc");
}

#[test]
fn entry_that_nobody_understands_says_nothing() {
    let written = Written {
        trace_id: "x".to_owned(),
        action: SeriesAction::Cancel,
        actor: String::new(),
        why: String::new(),
        time: UnixTime::from_secs(1).to_string(),
    };
    assert!(said(&written).is_none());
    let mut fold = Fold::default();
    fold.take(3, None);
    assert_eq!((fold.next(), fold.is_empty()), (4, true));
}
