use proptest::prelude::*;

use super::*;
use crate::overload::mode::{Counts, Mode};

fn at(millis: u64) -> Moment {
    Moment::from(Duration::from_millis(1_000_000 + millis))
}

fn budget(share: f64) -> Budget {
    Budget::new(Ratio::new(share).unwrap(), at(0))
}

fn charges(budget: &Budget, now: Moment) -> u32 {
    (0..10_000).take_while(|_| budget.charge(now, 0)).map(|_| 1).sum()
}

#[test]
fn a_quiet_route_has_a_reserve_that_fills_by_itself() {
    let budget = budget(0.1);
    assert_eq!(charges(&budget, at(0)), 3);
    assert_eq!(charges(&budget, at(340)), 1);
    assert_eq!(charges(&budget, at(60_000)), 3);
}

#[test]
fn successes_pay_for_retries_by_their_share() {
    let budget = budget(0.125);
    (0..800).for_each(|_| budget.deposit(at(0)));
    assert_eq!(charges(&budget, at(0)), 103);
}

#[test]
fn a_share_of_zero_leaves_the_reserve() {
    let budget = budget(0.0);
    (0..1_000).for_each(|_| budget.deposit(at(0)));
    assert_eq!(charges(&budget, at(0)), 3);
}

#[test]
fn what_was_saved_fades() {
    let budget = budget(1.0);
    (0..100).for_each(|_| budget.deposit(at(0)));
    let faded = budget.available(at(10_000));
    assert!((faded - 103.0 / std::f64::consts::E).abs() < 0.5, "{faded}");
    assert!((budget.available(at(600_000)) - 3.0).abs() < 0.01);
}

#[test]
fn a_steady_route_can_spend_its_share() {
    let budget = budget(0.2);
    let mut retries = 0;
    for turn in 0..10_000 {
        budget.deposit(at(turn));
        if turn % 10 == 0 {
            retries += u32::from(budget.charge(at(turn), 0));
        }
    }
    assert_eq!(retries, 1_000, "a tenth is well inside a fifth");
}

#[test]
fn a_bucket_that_is_never_emptied_stays_bounded() {
    let budget = budget(1.0);
    budget.tokens.update(at(0), |_, _| Some(TOKENS_MAX));
    budget.deposit(at(0));
    assert!(budget.available(at(0)) <= f64::from(TOKENS_MAX));
}

#[test]
fn threads_never_take_more_than_there_is() {
    let budget = budget(0.5);
    (0..200).for_each(|_| budget.deposit(at(0)));
    let taken: u32 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| charges(&budget, at(0)))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(taken, 103);
}

proptest! {
    /// In any stretch of time: retries <= saved + share * successes + 3 * seconds.
    #[test]
    fn no_stretch_of_time_has_more_retries_than_its_budget(
        share in 0.0_f64..1.0,
        steps in prop::collection::vec((0_u64..500, prop_oneof![Just(true), Just(false)], 1_u32..20), 1..150),
    ) {
        let budget = budget(share);
        let mut now = 0;
        // Of every stretch that has begun: what it may have at most, and what it has had.
        let mut stretches: Vec<(u64, f64, f64)> = Vec::new();
        for (pause, is_success, times) in steps {
            now += pause;
            stretches.push((now, budget.available(at(now)), 0.0));
            for _ in 0..times {
                if is_success {
                    budget.deposit(at(now));
                    for (_, allowed, _) in &mut stretches {
                        *allowed += share;
                    }
                } else if budget.charge(at(now), 0) {
                    for (_, _, had) in &mut stretches {
                        *had += 1.0;
                    }
                }
            }
            for (from, allowed, had) in &stretches {
                let seconds = (now - from) as f64 / 1e3;
                prop_assert!(*had <= allowed + 3.0 * (seconds + 0.002) + 0.01, "{} {} {}", had, allowed, seconds);
            }
        }
    }
}

#[test]
fn observing_counts_what_enforcing_refuses() {
    let counts = |mode: Option<Mode>| {
        let budget = budget(0.1);
        mode.inspect(|mode| budget.switch().set(*mode));
        let made = (0..100).filter(|draw| budget.charge(at(10 * draw), *draw)).count();
        (budget.switch().counts(), made)
    };
    let (enforced, some) = counts(None);
    let (observed, all) = counts(Some(Mode::Observe));
    assert_eq!((all, observed.would_refuse), (100, enforced.refused));
    assert_eq!(enforced.refused + some as u64, 100);
    assert_eq!(counts(Some(Mode::Off)), (Counts::default(), 100));
}
