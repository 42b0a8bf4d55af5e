use super::*;

#[test]
fn waits_grow_up_to_the_longest() {
    let backoff = Backoff {
        first: Duration::from_millis(200),
        factor: 2.0,
        longest: Duration::from_secs(1),
        attempts_max: 8,
    };
    let longest = |attempt| backoff.wait(attempt, u64::MAX).as_millis();
    assert_eq!([1, 2, 3, 4, 5, u32::MAX].map(longest), [200, 400, 800, 1000, 1000, 1000]);
    assert_eq!(backoff.wait(3, 0), Duration::ZERO);
    assert_eq!(backoff.wait(3, 1 << 63).as_millis(), 400);
}

#[test]
fn a_wait_is_bounded_whatever_the_factor() {
    let backoff = Backoff { factor: f64::INFINITY, ..Backoff::default() };
    assert!(backoff.wait(2, u64::MAX) <= backoff.longest);
}
