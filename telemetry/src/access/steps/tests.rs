use headgate_types::Moment;

use super::*;
use crate::{
    access::{
        Journal, Ruling,
        tests::{exchange, line, ruling},
    },
    labels::{AttemptResult, Ruled},
};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn attempt(started: u64, took: u64, result: AttemptResult) -> Attempt {
    Attempt {
        endpoint: "127.0.0.1:7001".into(),
        started: ms(started),
        connect: None,
        head: (result == AttemptResult::Ok).then_some(ms(took)),
        took: ms(took),
        result,
    }
}

/// The parts of a line as a text each: what, from, to.
fn told(line: &Line<'_>) -> Vec<String> {
    let text = |step: &Step<'_>| {
        let (from, to) = (step.started, step.started + step.took);
        format!("{} {}-{}", step.part, from.as_millis(), to.as_millis())
    };
    steps(line).iter().map(text).collect()
}

#[test]
fn time_of_an_exchange_is_told_part_by_part() {
    let start = Moment::from_nanos(5_000);
    let mut journal = Journal::start(start);
    for (mark, at) in [
        (Mark::Routed, 1),
        (Mark::Authenticated, 3),
        (Mark::Admitted, 100),
        (Mark::Dispatched, 101),
        (Mark::ResponseHead, 700),
    ] {
        journal.mark(mark, start + ms(at));
    }
    let exchange = exchange();
    let attempts = [
        Attempt { connect: Some(ms(20)), ..attempt(101, 99, AttemptResult::Reset) },
        attempt(250, 50, AttemptResult::Connect),
        attempt(300, 400, AttemptResult::Ok),
    ];
    let waited = |layer, millis| Ruling { waited: ms(millis), ..ruling(layer, Ruled::Admitted) };
    let rulings = [waited("rate", 0), waited("route", 30), waited("concurrency", 60)];
    let line = Line {
        journal: &journal,
        attempts: &attempts,
        rulings: &rulings,
        duration: ms(710),
        ..line(&exchange)
    };
    assert_eq!(
        told(&line),
        [
            "authenticate 1-3",
            "queue route 10-40",
            "queue concurrency 40-100",
            "attempt 1 101-200",
            "connect 1 101-121",
            "backoff 200-250",
            "attempt 2 250-300",
            "attempt 3 300-700",
            "answer 700-710",
        ]
    );
}

#[test]
fn wait_of_who_is_refused_ends_with_the_answer() {
    let start = Moment::from_nanos(5_000);
    let mut journal = Journal::start(start);
    journal.mark(Mark::ResponseHead, start + ms(80));
    let exchange = exchange();
    let rulings = [Ruling { waited: ms(50), ..ruling("concurrency", Ruled::Refused) }];
    let line = Line {
        journal: &journal,
        attempts: &[],
        rulings: &rulings,
        duration: ms(81),
        ..line(&exchange)
    };
    assert_eq!(told(&line), ["queue concurrency 30-80", "answer 80-81"]);
}

#[test]
fn attempt_is_told_with_its_endpoint_and_end() {
    let one = attempt(0, 12, AttemptResult::Ok);
    let step = Step { part: Part::Attempt(1, &one), started: ms(0), took: ms(12) };
    assert_eq!(step.to_string(), "attempt 1 at 127.0.0.1:7001 ended ok after 12.0 ms");
}
