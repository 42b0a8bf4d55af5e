use std::num::NonZeroU32;

use super::*;

const ONCE: Thresholds =
    Thresholds { healthy_after: NonZeroU32::MIN, unhealthy_after: NonZeroU32::MIN };

fn at(seconds: u64) -> Moment {
    Moment::from_nanos(seconds * 1_000_000_000)
}

#[test]
fn endpoint_that_comes_back_warms_up_anew_and_a_healthy_one_goes_on() {
    let standing = Standing::new(at(1));
    let since = || standing.since.load(Ordering::Relaxed) / 1_000_000_000;
    assert_eq!(standing.note(None, ONCE, at(2)), Some(State::Healthy));
    assert_eq!((since(), standing.note(None, ONCE, at(3))), (1, None));
    assert_eq!(standing.note(Some("refused"), ONCE, at(4)), Some(State::Unhealthy));
    assert_eq!(standing.checked().fault, Some("refused"));
    assert_eq!(standing.note(None, ONCE, at(5)), Some(State::Healthy));
    assert_eq!((since(), standing.checked().fault), (5, None));
}
