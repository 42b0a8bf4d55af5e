use std::{num::NonZeroU16, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::balance::{End, Place};

const KEYS: u64 = 2_000;

fn now() -> Moment {
    Moment::from(Duration::from_secs(1))
}

/// Endpoints by their names, each with its weight.
fn balancer(endpoints: &[(&str, u16)]) -> Balancer {
    let place = |(name, weight): &(&str, u16)| Place {
        weight: NonZeroU16::new(*weight).unwrap(),
        seed: key_of(name.as_bytes()),
    };
    Balancer::new(endpoints.len()).placed(endpoints.iter().map(place))
}

fn key(number: u64) -> u64 {
    key_of(&number.to_be_bytes())
}

/// Who is asked for each key while nobody else asks.
fn asked<'n>(endpoints: &[(&'n str, u16)]) -> Vec<&'n str> {
    let balancer = balancer(endpoints);
    let one =
        |number| endpoints[balancer.pick_for(key(number), now(), |_| false).unwrap().endpoint()].0;
    (0..KEYS).map(one).collect()
}

const FIVE: &[(&str, u16)] = &[
    ("10.0.0.1:1", 1),
    ("10.0.0.2:1", 1),
    ("10.0.0.3:1", 1),
    ("10.0.0.4:1", 1),
    ("10.0.0.5:1", 1),
];

#[test]
fn scores_are_the_same_in_every_process() {
    assert_eq!(key_of(b"tv-4711"), 0xd9c5_e0c0_c2bb_b18c);
}

#[test]
fn endpoint_that_leaves_takes_its_own_keys_along_and_no_others() {
    let before = asked(FIVE);
    for gone in 0..FIVE.len() {
        let mut left = FIVE.to_vec();
        let gone = left.remove(gone).0;
        for (before, after) in before.iter().zip(asked(&left)) {
            assert!(*before == gone || *before == after, "{before} became {after}");
        }
    }
}

#[test]
fn keys_of_an_endpoint_that_may_not_be_asked_spread_over_all_others() {
    let balancer = balancer(FIVE);
    let mut counts = [0_u32; 5];
    for number in 0..KEYS {
        let first = balancer.pick_for(key(number), now(), |_| false).unwrap().endpoint();
        if first == 0 {
            counts[balancer.pick_for(key(number), now(), |at| at == 0).unwrap().endpoint()] += 1;
        }
    }
    assert!(counts[1..].iter().all(|count| (60..140).contains(count)), "{counts:?}");
}

#[test]
fn shares_follow_weights() {
    let all = asked(&[("a:1", 1), ("b:1", 2), ("c:1", 7)]);
    let share = |name| all.iter().filter(|one| **one == name).count() as f64 / KEYS as f64;
    for (name, expected) in [("a:1", 0.1), ("b:1", 0.2), ("c:1", 0.7)] {
        assert!((share(name) - expected).abs() < 0.03, "{name} has {}", share(name));
    }
}

#[test]
fn one_key_that_everybody_asks_for_spreads_by_load() {
    let balancer = balancer(FIVE);
    let calls: Vec<_> =
        (0..100).map(|_| balancer.pick_for(key(7), now(), |_| false).unwrap()).collect();
    let loads: Vec<_> = (0..5).map(|at| balancer.load(at, now()).in_flight).collect();
    assert_eq!((loads.iter().sum::<u64>(), loads.iter().max()), (100, Some(&25)), "{loads:?}");
    for call in calls {
        call.finish(now(), End::Success);
    }
}

#[test]
fn nobody_is_asked_where_all_are_left_out() {
    assert!(balancer(FIVE).pick_for(7, now(), |_| true).is_none());
    assert!(balancer(&[]).pick_for(7, now(), |_| false).is_none());
}

proptest! {
    #[test]
    fn order_of_endpoints_never_matters(mut order in Just(FIVE.to_vec()).prop_shuffle()) {
        prop_assert_eq!(asked(&order), asked(FIVE));
        order.reverse();
        prop_assert_eq!(asked(&order), asked(FIVE));
    }

    #[test]
    fn endpoint_that_comes_gets_its_share_and_moves_nothing_else(name in "[a-z]{3,12}") {
        let mut more = FIVE.to_vec();
        more.push((&name, 1));
        let (before, after) = (asked(FIVE), asked(&more));
        let moved: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
        prop_assert!(moved.iter().all(|(_, after)| **after == name));
        let share = moved.len() as f64 / KEYS as f64;
        prop_assert!((share - 1.0 / 6.0).abs() < 0.05, "{share}");
    }

    #[test]
    fn no_endpoint_has_more_than_its_bound(
        keys in prop::collection::vec(0_u64..4, 1..200),
        weights in prop::collection::vec(1_u16..10, 1..8),
    ) {
        let names: Vec<_> = (0..weights.len()).map(|at| format!("10.0.0.{at}:1")).collect();
        let endpoints: Vec<_> = names.iter().map(String::as_str).zip(weights.iter().copied()).collect();
        let balancer = balancer(&endpoints);
        let all: u16 = weights.iter().sum();
        let mut calls = Vec::new();
        for number in keys {
            calls.push(balancer.pick_for(key(number), now(), |_| false).unwrap());
            let last = calls.last().unwrap().endpoint();
            let share = f64::from(weights[last]) / f64::from(all) * calls.len() as f64;
            let own = balancer.load(last, now()).in_flight as f64;
            prop_assert!(own <= (share * LOAD_MAX).ceil(), "{own} of {}", calls.len());
        }
    }
}
