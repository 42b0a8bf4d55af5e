use super::*;

#[test]
fn moments_saturate_at_both_ends() {
    assert_eq!(Moment::ZERO - Duration::from_secs(1), Moment::ZERO);
    assert_eq!(Moment::NEVER + Duration::from_secs(1), Moment::NEVER);
    assert_eq!(Moment::ZERO.since(Moment::from_nanos(5)), Duration::ZERO);
}

#[test]
fn unix_time_prints_as_rfc_3339() {
    let cases = [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400, "2000-02-29T00:00:00.000Z"),
        (1_795_243_200, "2026-11-21T06:40:00.000Z"),
        (4_102_444_799, "2099-12-31T23:59:59.000Z"),
    ];
    for (seconds, expected) in cases {
        assert_eq!(UnixTime::from_secs(seconds).to_string(), expected);
    }
}

#[test]
fn printed_times_are_read_again() {
    for millis in [0, 1, 951_782_399_999, 1_795_243_200_250, 4_102_444_799_000] {
        let time = UnixTime::from_duration(Duration::from_millis(millis));
        assert_eq!(time.to_string().parse(), Ok(time));
    }
    let nanos = UnixTime::from_duration(Duration::new(1, 5));
    assert_eq!("1970-01-01T00:00:01.000000005Z".parse(), Ok(nanos));
    assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(UnixTime::from_secs(1)));
}

#[test]
fn what_is_no_time_is_refused() {
    let cases = [
        "",
        "2026-11-21",
        "2026-11-21T06:40:00",
        "2026-11-21T06:40:00+01:00",
        "2026-11-21 06:40:00Z",
        "2026-02-29T06:40:00Z",
        "2026-00-10T06:40:00Z",
        "2026-13-10T06:40:00Z",
        "2026-11-00T06:40:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T06:60:00Z",
        "2026-11-21T06:40:60Z",
        "2026-11-21T06:40:00.Z",
        "2026-11-21T06:40:00.0000000001Z",
        "1969-12-31T23:59:59Z",
        "99999999999999999999-01-01T00:00:00Z",
        "+026-11-21T06:40:00Z",
    ];
    for text in cases {
        assert_eq!(text.parse::<UnixTime>(), Err(ParseTimeError), "{text:?}");
    }
}
