use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::AtomicUsize,
    thread,
};

use headgate_types::Ratio;
use proptest::prelude::*;

use super::*;
use crate::overload::{
    adaptive,
    limit::{End, Fixed, Sample},
};

/// Keeps the verdict where the test finds it; hands it back if nobody waits any more.
#[derive(Clone, Debug, Default)]
struct Inbox {
    verdicts: Arc<Mutex<Vec<Verdict<Permit<Self>>>>>,
    is_gone: Arc<AtomicBool>,
}

impl Waiter for Inbox {
    fn resolve(self, verdict: Verdict<Permit<Self>>) -> Option<Permit<Self>> {
        if self.is_gone.load(Ordering::SeqCst) {
            return verdict.admitted();
        }
        self.verdicts.lock().push(verdict);
        None
    }
}

fn at(millis: u64) -> Moment {
    Duration::from_millis(1000 + millis).into()
}

fn share(share: f64) -> Ratio {
    Ratio::new(share).unwrap()
}

fn gate(limit: u32, mode: Mode) -> Arc<Gate<Inbox>> {
    Gate::new(Settings { mode, ..Settings::default() }, Box::new(Fixed(limit)))
}

fn enforcing(limit: u32) -> Arc<Gate<Inbox>> {
    gate(limit, Mode::Enforce(share(1.0)))
}

fn call(class: Class, draw: u64) -> Call {
    let priority = Priority::from(class);
    Call { priority, tenant: draw, partition: 9, kind: 0, page: None, deadline: None, draw }
}

fn standard(draw: u64) -> Call {
    call(Class::Standard, draw)
}

fn seated(gate: &Arc<Gate<Inbox>>, count: u64) -> Vec<Permit<Inbox>> {
    (0..count).filter_map(|draw| gate.admit(&standard(draw), at(0)).admitted()).collect()
}

#[test]
fn permits_end_at_the_limit_and_come_back() {
    let gate = enforcing(3);
    let permits = seated(&gate, 10);
    assert_eq!((permits.len(), gate.in_flight()), (3, 3));
    drop(permits);
    assert_eq!(gate.in_flight(), 0);
}

#[test]
fn in_flight_never_passes_the_limit_under_64_threads() {
    // Ten million operations where there is time for them.
    let turns = if std::env::var_os("HEADGATE_SLOW_TESTS").is_some() { 160_000 } else { 4_000 };
    let gate = enforcing(20);
    let most = AtomicUsize::new(0);
    let in_flight = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..64_u64 {
            let (gate, most, in_flight) = (&gate, &most, &in_flight);
            scope.spawn(move || {
                for turn in 0..turns {
                    let class = Class::ALL[(turn % 4) as usize];
                    let asked = gate.admit(&call(class, thread * 1_000_000 + turn), at(turn / 100));
                    let Some(permit) = asked.admitted() else { continue };
                    let held = in_flight.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(held, Ordering::SeqCst);
                    in_flight.fetch_sub(1, Ordering::SeqCst);
                    permit.finish(at(turn / 100 + 1), End::Success);
                }
            });
        }
    });
    assert!((1..=20).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    assert_eq!(gate.in_flight(), 0);
}

#[test]
fn no_permit_is_lost_over_cancellations_and_panics() {
    let gate = enforcing(8);
    let mut random = fastrand::Rng::with_seed(3);
    let mut held: Vec<Permit<Inbox>> = Vec::new();
    let mut waiting: Vec<(Ticket, Inbox)> = Vec::new();
    std::panic::set_hook(Box::new(|_| {}));
    for turn in 0..100_000_u64 {
        let now = at(turn / 10);
        match random.u8(..6) {
            0..3 => {
                let inbox = Inbox::default();
                let class = Class::ALL[random.usize(..4)];
                match gate.admit_or_wait(&call(class, turn), now, || inbox.clone()) {
                    Asked::Admitted(permit) => held.push(permit),
                    Asked::Queued(ticket, _) => waiting.push((ticket, inbox)),
                    Asked::Refused(_) => {}
                }
            }
            3 if !held.is_empty() => {
                held.swap_remove(random.usize(..held.len())).finish(now, End::Success);
            }
            4 if !held.is_empty() => {
                let permit = held.swap_remove(random.usize(..held.len()));
                let fate = catch_unwind(AssertUnwindSafe(move || {
                    let _held = permit;
                    panic!("the handler fails");
                }));
                assert!(fate.is_err());
            }
            _ if !waiting.is_empty() => {
                let (ticket, inbox) = waiting.swap_remove(random.usize(..waiting.len()));
                inbox.is_gone.store(true, Ordering::SeqCst);
                if random.bool() {
                    gate.leave(ticket, now);
                }
                inbox.verdicts.lock().clear();
            }
            _ => {}
        }
        let granted = |(_, inbox): &(Ticket, Inbox)| std::mem::take(&mut *inbox.verdicts.lock());
        held.extend(waiting.iter().flat_map(granted).filter_map(Verdict::admitted));
        assert!(gate.in_flight() <= 8);
    }
    drop(std::panic::take_hook());
    held.clear();
    for (ticket, inbox) in waiting {
        gate.leave(ticket, at(20_000));
        inbox.verdicts.lock().clear();
    }
    assert_eq!((gate.in_flight(), gate.status().queued), (0, 0));
}

#[test]
fn a_permit_that_comes_back_goes_to_who_waits() {
    let gate = enforcing(1);
    let first = seated(&gate, 1).pop().unwrap();
    let inbox = Inbox::default();
    let asked = gate.admit_or_wait(&standard(7), at(1), || inbox.clone());
    assert!(matches!(asked, Asked::Queued(..)));
    assert!(gate.admit(&standard(8), at(1)).refusal().is_some());
    first.finish(at(2), End::Success);
    assert_eq!((inbox.verdicts.lock().len(), gate.in_flight()), (1, 1));
}

#[test]
fn the_most_important_waits_least() {
    let gate = enforcing(1);
    let first = seated(&gate, 1).pop().unwrap();
    let inboxes = Class::ALL.map(|class| {
        let inbox = Inbox::default();
        drop(gate.admit_or_wait(&call(class, 1), at(0), || inbox.clone()));
        inbox
    });
    let order: Vec<_> = std::iter::successors(Some(first), |_| None).collect();
    drop(order);
    let has_permit = inboxes.each_ref().map(|inbox| inbox.verdicts.lock().len());
    assert_eq!(has_permit, [1, 0, 0, 0]);
}

#[test]
fn who_waited_too_long_is_counted_as_refused() {
    let gate = enforcing(1);
    let _held = seated(&gate, 1);
    let Asked::Queued(ticket, until) = gate.admit_or_wait(&standard(1), at(0), Inbox::default)
    else {
        panic!("there is room to wait");
    };
    assert_eq!(until, at(500));
    let refusal = gate.leave(ticket, until).unwrap();
    assert_eq!(refusal.reason, Reason::QueueWait);
    assert_eq!(gate.leave(ticket, until), None);
    let counts = gate.status().counts;
    assert_eq!((counts.admitted, counts.refused), (1, 1));
}

#[test]
fn higher_classes_find_a_permit_where_lower_ones_do_not() {
    let gate = enforcing(20);
    // Critical calls have shown that they need some.
    let critical: Vec<_> = (0..4)
        .filter_map(|draw| gate.admit(&call(Class::Critical, draw), at(0)).admitted())
        .collect();
    for permit in critical {
        permit.finish(at(1), End::Success);
    }
    for permit in seated(&gate, 1) {
        permit.finish(at(200), End::Success);
    }
    let bulk = (0..100).filter_map(|draw| gate.admit(&call(Class::Bulk, draw), at(201)).admitted());
    let bulk: Vec<_> = bulk.collect();
    assert_eq!(bulk.len(), 15);
    assert!(gate.admit(&call(Class::Critical, 5), at(202)).refusal().is_none());
}

#[test]
fn one_class_alone_may_use_all() {
    let gate = enforcing(20);
    let bulk = (0..100).filter_map(|draw| gate.admit(&call(Class::Bulk, draw), at(0)).admitted());
    assert_eq!(bulk.collect::<Vec<_>>().len(), 20);
}

#[test]
fn a_held_share_stays_free_for_its_partition() {
    let partitions = vec![Share::default(), Share { guaranteed: share(0.25), is_held: true }];
    let settings = Settings { partitions, ..Settings::default() };
    let gate: Arc<Gate<Inbox>> = Gate::new(settings, Box::new(Fixed(20)));
    for permit in seated(&gate, 1) {
        permit.finish(at(0), End::Success);
    }
    let others = (0..100).filter_map(|draw| gate.admit(&standard(draw), at(0)).admitted());
    let others: Vec<_> = others.collect();
    let own = |draw| Call { partition: 1, ..standard(draw) };
    let owners: Vec<_> =
        (0..100).filter_map(|draw| gate.admit(&own(draw), at(0)).admitted()).collect();
    assert_eq!((others.len(), owners.len()), (15, 5));
}

/// Twenty until the first call ends, then two; unsure of it.
#[derive(Debug)]
struct Cut(u32);

impl Limit for Cut {
    fn limit(&self) -> u32 {
        self.0
    }

    fn is_unsure(&self) -> bool {
        self.0 < 20
    }

    fn on_sample(&mut self, _sample: &Sample) {
        self.0 = 2;
    }
}

#[test]
fn a_held_share_is_there_though_others_hold_more_than_a_lowered_limit() {
    let partitions = vec![Share::default(), Share { guaranteed: share(0.5), is_held: true }];
    let settings = Settings { partitions, ..Settings::default() };
    let gate: Arc<Gate<Inbox>> = Gate::new(settings, Box::new(Cut(20)));
    let mut others = seated(&gate, 10);
    others.pop().unwrap().finish(at(200), End::Success);
    assert_eq!((gate.limit(), gate.in_flight()), (2, 9));
    let own = |draw| Call { partition: 1, ..standard(draw) };
    let owners: Vec<_> =
        (0..10).filter_map(|draw| gate.admit(&own(draw), at(201)).admitted()).collect();
    assert_eq!(owners.len(), 1);
    assert!(gate.admit(&standard(99), at(201)).refusal().is_some());
}

#[test]
fn the_highest_class_waits_longer_for_what_a_deep_cut_will_turn_out_to_be() {
    let until = |class: Class, is_cut: bool| {
        let gate: Arc<Gate<Inbox>> = Gate::new(Settings::default(), Box::new(Cut(20)));
        let mut held = seated(&gate, 20);
        if is_cut {
            held.pop().unwrap().finish(at(200), End::Success);
        }
        match gate.admit_or_wait(&call(class, 1), at(300), Inbox::default) {
            Asked::Queued(_, until) => until,
            other => panic!("{class:?} does not wait: {other:?}"),
        }
    };
    assert_eq!(until(Class::Critical, false), at(800));
    assert_eq!(until(Class::Critical, true), at(1_300));
    assert_eq!(until(Class::Standard, true), at(800));
}

#[test]
fn observing_admits_all_and_counts_what_enforcing_refuses() {
    // The same arrivals, each call as long as in the other run.
    let run = |mode: Mode| {
        let gate = gate(5, mode);
        let mut running: Vec<(u64, Permit<Inbox>)> = Vec::new();
        let mut admitted = 0;
        for turn in 0..2_000_u64 {
            let (done, still): (Vec<_>, Vec<_>) =
                running.into_iter().partition(|(ends, _)| *ends <= turn);
            for (_, permit) in done {
                permit.finish(at(turn), End::Success);
            }
            running = still;
            if let Some(permit) = gate.admit(&standard(turn), at(turn)).admitted() {
                admitted += 1;
                running.push((turn + 3 + turn % 11, permit));
            }
        }
        (gate.status().counts, admitted)
    };
    let (enforced, passed) = run(Mode::Enforce(share(1.0)));
    let (observed, all) = run(Mode::Observe);
    assert_eq!((all, observed.refused), (2_000, 0));
    assert!(passed < 2_000);
    assert_eq!(observed.would_refuse, enforced.refused);
}

/// Runs calls (arrival and length in microseconds) with waiting, and gives the counts.
fn counts_with_waiting(gate: &Arc<Gate<Inbox>>, calls: &[(u64, u64)]) -> Counts {
    // What happens next: an end of a call, or of a wait.
    let mut due: BTreeMap<(u64, u64), Event> = BTreeMap::new();
    let mut number = 0;
    let mut waiting: Vec<(Inbox, u64)> = Vec::new();
    let mut arrivals = calls.iter().copied().enumerate().peekable();
    loop {
        let next = due.keys().next().copied();
        let arrival = arrivals.peek().map(|(_, (micros, _))| *micros);
        let now = match (arrival, next) {
            (Some(arrival), Some((end, _))) => arrival.min(end),
            (Some(arrival), None) => arrival,
            (None, Some((end, _))) => end,
            (None, None) => {
                // What is still followed has its end after the last request's.
                gate.advance(micros(3_600_000_000));
                return gate.status().counts;
            }
        };
        if let Some(event) = next.filter(|(end, _)| *end == now).and_then(|key| due.remove(&key)) {
            match event {
                Event::Ends(permit) => permit.finish(micros(now), End::Success),
                Event::GivesUp(ticket) => drop(gate.leave(ticket, micros(now))),
            }
        } else if let Some((draw, (_, length))) = arrivals.next() {
            let inbox = Inbox::default();
            let class = Class::ALL[draw % 4];
            let asked =
                gate.admit_or_wait(&call(class, draw as u64), micros(now), || inbox.clone());
            number += 1;
            match asked {
                Asked::Admitted(permit) => {
                    due.insert((now + length, number), Event::Ends(permit));
                }
                Asked::Queued(ticket, until) => {
                    let until = until.since(micros(0)).as_micros();
                    let until = u64::try_from(until).unwrap();
                    due.insert((until, number), Event::GivesUp(ticket));
                    waiting.push((inbox, length));
                }
                Asked::Refused(_) => {}
            }
        }
        waiting.retain(|(inbox, length)| {
            let verdict = inbox.verdicts.lock().pop();
            let is_answered = verdict.is_some();
            if let Some(permit) = verdict.and_then(Verdict::admitted) {
                number += 1;
                due.insert((now + length, number), Event::Ends(permit));
            }
            !is_answered
        });
    }
}

enum Event {
    Ends(Permit<Inbox>),
    GivesUp(Ticket),
}

fn micros(micros: u64) -> Moment {
    Duration::from_micros(1_000_000 + micros).into()
}

proptest! {
    /// To observe is to count what enforcing would do, waits in the queue included.
    #[test]
    fn observing_follows_waits_as_enforcing_has_them(
        seeds in proptest::collection::vec((1_u64..9_000, 1_u64..60_000), 1..600),
    ) {
        let mut now = 0;
        let calls: Vec<_> = seeds
            .into_iter()
            .map(|(gap, length)| {
                now += gap;
                (now, length)
            })
            .collect();
        let enforced = counts_with_waiting(&enforcing(5), &calls);
        let observed = counts_with_waiting(&gate(5, Mode::Observe), &calls);
        prop_assert_eq!(observed.would_refuse, enforced.refused);
        prop_assert_eq!((observed.refused, observed.admitted), (0, calls.len() as u64));
    }
}

#[test]
fn observing_moves_the_limit_as_enforcing_does() {
    let run = |mode: Mode| {
        let rule = adaptive::Settings { initial: 5, min: 2, ..adaptive::Settings::default() };
        let settings = Settings { mode, ..Settings::default() };
        let gate = Gate::new(settings, Box::new(adaptive::Adaptive::new(rule)));
        // A length that does not depend on the load, so that both runs have the same.
        let calls: Vec<_> =
            (0..6_000_u64).map(|turn| (2_500 * turn, 2_000 + num::mix(turn) % 40_000)).collect();
        let counts = counts_with_waiting(&gate, &calls);
        (counts.would_refuse, gate.limit(), gate.no_load_rtt())
    };
    let (enforced, observed) = (run(Mode::Enforce(share(1.0))), run(Mode::Observe));
    assert!(enforced.0 > 100 && enforced.1 != 5, "{enforced:?}");
    assert_eq!(observed, enforced);
}

#[test]
fn off_counts_nobody() {
    let gate = gate(1, Mode::Off);
    let permits = seated(&gate, 10);
    assert_eq!((permits.len(), gate.in_flight()), (10, 0));
}

#[test]
fn who_has_no_time_left_does_not_wait() {
    let gate = enforcing(1);
    let _held = seated(&gate, 1);
    let deadline = Some(Deadline::at(at(5)));
    let call = Call { deadline, ..standard(1) };
    let Asked::Refused(refusal) = gate.admit_or_wait(&call, at(6), Inbox::default) else {
        panic!("it has expired");
    };
    assert_eq!(refusal.reason, Reason::DeadlineTooClose);
}

#[test]
fn a_page_that_was_admitted_gets_its_later_calls_admitted_first() {
    let gate = enforcing(1);
    let on_page = |page: u64, draw: u64| Call { page: Some(page), ..call(Class::Bulk, draw) };
    let first = gate.admit(&on_page(7, 1), at(0)).admitted().unwrap();
    let (other, later) = (Inbox::default(), Inbox::default());
    drop(gate.admit_or_wait(&on_page(8, 2), at(1), || other.clone()));
    drop(gate.admit_or_wait(&on_page(7, 3), at(2), || later.clone()));
    first.finish(at(3), End::Success);
    assert_eq!((other.verdicts.lock().len(), later.verdicts.lock().len()), (0, 1));
}

#[test]
fn seats_never_pass_their_bound_in_ten_million_operations_of_64_threads() {
    let seats = Seats::default();
    let bounds = Bounds { total: 20, own_and_lower: 15 };
    let most = AtomicU32::new(0);
    thread::scope(|scope| {
        for thread in 0..64 {
            let (seats, most) = (&seats, &most);
            scope.spawn(move || {
                for _ in 0..160_000 {
                    if let Ok(taken) = seats.take(thread % 4, bounds) {
                        most.fetch_max(taken, Ordering::Relaxed);
                        seats.give(thread % 4);
                    }
                }
            });
        }
    });
    assert!((1..=20).contains(&most.load(Ordering::Relaxed)));
    assert_eq!(seats.total(), 0);
}

#[test]
fn a_client_that_leaves_the_queue_is_no_refusal() {
    let gate = enforcing(1);
    let held = gate.admit(&standard(0), at(0)).admitted().unwrap();
    let Asked::Queued(ticket, _) = gate.admit_or_wait(&standard(1), at(0), Inbox::default) else {
        panic!("there is room to wait")
    };
    gate.abandon(ticket, at(10));
    let status = gate.status();
    assert_eq!((status.queued, status.counts.would_refuse), (0, 0));
    held.finish(at(20), End::Success);
    assert_eq!(gate.in_flight(), 0, "nobody got the seat");
}

#[test]
fn a_call_that_is_given_up_tells_of_load_only_when_it_was_late() {
    #[derive(Debug)]
    struct Seen(Arc<Mutex<Vec<End>>>);
    impl Limit for Seen {
        fn limit(&self) -> u32 {
            9
        }
        fn on_sample(&mut self, sample: &Sample) {
            self.0.lock().push(sample.end);
        }
        fn no_load_rtt(&self) -> Option<Duration> {
            Some(Duration::from_millis(100))
        }
    }
    let ends = Arc::<Mutex<Vec<End>>>::default();
    let gate: Arc<Gate<Inbox>> = Gate::new(Settings::default(), Box::new(Seen(Arc::clone(&ends))));
    for after in [150, 250] {
        gate.admit(&standard(0), at(0)).admitted().unwrap().abandon(at(after));
    }
    assert_eq!(*ends.lock(), [End::Ignore, End::Success]);
    assert_eq!(gate.in_flight(), 0);
}

#[test]
fn bounds_move_the_limit_and_keep_what_was_learnt() {
    let limit = adaptive::Adaptive::new(adaptive::Settings::default());
    let gate: Arc<Gate<Inbox>> = Gate::new(Settings::default(), Box::new(limit));
    let permits = seated(&gate, 20);
    gate.set_bounds(4, 10);
    assert_eq!((gate.limit(), gate.in_flight()), (10, 20));
    gate.set_bounds(30, 100);
    assert_eq!(gate.limit(), 30);
    drop(permits);
}

#[test]
fn what_is_only_observed_is_told_with_the_permit() {
    let gate = gate(1, Mode::Observe);
    let first = gate.admit(&standard(0), at(0)).admitted().unwrap();
    let second = gate.admit(&standard(1), at(0)).admitted().unwrap();
    assert_eq!((first.in_flight(), first.would_refuse()), (1, None));
    assert_eq!(second.would_refuse().map(|refusal| refusal.reason), Some(Reason::LimitReached));
}
