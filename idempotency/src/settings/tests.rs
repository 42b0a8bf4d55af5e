use std::time::Duration;

use super::{Redelivery, Settings, SettingsFault};

const DAY: Duration = Duration::from_hours(24);
const WEEK: Duration = Duration::from_hours(24 * 7);

fn check(ttl: Duration, redelivery: Redelivery) -> Result<(), Vec<SettingsFault>> {
    Settings { ttl, ..Settings::default() }.validate(Some(redelivery))
}

#[test]
fn a_record_must_outlive_the_redelivery_of_its_event() {
    let window = Redelivery { retention: Some(WEEK), redrive: DAY, watermark: false };
    assert_eq!(check(WEEK + DAY, window), Ok(()));
    let ttl = Duration::from_hours(24 * 8 - 1);
    let fault = SettingsFault::TtlBelowRedelivery { ttl, window: Some(WEEK + DAY) };
    assert_eq!(check(ttl, window), Err(vec![fault]));
}

#[test]
fn a_log_that_is_kept_for_ever_needs_the_watermark() {
    let window = Redelivery { retention: None, redrive: DAY, watermark: false };
    let faults = check(DAY, window).unwrap_err();
    assert_eq!(
        faults[0].to_string(),
        "records are kept for 1d, but an event can come again for ever"
    );
    assert_eq!(check(DAY, Redelivery { watermark: true, ..window }), Ok(()));
}

#[test]
fn requests_need_no_window() {
    assert_eq!(Settings::default().validate(None), Ok(()));
}

#[test]
fn a_lease_that_cannot_be_held_is_refused() {
    let (lease, ttl) = (Duration::from_millis(10), Duration::from_millis(5));
    let faults = Settings { lease, ttl, ..Settings::default() }.validate(None);
    let expected =
        vec![SettingsFault::LeaseTooShort { lease }, SettingsFault::TtlBelowLease { ttl, lease }];
    assert_eq!(faults, Err(expected));
}
