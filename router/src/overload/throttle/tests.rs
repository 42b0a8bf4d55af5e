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
        // Four of five wait for a second and a half, and are then refused elsewhere.
        if turn % 5 == 0 {
            throttle.succeeded(pass, now);
        } else {
            throttle.untried(pass, now + Duration::from_millis(1500));
        }
    }
    let (requests, successes) = throttle.window.lock().sums();
    assert!(requests > 50.0);
    assert!((requests - successes).abs() < f64::EPSILON, "{requests} {successes}");
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
