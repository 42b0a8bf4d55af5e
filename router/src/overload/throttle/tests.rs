use std::time::Duration;

use super::*;
use crate::overload::mode::{Counts, Mode};

/// The share refused of 1000 requests after 3000, ten a second, of which `success` succeeded.
fn refused(class: Class, success: f64) -> f64 {
    let throttle = Throttle::default();
    let mut refused = 0;
    for turn in 0..4000_u64 {
        let is_refused = request(&throttle, class, turn, success);
        refused += u32::from(is_refused && turn >= 3000);
    }
    f64::from(refused) / 1000.0
}

/// One request a tenth of a second; whether it was refused.
fn request(throttle: &Throttle, class: Class, turn: u64, success: f64) -> bool {
    let now = Moment::from(Duration::from_millis(turn * 100));
    match throttle.check(Priority::from(class), now, turn) {
        Verdict::Admitted(pass) => {
            throttle.tried(pass, now);
            if num::unit(turn ^ 0xabc) < success {
                throttle.succeeded(pass, now);
            }
            false
        }
        Verdict::Refused(_) => true,
    }
}

#[test]
fn a_healthy_route_is_left_alone() {
    assert!(refused(Class::Bulk, 0.95) < 0.02);
    assert!(refused(Class::Critical, 0.5) < 0.01);
}

#[test]
fn a_dead_route_is_still_tried() {
    let share = refused(Class::Standard, 0.0);
    assert!((0.85..=0.95).contains(&share), "{share}");
}

#[test]
fn less_important_requests_are_refused_sooner() {
    let shares = [Class::Critical, Class::Standard, Class::Bulk].map(|class| refused(class, 0.42));
    assert!(shares[0] < shares[1] && shares[1] <= shares[2], "{shares:?}");
}

#[test]
fn requests_that_are_not_tried_say_nothing() {
    let throttle = Throttle::default();
    for turn in 0..4000_u64 {
        let now = Moment::from(Duration::from_millis(turn * 100));
        let Verdict::Admitted(pass) = throttle.check(Priority::default(), now, turn) else {
            panic!("request {turn} is refused");
        };
        // Four of five are refused elsewhere.
        if turn % 5 == 0 {
            throttle.tried(pass, now);
            throttle.succeeded(pass, now);
        }
    }
    let [_, requests, successes] = throttle.window.lock().sums();
    assert!(requests > 50.0);
    assert!((requests - successes).abs() < f64::EPSILON, "{requests} {successes}");
}

/// Seconds until a flood, of which other layers let a tenth through, is no longer refused here; it
/// begins with the failures that made this layer refuse.
fn refuses_a_flood_for(class: Class) -> Option<u64> {
    let throttle = Throttle::default();
    let at = |millis| Moment::from(Duration::from_millis(millis));
    for turn in 0..400 {
        if let Verdict::Admitted(pass) = throttle.check(Priority::from(class), at(0), turn) {
            throttle.tried(pass, at(0));
        }
    }
    let mut tries_left = 0;
    (0..25).find(|second| {
        let mut refused = 0;
        // Four thousand a second, and a service that takes four hundred of them well.
        for turn in 0..4000 {
            let now = at(second * 1000 + turn / 4);
            tries_left += i32::from(turn % 10 == 0);
            match throttle.check(Priority::from(class), now, second * 4001 + turn) {
                Verdict::Refused(_) => refused += 1,
                Verdict::Admitted(pass) if tries_left > 0 => {
                    tries_left -= 1;
                    throttle.tried(pass, now);
                    throttle.succeeded(pass, now);
                }
                // Another layer refuses it.
                Verdict::Admitted(_) => {}
            }
        }
        refused == 0
    })
}

#[test]
fn flood_that_other_layers_refuse_is_not_refused_here_for_long() {
    for class in [Class::Critical, Class::Standard, Class::Bulk] {
        let seconds = refuses_a_flood_for(class);
        assert!(seconds.is_some_and(|seconds| seconds <= 10), "{class}: {seconds:?}");
    }
}

#[test]
fn who_waits_for_another_layer_is_no_failure() {
    let throttle = Throttle::default();
    // A thousand wait at once before anybody has been served.
    let now = Moment::from(Duration::from_millis(1));
    let checks = (0..1000).map(|turn| throttle.check(Priority::from(Class::Bulk), now, turn));
    assert_eq!(checks.filter(|check| check.refusal().is_some()).count(), 0);
}

#[test]
fn a_quiet_route_is_left_alone() {
    let throttle = Throttle::default();
    let at = |second| Moment::from(Duration::from_secs(second));
    let checks = (0..100).map(|turn| throttle.check(Priority::default(), at(turn), turn));
    assert_eq!(checks.filter(|check| check.refusal().is_some()).count(), 0);
}

#[test]
fn observing_counts_what_enforcing_refuses() {
    let counts = |mode: Option<Mode>| {
        let throttle = Throttle::default();
        mode.inspect(|mode| throttle.switch().set(*mode));
        let refused = (0..4000).filter(|turn| request(&throttle, Class::Bulk, *turn, 0.5)).count();
        (throttle.switch().counts(), refused)
    };
    let (enforced, refused) = counts(None);
    let (observed, none) = counts(Some(Mode::Observe));
    assert!(refused > 100);
    assert_eq!((observed.would_refuse, none), (enforced.refused, 0));
    assert_eq!(counts(Some(Mode::Off)), (Counts::default(), 0));
}
