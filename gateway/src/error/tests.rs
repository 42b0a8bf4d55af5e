use super::*;

fn refusal(layer: Layer, reason: Reason, threshold: u16) -> Refusal {
    Refusal::new(layer, reason, 0.0, 0.0).at_level(400, threshold)
}

fn waits(refusal: &Refusal) -> (Duration, Duration) {
    let of = |draw| Error::refused(refusal, draw).wait().unwrap().after;
    (of(0), of(u64::MAX))
}

#[test]
fn refused_clients_come_back_spread_and_later_from_deep_overload() {
    let seconds = |refusal: &Refusal| {
        let (first, last) = waits(refusal);
        (first.as_secs(), last.as_secs())
    };
    assert_eq!(seconds(&refusal(Layer::Concurrency, Reason::LimitReached, ADMIT_ALL)), (1, 3));
    assert_eq!(seconds(&refusal(Layer::Instance, Reason::SchedulerLag, 256)), (1, 7));
    assert_eq!(seconds(&refusal(Layer::Instance, Reason::SchedulerLag, 0)), (1, 11));
}

#[test]
fn in_deep_overload_devices_are_told_not_to_retry() {
    let retries = |threshold| {
        let refusal = refusal(Layer::Instance, Reason::SchedulerLag, threshold);
        Error::refused(&refusal, 1).wait().unwrap().retries_max
    };
    assert_eq!([ADMIT_ALL, 400, 200].map(retries), [1, 1, 0]);
}

#[test]
fn who_asks_too_often_comes_back_no_earlier_than_the_rate_allows() {
    let wait = Duration::from_secs(40);
    let refusal = refusal(Layer::Rate, Reason::RateExceeded, ADMIT_ALL).after(wait);
    assert_eq!(waits(&refusal), (wait, wait + Duration::from_secs(1)));
}

#[test]
fn each_refusal_ends_in_its_outcome() {
    let cases = [
        (Layer::Instance, Reason::Cpu, "shed_overload HG0030"),
        (Layer::Concurrency, Reason::Level, "shed_priority HG0031"),
        (Layer::Concurrency, Reason::ClassReserve, "shed_priority HG0031"),
        (Layer::Concurrency, Reason::QueueFull, "limited_concurrency HG0032"),
        (Layer::Breaker, Reason::BreakerOpen, "breaker_open HG0033"),
        (Layer::Throttle, Reason::FailureRate, "breaker_open HG0033"),
        (Layer::Rate, Reason::RateExceeded, "limited_rate HG0034"),
        (Layer::Concurrency, Reason::DeadlineTooClose, "deadline_exceeded HG0035"),
    ];
    for (layer, reason, expected) in cases {
        let error = Error::refused(&refusal(layer, reason, 100), 7);
        assert_eq!(format!("{} {}", error.outcome(), error.code()), expected);
    }
}
