use bytes::Bytes;
use headgate_types::{Follow, Root};

use super::*;

fn root() -> Event {
    let root = Root {
        id: "e-1".into(),
        source: "/hg/edge/tv/orders".into(),
        kind: "order.placed.v1".into(),
        partition_key: "o-1".into(),
        time: UnixTime::from_secs(100),
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap(),
        span_id: "00f067aa0ba902b7".parse().unwrap(),
    };
    Event::root(root, Bytes::from_static(b"{}"))
}

fn emitted(by: &Event, scope: &str) -> Event {
    let follow = Follow {
        id: "e-2".into(),
        source: format!("/hg/{scope}").into(),
        kind: "mail.due.v1".into(),
        partition_key: "o-1".into(),
        time: UnixTime::from_secs(101),
        ordinal: 1,
    };
    by.follow(follow, Bytes::from_static(b"{}")).unwrap()
}

fn work(scope: &str, attempt: u32, settled: Settled) -> Handled<'_> {
    let (began, took) = (UnixTime::from_secs(101), Duration::from_millis(7));
    Handled { scope, topic: "orders", attempt, began, took, settled, error: None }
}

#[test]
fn spans_of_a_series_hang_on_one_another_though_nobody_carries_their_ids() {
    let event = root();
    let publish = published(&event, "orders", (event.time, Duration::from_millis(3)));
    assert_eq!(
        (publish.name.as_ref(), publish.parent_id),
        ("publish order.placed.v1", Some(event.span_id))
    );
    let first = handled(&event, &work("tv.charge", 1, Settled::Done));
    assert_eq!((first.len(), first[0].parent_id), (1, Some(publish.span_id)));
    let follows = emitted(&event, "tv.charge");
    let second = handled(&follows, &work("tv.mailer", 1, Settled::Done));
    assert_eq!(second[0].name, "publish mail.due.v1");
    assert_eq!(second[0].parent_id, Some(first[0].span_id));
    assert_eq!(
        (second[1].name.as_ref(), second[1].parent_id),
        ("handle tv.mailer", Some(second[0].span_id))
    );
    let told = emitted(&event, "tv.charge");
    let push = pushed(&told, UnixTime::from_secs(103), 2);
    assert_eq!((push.parent_id, push.took), (Some(first[0].span_id), Duration::from_secs(2)));
}

#[test]
fn attempts_have_spans_of_their_own_and_the_last_is_what_others_hang_on() {
    let event = root();
    let id = |attempt, settled| handled(&event, &work("tv.charge", attempt, settled))[0].span_id;
    let all = [id(1, Settled::Deferred), id(2, Settled::Deferred), id(3, Settled::Done)];
    assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
    assert_eq!(all[2], handling(&event, "tv.charge"));
    let follows = emitted(&event, "tv.charge");
    let again = handled(&follows, &work("tv.mailer", 2, Settled::Done));
    assert_eq!(again.len(), 1, "the event is told with the first attempt");
}
