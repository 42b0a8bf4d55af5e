use std::collections::BinaryHeap;

use headgate_router::overload::adaptive;

use super::*;

/// A store whose writes take so long for each delivery at work, as where they share syncs.
const WRITE: Duration = Duration::from_micros(100);

/// The limit after so many deliveries whose handler runs as long as `run` says of those at work.
fn limit_after(shares_syncs: bool, run: impl Fn(u32) -> Duration) -> usize {
    let settings = adaptive::Settings { initial: 64, min: 4, max: 512, ..Default::default() };
    let mut pace = Pace::new(&Concurrency::Adaptive(settings), shares_syncs);
    let mut now = Moment::ZERO;
    // By end: the latest is the largest, so they are kept reversed.
    let mut at_work = BinaryHeap::new();
    for number in 0..200_000_u64 {
        while at_work.len() < pace.limit() {
            let in_flight = u32::try_from(at_work.len()).unwrap() + 1;
            let ran = run(in_flight);
            let ended = now + ran + WRITE * in_flight;
            at_work.push((std::cmp::Reverse((ended, number)), now, in_flight, ran));
        }
        pace.was_limited();
        let (std::cmp::Reverse((ended, _)), started, in_flight, ran) = at_work.pop().unwrap();
        now = now.max(ended);
        pace.ended((started, now), in_flight, &Report { ran, ..Report::settled() });
    }
    pace.limit()
}

#[test]
fn writes_that_share_syncs_leave_the_limit_to_the_handler() {
    let quick = |_| Duration::from_micros(50);
    assert_eq!(limit_after(true, quick), 512);
    assert!(limit_after(false, quick) < 128, "a store of its own pace is spared");
}

#[test]
fn handler_whose_runs_wait_for_each_other_is_spared() {
    let queues =
        |in_flight: u32| Duration::from_millis(20).max(Duration::from_millis(2) * in_flight);
    let limit = limit_after(true, queues);
    assert!((4..=64).contains(&limit), "{limit}");
}

#[test]
fn looks_are_neither_too_many_nor_too_few() {
    let now = Instant::now();
    let mut pace = Pace::new(&Concurrency::Fixed(1), false);
    let every = Duration::from_secs(1);
    assert_eq!(pace.next_look(now, every), now + every);
    pace.note(now + Duration::from_millis(1));
    assert_eq!(pace.next_look(now, every), now + APART);
    pace.note(now + Duration::from_millis(300));
    let later = now + Duration::from_millis(10);
    assert_eq!(pace.next_look(later, every), now + Duration::from_millis(300));
}
