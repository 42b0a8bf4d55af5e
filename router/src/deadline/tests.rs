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

#[test]
fn times_of_grpc_are_read_in_each_unit() {
    for (value, expected) in [
        ("2H", Some(Duration::from_hours(2))),
        ("3M", Some(Duration::from_mins(3))),
        ("4S", Some(Duration::from_secs(4))),
        ("500m", Some(Duration::from_millis(500))),
        ("6u", Some(Duration::from_micros(6))),
        ("7n", Some(Duration::from_nanos(7))),
        ("0m", Some(Duration::ZERO)),
        ("99999999H", Some(Duration::from_hours(99_999_999))),
        ("123456789m", None),
        ("", None),
        ("m", None),
        ("1", None),
        ("1s", None),
        ("-1m", None),
        ("1.5S", None),
    ] {
        assert_eq!(parse_grpc(value.as_bytes()), expected, "{value}");
    }
}

proptest! {
    #[test]
    fn times_of_grpc_are_written_as_they_are_read_and_never_longer(nanos in any::<u64>()) {
        let time = Duration::from_nanos(nanos);
        let read = parse_grpc(to_grpc(time).as_bytes()).unwrap();
        prop_assert!(!read.is_zero());
        prop_assert!(read <= time.max(Duration::from_millis(1)));
    }

    #[test]
    fn any_bytes_are_read_and_no_wish_prolongs(wish in prop::collection::vec(any::<u8>(), 0..30)) {
        let deadline = effective(STARTED, TIMEOUT, Some(&wish));
        prop_assert!(deadline <= Deadline::after(STARTED, TIMEOUT));
    }
}
