use proptest::prelude::*;

use super::*;

const PLAIN: BandSettings = BandSettings {
    interval: Duration::from_millis(100),
    harmless: Duration::ZERO,
    newest_first: false,
};

fn at(millis: u64) -> Moment {
    Duration::from_millis(millis).into()
}

fn who(tenant: u64) -> Entrant {
    Entrant { band: 0, tenant, page: None, cost: 1.0 }
}

fn queue(capacity: usize) -> Queue<u64> {
    Queue::new(capacity, &[PLAIN, PLAIN])
}

/// The order in which all are served.
fn drain(queue: &mut Queue<u64>) -> Vec<u64> {
    std::iter::from_fn(|| queue.next(0, at(0)).map(|next| next.item)).collect()
}

#[test]
fn a_tenant_without_backlog_goes_before_one_with() {
    let mut queue = queue(100);
    for item in 0..30 {
        let _done = queue.enter(who(1), at(0), item);
    }
    // The flood has had its turn once for each of its flows.
    for _ in 0..6 {
        let _done = queue.next(0, at(0));
    }
    queue.enter(who(2), at(0), 99);
    assert_eq!(queue.next(0, at(0)).unwrap().item, 99);
}

#[test]
fn tenants_take_turns() {
    let mut queue = queue(1000);
    for item in 0..300 {
        let _done = queue.enter(who(item % 3), at(0), item);
    }
    let served = drain(&mut queue);
    let first: Vec<_> = served.iter().take(60).collect();
    for tenant in 0..3 {
        let share = first.iter().filter(|item| **item % 3 == tenant).count();
        assert!((14..=26).contains(&share), "tenant {tenant} got {share} of 60");
    }
}

#[test]
fn a_full_queue_makes_room_at_the_longest_flow() {
    let mut queue = queue(12);
    for item in 0..12 {
        let _done = queue.enter(who(1), at(0), item);
    }
    let Entered::Displaced(_, displaced) = queue.enter(who(2), at(0), 99) else {
        panic!("the flood has to give way");
    };
    assert!(displaced < 12);
    assert_eq!(queue.len(), 12);
    assert!(matches!(queue.enter(who(1), at(0), 100), Entered::Full(100)));
}

#[test]
fn who_leaves_is_not_served_and_a_ticket_is_good_once() {
    let mut queue = queue(10);
    let Entered::Waiting(ticket) = queue.enter(who(1), at(0), 7) else { panic!("there is room") };
    assert_eq!(queue.leave(ticket), Some(7));
    assert_eq!(queue.leave(ticket), None);
    queue.enter(who(1), at(0), 8);
    assert_eq!(queue.leave(ticket), None);
    assert_eq!(drain(&mut queue), [8]);
}

#[test]
fn a_queue_stands_when_it_was_never_short() {
    let mut queue = queue(1000);
    for item in 0..100 {
        let _done = queue.enter(who(item), at(0), item);
    }
    for milli in 0..210 {
        queue.next(0, at(milli));
        queue.enter(who(1000 + milli), at(milli), 1000);
    }
    assert!(queue.is_standing(0));
    let mut rest = std::iter::from_fn(|| queue.next(0, at(215)));
    assert!(rest.any(|next| next.is_stale));
}

#[test]
fn a_burst_does_not_stand() {
    let mut queue = queue(1000);
    for item in 0..50 {
        let _done = queue.enter(who(item), at(0), item);
    }
    (0..50).for_each(|milli| assert!(!queue.next(0, at(milli)).unwrap().is_stale));
    queue.enter(who(1), at(120), 1);
    assert!(!queue.is_standing(0));
}

proptest! {
    #[test]
    fn everyone_is_served_left_or_displaced_exactly_once(
        steps in proptest::collection::vec((0_u8..4, 0_u64..5, 0_usize..2), 1..400),
    ) {
        let mut queue = queue(16);
        let (mut entered, mut gone) = (0_u64, Vec::new());
        let mut tickets = Vec::new();
        for (step, tenant, band) in steps {
            match step {
                0 | 1 => {
                    entered += 1;
                    let who = Entrant { band, tenant, page: None, cost: 1.0 };
                    match queue.enter(who, at(entered), entered) {
                        Entered::Waiting(ticket) => tickets.push(ticket),
                        Entered::Displaced(ticket, item) => {
                            tickets.push(ticket);
                            gone.push(item);
                        }
                        Entered::Full(item) => gone.push(item),
                    }
                }
                2 => gone.extend(queue.next(band, at(entered)).map(|next| next.item)),
                _ => gone.extend(tickets.pop().and_then(|ticket| queue.leave(ticket))),
            }
            prop_assert_eq!(queue.len(), queue.len_of(0) + queue.len_of(1));
        }
        for band in 0..2 {
            gone.extend(std::iter::from_fn(|| queue.next(band, at(0)).map(|next| next.item)));
        }
        gone.sort_unstable();
        prop_assert_eq!(gone, (1..=entered).collect::<Vec<_>>());
    }
}

#[test]
fn a_page_is_served_as_one() {
    let mut queue = queue(100);
    for call in 0..3 {
        for tenant in 0..4 {
            let entrant = Entrant { page: Some(tenant), ..who(tenant) };
            queue.enter(entrant, at(0), 10 * tenant + call);
        }
    }
    assert_eq!(drain(&mut queue), [0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32]);
}
