use headgate_types::Ratio;
use proptest::prelude::*;

use super::*;

const NOW: Moment = Moment::from_nanos(5_000_000_000_000);

fn budget() -> Budget {
    Budget::new(Ratio::new(0.2).unwrap(), NOW)
}

fn status(code: u16) -> Condition {
    Condition::Status(StatusCode::from_u16(code).unwrap())
}

/// A route that retries everything twice.
fn policy() -> Policy {
    Policy::new(2, &[Condition::Connect, Condition::Reset, Condition::Timeout, status(503)])
}

/// A GET that was sent and broke off.
const SENT: Attempt = Attempt {
    number: 1,
    failure: Condition::Reset,
    is_replayable: true,
    is_idempotent: true,
    is_sent: true,
    is_answered: false,
    remaining: Some(Duration::from_secs(1)),
    retry_after: None,
};

#[track_caller]
fn stops(attempt: Attempt, expected: Stop) {
    let budget = budget();
    let before = budget.available(NOW);
    assert_eq!(policy().decide(&attempt, &budget, NOW, 0), Decision::Stop(expected));
    assert!((budget.available(NOW) - before).abs() < f64::EPSILON, "a stop costs nothing");
}

#[track_caller]
fn retries(attempt: Attempt) {
    let budget = budget();
    let before = budget.available(NOW);
    assert_eq!(policy().decide(&attempt, &budget, NOW, 0), Decision::Retry(Duration::ZERO));
    assert!((before - budget.available(NOW) - 1.0).abs() < 1e-6, "a retry costs one");
}

#[test]
fn an_idempotent_request_is_tried_again() {
    retries(SENT);
    retries(Attempt { failure: Condition::Timeout, ..SENT });
    retries(Attempt { failure: status(503), ..SENT });
    retries(Attempt { number: 2, ..SENT });
}

#[test]
fn what_was_not_sent_is_tried_again_for_every_method() {
    let attempt = Attempt {
        failure: Condition::Connect,
        is_idempotent: false,
        is_replayable: false,
        is_sent: false,
        ..SENT
    };
    retries(attempt);
    retries(Attempt { failure: Condition::Reset, ..attempt });
}

#[test]
fn what_could_do_harm_is_not_tried_again() {
    stops(Attempt { is_idempotent: false, ..SENT }, Stop::NotIdempotent);
    stops(Attempt { is_idempotent: false, failure: status(503), ..SENT }, Stop::NotIdempotent);
    stops(Attempt { is_replayable: false, ..SENT }, Stop::NotReplayable);
    stops(Attempt { is_answered: true, ..SENT }, Stop::Answered);
    let unsent = Attempt { is_sent: false, failure: Condition::Connect, ..SENT };
    stops(Attempt { is_answered: true, ..unsent }, Stop::Answered);
}

#[test]
fn only_what_the_route_names_is_tried_again_and_only_so_often() {
    stops(Attempt { failure: status(500), ..SENT }, Stop::NotNamed);
    stops(Attempt { number: 3, ..SENT }, Stop::Attempts);
    let never = Policy::new(0, &[Condition::Reset]);
    assert_eq!(never.decide(&SENT, &budget(), NOW, 0), Decision::Stop(Stop::Attempts));
}

#[test]
fn nothing_is_tried_past_the_deadline() {
    stops(Attempt { remaining: None, ..SENT }, Stop::Deadline);
    let short = Attempt { remaining: Some(Duration::from_millis(25)), ..SENT };
    assert_eq!(policy().decide(&short, &budget(), NOW, u64::MAX), Decision::Stop(Stop::Deadline));
    assert_eq!(policy().decide(&short, &budget(), NOW, 0), Decision::Retry(Duration::ZERO));
}

#[test]
fn an_endpoint_that_asks_for_time_gets_it_or_no_retry() {
    let failed = Attempt { failure: status(503), ..SENT };
    let soon = Duration::from_millis(100);
    let decision =
        policy().decide(&Attempt { retry_after: Some(soon), ..failed }, &budget(), NOW, 0);
    assert_eq!(decision, Decision::Retry(soon));
    stops(Attempt { retry_after: Some(Duration::from_secs(1)), ..failed }, Stop::Later);
}

#[test]
fn an_empty_budget_ends_retries() {
    let budget = budget();
    while budget.charge(NOW, 0) {}
    assert_eq!(policy().decide(&SENT, &budget, NOW, 0), Decision::Stop(Stop::Budget));
}

#[test]
fn a_backoff_is_spread_evenly_below_a_bound_that_doubles() {
    for (number, bound) in [(1, 25), (2, 50), (3, 100), (4, 200), (5, 250), (99, 250)] {
        let attempt = Attempt { number, ..SENT };
        assert_eq!(backoff(&attempt, 0), Duration::ZERO);
        assert_eq!(backoff(&attempt, u64::MAX), Duration::from_millis(bound));
        let half = backoff(&attempt, u64::MAX / 2).as_secs_f64();
        assert!((half - bound as f64 / 2e3).abs() < 1e-6, "{number}");
    }
    let unsent = Attempt { is_sent: false, ..SENT };
    assert_eq!(backoff(&unsent, u64::MAX), Duration::ZERO);
}

#[test]
fn conditions_are_read_and_written_alike() {
    for text in ["connect", "reset", "timeout", "429", "500", "503", "599"] {
        assert_eq!(text.parse::<Condition>().unwrap().to_string(), text);
    }
    for text in ["", "Connect", "404", "200", "600", "5xx", "50", "-1", " 503"] {
        assert_eq!(text.parse::<Condition>().unwrap_err().span(), 0..text.len(), "{text}");
    }
}

#[test]
fn methods_are_idempotent_as_rfc_9110_has_it() {
    for (method, expected) in [
        (Method::GET, true),
        (Method::HEAD, true),
        (Method::OPTIONS, true),
        (Method::TRACE, true),
        (Method::PUT, true),
        (Method::DELETE, true),
        (Method::POST, false),
        (Method::PATCH, false),
        (Method::CONNECT, false),
        (Method::from_bytes(b"get").unwrap(), false),
    ] {
        assert_eq!(is_idempotent(&method), expected, "{method}");
    }
}

proptest! {
    #[test]
    fn a_retry_never_does_harm(
        number in 1_u32..5,
        failure in prop_oneof![
            Just(Condition::Connect), Just(Condition::Reset), Just(Condition::Timeout),
            Just(status(503)), Just(status(500)),
        ],
        (is_replayable, is_idempotent, is_sent, is_answered) in any::<(bool, bool, bool, bool)>(),
        remaining in prop::option::of(0_u64..2_000),
        retry_after in prop::option::of(0_u64..2_000),
        random in any::<u64>(),
    ) {
        let remaining = remaining.map(Duration::from_millis);
        let retry_after = retry_after.map(Duration::from_millis);
        let attempt = Attempt {
            number, failure, is_replayable, is_idempotent, is_sent, is_answered, remaining, retry_after,
        };
        if let Decision::Retry(wait) = policy().decide(&attempt, &budget(), NOW, random) {
            prop_assert!(!is_answered && number <= 2 && failure != status(500));
            prop_assert!(!is_sent || (is_idempotent && is_replayable));
            prop_assert!(wait < remaining.unwrap() && wait >= retry_after.unwrap_or_default());
            prop_assert!(wait <= BACKOFF_MAX);
        }
    }
}
