use proptest::prelude::*;

use super::*;

#[test]
fn sizes_and_durations_read_with_their_unit_only() {
    assert_eq!("64KiB".parse(), Ok(ByteSize::from_bytes(65_536)));
    assert_eq!("0B".parse(), Ok(ByteSize::from_bytes(0)));
    assert_eq!(parse_duration("900ms"), Ok(Duration::from_millis(900)));
    assert_eq!(parse_duration("24h"), Ok(Duration::from_hours(24)));
    for text in ["", "64", "KiB", "1MB", "-1B", "1.5MiB", "99999999999GiB"] {
        assert_eq!(text.parse::<ByteSize>(), Err(A_SIZE), "{text}");
    }
    for text in ["", "5", "s", "5 s", "1.5s", "-1s", "é", "99999999999999999999d"] {
        assert_eq!(parse_duration(text), Err(A_DURATION), "{text}");
    }
}

#[test]
fn ratios_stay_between_zero_and_one() {
    assert_eq!("10%".parse::<Ratio>().map(Ratio::as_f64), Ok(0.1));
    assert_eq!("0.5".parse::<Ratio>().map(Ratio::as_f64), Ok(0.5));
    for text in ["101%", "-1%", "2", "NaN", "inf", ""] {
        assert_eq!(text.parse::<Ratio>(), Err(A_RATIO), "{text}");
    }
}

proptest! {
    #[test]
    fn sizes_read_back_as_written(bytes in 0..u64::MAX) {
        let size = ByteSize::from_bytes(bytes);
        prop_assert_eq!(size.to_string().parse(), Ok(size));
    }

    #[test]
    fn durations_read_back_as_written(millis in 0..u64::MAX / 2) {
        let length = Duration::from_millis(millis);
        prop_assert_eq!(parse_duration(&format_duration(length)), Ok(length));
    }
}
