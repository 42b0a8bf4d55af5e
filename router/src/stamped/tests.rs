use std::time::Duration;

use super::*;

fn at(millis: u64) -> Moment {
    Moment::from(Duration::from_millis(millis))
}

#[test]
fn a_change_moves_the_time() {
    let number = Stamped::new(1.0, at(0));
    assert!(number.update(at(2_000), |number, seconds| Some(number + seconds)));
    let (number, seconds) = number.get(at(3_000));
    assert!((number - 3.0).abs() < 0.01 && (seconds - 1.0).abs() < 0.01, "{number} {seconds}");
}

#[test]
fn a_declined_change_moves_nothing() {
    let number = Stamped::new(1.0, at(0));
    assert!(!number.update(at(2_000), |_, _| None));
    let (number, seconds) = number.get(at(3_000));
    assert!((number - 1.0).abs() < f32::EPSILON && (seconds - 3.0).abs() < 0.01);
}

#[test]
fn a_late_thread_does_not_turn_time_back() {
    let number = Stamped::new(1.0, at(5_000));
    assert!(number.update(at(4_000), |number, seconds| Some(number + seconds)));
    let (number, seconds) = number.get(at(5_000));
    assert!((number - 1.0).abs() < f32::EPSILON && seconds < 0.01);
}

#[test]
fn time_goes_on_where_ticks_wrap() {
    let wraps = Moment::from_nanos(u64::from(u32::MAX) << 20);
    let number = Stamped::new(1.0, wraps);
    let (_, seconds) = number.get(wraps + Duration::from_secs(2));
    assert!((seconds - 2.0).abs() < 0.01, "{seconds}");
}
