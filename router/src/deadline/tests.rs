use proptest::prelude::*;

use super::*;

const STARTED: Moment = Moment::from_nanos(7_000_000_000);
const TIMEOUT: Duration = Duration::from_millis(900);

#[track_caller]
fn check(wish: Option<&str>, expected_millis: u64) {
    let deadline = effective(STARTED, TIMEOUT, wish.map(str::as_bytes));
    assert_eq!(
        deadline.moment().since(STARTED),
        Duration::from_millis(expected_millis),
        "{wish:?}"
    );
}

#[test]
fn a_client_may_shorten_and_never_prolong() {
    check(None, 900);
    check(Some("250"), 250);
    check(Some("900"), 900);
    check(Some("901"), 900);
    check(Some("99999999999999999999999999"), 900);
    check(Some("00000000000000000000000000250"), 250);
}

#[test]
fn a_wish_of_zero_has_passed() {
    check(Some("0"), 0);
    let deadline = effective(STARTED, TIMEOUT, Some(b"0"));
    assert_eq!(deadline.remaining(STARTED), None);
}

#[test]
fn a_wish_that_is_no_number_is_ignored() {
    for wish in ["", "-1", "+1", "1.5", "1s", " 1", "0x10", "1,2", "\u{661}"] {
        check(Some(wish), 900);
        assert_eq!(parse_wish(wish.as_bytes()), None, "{wish}");
    }
}

#[test]
fn an_attempt_ends_with_the_exchange_at_the_latest() {
    let millis = Duration::from_millis;
    assert_eq!(attempt_timeout(None, millis(900)), millis(900));
    assert_eq!(attempt_timeout(Some(millis(300)), millis(900)), millis(300));
    assert_eq!(attempt_timeout(Some(millis(300)), millis(200)), millis(200));
}

#[test]
fn the_time_handed_on_is_rounded_down_but_never_zero() {
    assert_eq!(to_millis(Duration::from_micros(1_999)), 1);
    assert_eq!(to_millis(Duration::from_micros(1)), 1);
    assert_eq!(to_millis(Duration::from_millis(2)), 2);
    assert_eq!(to_millis(Duration::MAX), u64::MAX);
}

proptest! {
    #[test]
    fn any_bytes_are_read_and_no_wish_prolongs(wish in prop::collection::vec(any::<u8>(), 0..30)) {
        let deadline = effective(STARTED, TIMEOUT, Some(&wish));
        prop_assert!(deadline <= Deadline::after(STARTED, TIMEOUT));
    }
}
