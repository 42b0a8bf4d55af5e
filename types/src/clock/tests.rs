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
