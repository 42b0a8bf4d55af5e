use std::time::Duration;

use headgate_router::overload::verdict::Refusal;

use super::*;

#[test]
fn words_are_the_same_in_lines_and_metrics() {
    let layers = [
        Layer::Connections,
        Layer::Instance,
        Layer::Rate,
        Layer::Concurrency,
        Layer::Breaker,
        Layer::Throttle,
        Layer::RetryBudget,
        Layer::Deadline,
    ];
    assert_eq!(layers.map(Layer::as_str), layers.map(|one| layer(one).as_str()));
    let reasons = [
        Reason::SchedulerLag,
        Reason::Cpu,
        Reason::Operator,
        Reason::RateExceeded,
        Reason::LimitReached,
        Reason::ClassReserve,
        Reason::PartitionShare,
        Reason::Level,
        Reason::QueueFull,
        Reason::QueueWait,
        Reason::QueueStanding,
        Reason::DeadlineTooClose,
        Reason::BreakerOpen,
        Reason::ProbesTaken,
        Reason::FailureRate,
        Reason::BudgetEmpty,
    ];
    assert_eq!(reasons.map(Reason::as_str), reasons.map(|one| reason(one).as_str()));
}

#[test]
fn refusal_keeps_its_numbers() {
    let refusal = Refusal::new(Layer::Concurrency, Reason::LimitReached, 24.0, 20.0)
        .after(Duration::from_millis(1_500))
        .at_level(130, 256);
    let ruling = Ruling::refused(&refusal, Mode::Observe, Ruled::WouldRefuse);
    let line = line(&ruling);
    assert_eq!(
        (line.layer, line.reason, line.mode),
        ("concurrency", Some("limit_reached"), "observe")
    );
    assert_eq!((line.level, line.threshold), (130, Some(256)));
    let counted = count(Class::Bulk, &ruling);
    assert_eq!((counted.class, counted.ruled), (Class::Bulk, telemetry::Ruled::WouldRefuse));
    let admitted = count(Class::Bulk, &Ruling::admitted(Layer::Rate, Mode::Observe, 0));
    assert_eq!(admitted.reason, LayerReason::None);
}
