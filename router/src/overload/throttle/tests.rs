use std::time::Duration;

use super::*;

/// The share refused of 1000 requests after 3000, ten a second, of which `success` succeeded.
fn refused(class: Class, success: f64) -> f64 {
    let throttle = Throttle::default();
    let mut refused = 0;
    for turn in 0..4000_u64 {
        let now = Moment::from(Duration::from_millis(turn * 100));
        let is_refused = throttle.check(Priority::from(class), now, turn).is_some();
        if !is_refused && num::unit(turn ^ 0xabc) < success {
            throttle.succeeded(now);
        }
        refused += u32::from(is_refused && turn >= 3000);
    }
    f64::from(refused) / 1000.0
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
fn a_quiet_route_is_left_alone() {
    let throttle = Throttle::default();
    let at = |second| Moment::from(Duration::from_secs(second));
    assert!((0..100).all(|turn| throttle.check(Priority::default(), at(turn), turn).is_none()));
}
