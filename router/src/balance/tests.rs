use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> Moment {
    // Not at the clock's start, as no process is.
    Moment::from(Duration::from_millis(1_000_000 + millis))
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Even random numbers from a seed: `SplitMix64` (Steele, Lea, Flood).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn in_flight(balancer: &Balancer) -> Vec<u64> {
    let count = balancer.endpoints.len();
    (0..count).map(|endpoint| balancer.load(endpoint, at(0)).in_flight).collect()
}

/// Takes a call to a certain endpoint.
fn call(balancer: &Balancer, endpoint: usize, now: Moment) -> Call {
    balancer.pick(now, 0, |index| index != endpoint).expect("the endpoint exists")
}

fn latency_ms(balancer: &Balancer, endpoint: usize, now: Moment) -> f64 {
    balancer.load(endpoint, now).latency.expect("there was a sample").as_secs_f64() * 1e3
}

/// Calls one after the other, each answered after its endpoint's time; counts the picks.
fn shares(
    balancer: &Balancer,
    from: u64,
    calls: u64,
    end: impl Fn(usize, u64) -> (u64, End),
) -> Vec<u64> {
    let mut seed = 7;
    let mut picks = vec![0; balancer.endpoints.len()];
    for turn in 0..calls {
        let now = at(from + turn * 10);
        let call = balancer.pick(now, random(&mut seed), |_| false).unwrap();
        picks[call.endpoint()] += 1;
        let (took, end) = end(call.endpoint(), random(&mut seed));
        call.finish(now + ms(took), end);
    }
    picks
}

#[test]
fn no_endpoint_is_picked_where_none_is_left() {
    assert!(Balancer::new(0).pick(at(0), 1, |_| false).is_none());
    assert!(Balancer::new(3).pick(at(0), 1, |_| true).is_none());
    assert_eq!(Balancer::new(1).pick(at(0), u64::MAX, |_| false).unwrap().endpoint(), 0);
}

#[test]
fn calls_in_flight_decide_before_the_first_sample() {
    let balancer = Balancer::new(2);
    let calls: Vec<_> =
        (0..10).map(|turn| balancer.pick(at(0), turn << 60, |_| false).unwrap()).collect();
    assert_eq!(in_flight(&balancer), [5, 5]);
    drop(calls);
    assert_eq!(in_flight(&balancer), [0, 0]);
}

#[test]
fn a_peak_is_taken_at_once_and_forgotten_slowly() {
    let balancer = Balancer::new(1);
    call(&balancer, 0, at(0)).finish(at(10), End::Success);
    assert!((latency_ms(&balancer, 0, at(10)) - 10.0).abs() < 0.1);
    call(&balancer, 0, at(10)).finish(at(1_010), End::Success);
    assert!((latency_ms(&balancer, 0, at(1_010)) - 1_000.0).abs() < 1.0);
    // Ten seconds later a sample of zero leaves 1/e.
    call(&balancer, 0, at(11_010)).finish(at(11_010), End::Success);
    assert!((latency_ms(&balancer, 0, at(11_010)) - 367.9).abs() < 2.0);
}

#[test]
fn a_slow_endpoint_is_spared() {
    let picks = shares(&Balancer::new(3), 0, 300, |endpoint, _| match endpoint {
        0 => (100, End::Success),
        _ => (5, End::Success),
    });
    assert!(picks[0] <= 3, "{picks:?}");
}

#[test]
fn an_endpoint_that_fails_fast_is_spared() {
    let picks = shares(&Balancer::new(5), 0, 1_000, |endpoint, _| match endpoint {
        0 => (1, End::Failure),
        _ => (20, End::Success),
    });
    assert!((1..=3).contains(&picks[0]), "{picks:?}");
}

#[test]
fn an_endpoint_that_recovers_is_asked_again() {
    let balancer = Balancer::new(2);
    call(&balancer, 0, at(0)).finish(at(1), End::Failure);
    let picks = shares(&balancer, 10, 12_000, |_, noise| (3 + noise % 6, End::Success));
    assert!(picks[0] > 1_000, "{picks:?}");
}

#[test]
fn a_penalized_endpoint_gets_one_call_at_a_time_until_it_answers() {
    let balancer = Balancer::new(2);
    call(&balancer, 0, at(0)).finish(at(1), End::Failure);
    call(&balancer, 1, at(90_000)).finish(at(90_005), End::Success);
    let mut seed = 3;
    let now = at(90_010);
    let calls: Vec<_> =
        (0..50).map(|_| balancer.pick(now, random(&mut seed), |_| false).unwrap()).collect();
    let asked = calls.iter().filter(|call| call.endpoint() == 0).count();
    assert_eq!(asked, 1, "of 50 calls at once, while the first has not been answered");
}

#[test]
fn a_new_endpoint_gets_its_share_and_no_more() {
    let old = Balancer::new(2);
    for endpoint in [0, 1] {
        call(&old, endpoint, at(0)).finish(at(2), End::Success);
    }
    let balancer = old.successor([Some(0), Some(1), None]);
    let mut seed = 5;
    let calls: Vec<_> =
        (0..30).map(|_| balancer.pick(at(3), random(&mut seed), |_| false).unwrap()).collect();
    let counts = in_flight(&balancer);
    assert!((8..=12).contains(&counts[2]), "{counts:?}");
    drop(calls);
}

#[test]
fn a_successor_keeps_what_is_known_and_what_is_in_flight() {
    let old = Balancer::new(2);
    call(&old, 1, at(0)).finish(at(80), End::Success);
    let running = call(&old, 1, at(80));
    let balancer = old.successor([None, Some(1), Some(9)]);
    assert_eq!(in_flight(&balancer), [0, 1, 0]);
    assert!((latency_ms(&balancer, 1, at(80)) - 80.0).abs() < 0.1);
    assert_eq!(balancer.load(0, at(80)).latency, None);
    running.finish(at(90), End::Success);
    assert_eq!(in_flight(&balancer), [0, 0, 0]);
}

#[test]
fn a_dropped_call_says_nothing_about_latency() {
    let balancer = Balancer::new(1);
    drop(call(&balancer, 0, at(0)));
    assert_eq!(balancer.load(0, at(60_000)), Load { in_flight: 0, latency: None });
}

#[test]
fn a_body_that_takes_long_does_not_make_its_endpoint_slow() {
    let balancer = Balancer::new(1);
    let mut streaming = call(&balancer, 0, at(0));
    streaming.answered(at(20), End::Success);
    assert_eq!(balancer.load(0, at(20)).in_flight, 1);
    streaming.finish(at(600_000), End::Success);
    assert!(latency_ms(&balancer, 0, at(20)) < 21.0);
    assert_eq!(balancer.load(0, at(20)).in_flight, 0);
}

#[test]
fn a_body_that_breaks_off_is_a_failure() {
    let balancer = Balancer::new(1);
    let mut streaming = call(&balancer, 0, at(0));
    streaming.answered(at(20), End::Success);
    streaming.finish(at(40), End::Failure);
    assert!(latency_ms(&balancer, 0, at(40)) > 4_900.0);
}

#[test]
fn what_was_tried_is_not_picked() {
    let balancer = Balancer::new(4);
    let mut seed = 11;
    for _ in 0..200 {
        let call = balancer.pick(at(0), random(&mut seed), |index| index == 1 || index == 3);
        assert!(matches!(call.unwrap().endpoint(), 0 | 2));
    }
}

#[test]
fn all_pairs_are_drawn_about_equally_often() {
    let mut seed = 13;
    let mut pairs: HashMap<(usize, usize), u32> = HashMap::new();
    for _ in 0..20_000 {
        *pairs.entry(two_of(5, random(&mut seed))).or_default() += 1;
    }
    assert_eq!(pairs.len(), 20, "no place twice: {pairs:?}");
    assert!(pairs.values().all(|count| (850..1_150).contains(count)), "{pairs:?}");
}

#[test]
fn calls_are_conserved_across_threads() {
    let balancer = Balancer::new(3);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let balancer = &balancer;
            scope.spawn(move || {
                let mut seed = thread;
                let mut open = Vec::new();
                for turn in 0..5_000 {
                    let call = balancer.pick(at(turn), random(&mut seed), |_| false).unwrap();
                    open.push(call);
                    if open.len() > 8 {
                        let place = usize::try_from(random(&mut seed) % 9).unwrap();
                        let call = open.swap_remove(place);
                        if turn % 3 != 0 {
                            call.finish(at(turn + 1), End::Success);
                        }
                    }
                }
            });
        }
    });
    assert_eq!(in_flight(&balancer), [0, 0, 0]);
}

#[derive(Clone, Debug)]
enum Step {
    Pick(u64),
    Finish(usize, bool),
    Answer(usize, bool),
    Cancel(usize),
}

proptest! {
    #[test]
    fn calls_in_flight_are_those_that_have_not_ended(
        steps in prop::collection::vec(prop_oneof![
            3 => any::<u64>().prop_map(Step::Pick),
            1 => (any::<usize>(), any::<bool>()).prop_map(|(call, good)| Step::Finish(call, good)),
            1 => (any::<usize>(), any::<bool>()).prop_map(|(call, good)| Step::Answer(call, good)),
            1 => any::<usize>().prop_map(Step::Cancel),
        ], 0..200),
        endpoints in 1_usize..6,
    ) {
        let balancer = Balancer::new(endpoints);
        let end = |good| if good { End::Success } else { End::Failure };
        let mut open: Vec<Call> = Vec::new();
        for (turn, step) in steps.into_iter().enumerate() {
            let now = at(turn as u64 * 3);
            let place = |call: usize, open: &[Call]| (!open.is_empty()).then(|| call % open.len().max(1));
            match step {
                Step::Pick(random) => open.extend(balancer.pick(now, random, |_| false)),
                Step::Finish(call, good) => if let Some(place) = place(call, &open) {
                    open.swap_remove(place).finish(now, end(good));
                },
                Step::Answer(call, good) => if let Some(place) = place(call, &open) {
                    open[place].answered(now, end(good));
                },
                Step::Cancel(call) => if let Some(place) = place(call, &open) {
                    drop(open.swap_remove(place));
                },
            }
            let mut expected = vec![0; endpoints];
            for call in &open {
                expected[call.endpoint()] += 1;
            }
            prop_assert_eq!(in_flight(&balancer), expected);
        }
        drop(open);
        prop_assert_eq!(in_flight(&balancer), vec![0; endpoints]);
    }

    #[test]
    fn an_estimate_lies_between_its_samples_and_zero(
        samples in prop::collection::vec((0_u64..20_000, 0_u64..5_000), 1..50),
    ) {
        let balancer = Balancer::new(1);
        let mut now = at(0);
        let mut longest = 0.0_f64;
        for (pause, took) in samples {
            let started = now + ms(pause);
            let call = call(&balancer, 0, started);
            now = started + ms(took);
            call.finish(now, End::Success);
            longest = longest.max(took as f64);
            let latency = latency_ms(&balancer, 0, now);
            prop_assert!(latency.is_finite() && (0.0..=longest + 1.0).contains(&latency));
            // A peak is never understated.
            prop_assert!(latency >= took as f64 * 0.999);
        }
    }
}
