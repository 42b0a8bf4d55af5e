use std::time::Duration;

use super::*;

const HOUR: Duration = Duration::from_hours(1);

fn at(seconds: u64) -> Moment {
    Duration::from_secs(seconds).into()
}

fn level_of(user: u64, usage: &Usage, now: Moment) -> u8 {
    level(Class::Standard, user, usage, now).level()
}

#[test]
fn a_user_keeps_its_level_for_an_hour() {
    let usage = Usage::default();
    let users = 0..200;
    let moved = |now: Moment| {
        let changed = |user: &u64| level_of(*user, &usage, at(10)) != level_of(*user, &usage, now);
        users.clone().filter(changed).count()
    };
    assert_eq!(moved(at(3599)), 0);
    assert!(moved(at(10) + HOUR) > 150);
}

#[test]
fn ordinary_users_never_come_after_a_heavy_one() {
    let usage = Usage::default();
    for second in 0..5 {
        for user in 0..50 {
            let calls = if user == 0 { 500 } else { 10 };
            (0..calls).for_each(|_| usage.charge(user, Duration::from_millis(50), at(second)));
        }
    }
    let heavy = level_of(0, &usage, at(5));
    assert!(heavy >= LEVELS / 2, "{heavy}");
    assert!((1..50).all(|user| level_of(user, &usage, at(5)) < LEVELS / 2));
}

#[test]
fn usage_is_forgotten_within_a_minute() {
    let usage = Usage::default();
    (0..1000).for_each(|_| usage.charge(1, Duration::from_millis(50), at(1)));
    for second in [31, 61, 62] {
        (2..60).for_each(|user| usage.charge(user, Duration::from_millis(50), at(second)));
    }
    assert!(usage.times_median(1, at(63)) < 1.0);
}

fn filled() -> Threshold {
    let threshold = Threshold::default();
    for rank in 0..ADMIT_ALL {
        (0..4).for_each(|_| assert_eq!(threshold.sheds(rank), None));
    }
    threshold
}

#[test]
fn the_least_important_share_is_shed() {
    let threshold = filled();
    threshold.shed(0.25, 0);
    assert_eq!(threshold.first_shed(), 384);
    assert_eq!(threshold.sheds(384), Some(384));
    assert_eq!(threshold.sheds(383), None);
}

#[test]
fn classes_above_those_that_stand_are_not_touched() {
    let threshold = filled();
    threshold.shed(0.9, 1);
    assert_eq!(threshold.first_shed(), 128);
}

#[test]
fn some_always_pass() {
    let threshold = filled();
    threshold.shed(1.0, 0);
    assert!(threshold.first_shed() >= 25, "{}", threshold.first_shed());
}

#[test]
fn one_rank_alone_is_not_shed_whole() {
    let threshold = Threshold::default();
    (0..100).for_each(|_| assert_eq!(threshold.sheds(200), None));
    threshold.shed(0.5, 0);
    assert_eq!(threshold.sheds(200), None);
}

#[test]
fn arrivals_fade() {
    let threshold = filled();
    threshold.fade(0.5);
    let left: f64 = threshold.arrivals().iter().sum();
    assert!((left - 1024.0).abs() < 1.0, "{left}");
}

#[test]
fn a_flood_is_known_before_its_calls_have_ended() {
    let usage = Usage::default();
    for second in 0..20 {
        for user in 0..50 {
            (0..5).for_each(|_| usage.ask(user, at(second)));
            (0..5).for_each(|_| usage.charge(user, Duration::from_millis(50), at(second)));
        }
    }
    (0..8).for_each(|_| usage.ask(1, at(20)));
    assert!(level_of(1, &usage, at(20)) < LEVELS / 2, "a page is no flood");
    (0..40).for_each(|_| usage.ask(2, at(20)));
    assert!(level_of(2, &usage, at(20)) >= LEVELS / 2);
}
