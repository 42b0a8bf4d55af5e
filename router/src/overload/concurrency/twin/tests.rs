use headgate_types::{Class, Priority};

use super::*;

/// What calls take that are not disturbed.
const TIME: Duration = Duration::from_millis(50);

fn at(millis: u64) -> Moment {
    Duration::from_millis(millis).into()
}

fn call(draw: u64) -> Call {
    let priority = Priority::from(Class::Standard);
    Call { priority, tenant: 0, partition: 0, kind: 0, page: None, deadline: None, draw }
}

fn answered(ran: Duration, is_crowded: bool) -> Seen {
    Seen { kind: 0, ran, end: End::Success, is_answered: true, is_crowded }
}

fn left(ran: Duration) -> Seen {
    Seen { kind: 0, ran, end: End::Ignore, is_answered: false, is_crowded: true }
}

/// A twin that knows what calls take that are not disturbed.
fn twin() -> Twin {
    let mut twin = Twin::default();
    (0..100).for_each(|_| twin.saw(&answered(TIME, false)));
    twin.crowded(at(0));
    twin
}

/// Lets time pass with that many ends a second, each as told.
fn pass(twin: &mut Twin, (from, to): (u64, u64), per_second: u64, seen: &Seen) {
    for millis in from..to {
        if (millis * per_second) % 1000 < per_second {
            twin.saw(seen);
        }
        twin.turn(at(millis), true, Some(TIME));
    }
}

/// Calls that 40 seats get through in ten seconds, each seat taken again at once.
fn served(twin: &mut Twin, from: u64) -> usize {
    twin.restart();
    let mut ends = BinaryHeap::from([Reverse(at(from)); 40]);
    let mut served = 0;
    while let Some(Reverse(free)) = ends.pop().filter(|Reverse(free)| *free < at(from + 10_000)) {
        served += 1;
        ends.extend(twin.serve(&call(served), free).map(Reverse));
    }
    usize::try_from(served).unwrap_or(0)
}

#[test]
fn real_ends_tell_while_calls_among_too_many_take_no_longer() {
    let mut twin = twin();
    pass(&mut twin, (0, 3_000), 400, &answered(TIME, true));
    assert_eq!(twin.serve(&call(1), at(3_000)), None);
}

#[test]
fn full_upstream_serves_what_it_answers_whatever_the_wait_was() {
    let mut twin = twin();
    pass(&mut twin, (0, 3_000), 400, &answered(20 * TIME, true));
    let served = served(&mut twin, 3_000);
    assert!((3_800..=4_200).contains(&served), "{served}");
}

#[test]
fn calls_are_as_fast_as_the_rule_takes_them_to_be_without_load() {
    let mut twin = twin();
    let seen = answered(20 * TIME, true);
    (0..100).for_each(|_| twin.saw(&seen));
    twin.turn(at(200), true, Some(TIME / 2));
    assert_eq!(twin.serve(&call(1), at(1_000)), Some(at(1_025)));
}

#[test]
fn capacity_is_kept_while_clients_leave_before_they_are_answered() {
    let mut twin = twin();
    pass(&mut twin, (0, 3_000), 400, &answered(20 * TIME, true));
    pass(&mut twin, (3_000, 30_000), 400, &left(40 * TIME));
    let served = served(&mut twin, 30_000);
    assert!((3_800..=4_200).contains(&served), "{served}");
}

#[test]
fn capacity_follows_what_is_answered() {
    let mut twin = twin();
    pass(&mut twin, (0, 3_000), 400, &answered(20 * TIME, true));
    pass(&mut twin, (3_000, 33_000), 100, &answered(20 * TIME, true));
    let served = served(&mut twin, 33_000);
    assert!((950..=1_050).contains(&served), "{served}");
}

#[test]
fn upstream_that_stops_serves_nobody() {
    let mut twin = twin();
    pass(&mut twin, (0, 500), 400, &answered(20 * TIME, true));
    pass(&mut twin, (500, 40_000), 0, &left(40 * TIME));
    pass(&mut twin, (40_000, 41_000), 400, &left(40 * TIME));
    let served = served(&mut twin, 41_000);
    assert!(served < 100, "{served}");
}

#[test]
fn what_the_upstream_refuses_itself_takes_no_slot() {
    let mut twin = twin();
    let refused = Seen { end: End::Dropped, is_answered: false, ..answered(TIME / 50, true) };
    for millis in 0..3_000 {
        if millis % 10 < 4 {
            twin.saw(&answered(TIME, true));
        } else {
            twin.saw(&refused);
        }
        twin.turn(at(millis), true, Some(TIME));
    }
    let served = served(&mut twin, 3_000);
    assert!((3_800..=4_200).contains(&served), "{served}");
}

#[test]
fn what_was_seen_is_forgotten_once_there_are_not_too_many() {
    let mut twin = twin();
    pass(&mut twin, (0, 3_000), 400, &answered(20 * TIME, true));
    for millis in 3_000..6_000 {
        twin.turn(at(millis), false, Some(TIME));
    }
    assert_eq!((twin.serve(&call(1), at(6_000)), twin.due()), (None, None));
}
