use super::*;

const TYPICAL: Duration = Duration::from_millis(100);

fn refuses(left_millis: u64, typical: Option<Duration>) -> bool {
    let now = Moment::from(Duration::from_secs(10));
    let deadline = Deadline::after(now, Duration::from_millis(left_millis));
    check(deadline, now, typical).is_some()
}

#[test]
fn what_cannot_end_in_time_is_not_started() {
    assert!(refuses(59, Some(TYPICAL)));
    assert!(!refuses(60, Some(TYPICAL)));
}

#[test]
fn what_has_expired_is_refused_even_if_nothing_is_known() {
    assert!(refuses(0, None));
    assert!(!refuses(1, None));
}
