use headgate_telemetry::MirrorResult::{Different, Incomparable, Same};

use super::*;

fn seen(status: u16, body: Option<&'static str>) -> Seen {
    let body = body.map(|text| Bytes::from_static(text.as_bytes()));
    Seen { status, head: Some(Duration::from_millis(1)), body }
}

fn tally() -> Tally {
    let fields = ["status", "json:/rows/*/id"].map(|text| text.parse().unwrap());
    Tally::new(&fields, UnixTime::from_secs(1))
}

fn state(tally: &Tally) -> MirrorState {
    tally.state(("tv".into(), "home".into()), &"next".into(), Weight::ALL)
}

fn trace() -> TraceId {
    TraceId::from_bytes([7; 16]).unwrap()
}

#[test]
fn pairs_are_compared_field_by_field() {
    let tally = tally();
    let one = seen(200, Some("{\"rows\":[{\"id\":1,\"at\":5}]}"));
    let alike = seen(200, Some("{ \"rows\": [{ \"at\": 6, \"id\": 1 }] }"));
    let other = seen(200, Some("{\"rows\":[{\"id\":2}]}"));
    let failed = seen(500, Some("oops"));

    assert_eq!(tally.compare(trace(), &one, &alike), Same);
    assert_eq!(state(&tally).fields[1].last_different, None);
    assert_eq!(tally.compare(trace(), &one, &other), Different);
    assert_eq!(tally.compare(trace(), &one, &failed), Different);
    assert_eq!(tally.compare(trace(), &one, &seen(200, None)), Incomparable);

    let fields = state(&tally).fields;
    let counts: Vec<_> =
        fields.iter().map(|one| (one.same, one.different, one.incomparable)).collect();
    assert_eq!(counts, [(3, 1, 0), (1, 1, 2)]);
    assert_eq!(fields[1].last_different, Some(trace()));
}

#[test]
fn times_are_means_over_pairs() {
    let tally = tally();
    assert_eq!(state(&tally).caller_mean, None);
    let millis = Duration::from_millis;
    tally.answered(millis(10), millis(30));
    tally.answered(millis(20), millis(10));
    let state = state(&tally);
    assert_eq!((state.pairs, state.slower), (2, 1));
    assert_eq!((state.caller_mean, state.mirror_mean), (Some(millis(15)), Some(millis(20))));
}

#[test]
fn copies_are_counted_by_what_became_of_them() {
    let tally = tally();
    tally.ended(MirrorResult::Dropped);
    tally.ended(MirrorResult::Dropped);
    let counted: Vec<_> =
        state(&tally).results.into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [(MirrorResult::Dropped, 2)]);
}
