use std::time::Duration;

use super::*;
use crate::step::respond::{problem, status};

const TRACE: [u8; 16] = [0, 1, 0x2a, 0xff, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xf0];

#[test]
fn prepared_body_is_the_problem_that_would_be_written() {
    let wait = Wait { after: Duration::from_micros(12_345_678), retries_max: 1 };
    for error in [
        Error::ShedOverload(wait),
        Error::ShedPriority(wait),
        Error::LimitedConcurrency(wait),
        Error::BreakerOpen(wait),
        Error::LimitedRate(Wait { retries_max: 0, ..wait }),
    ] {
        let trace = TraceId::from_bytes(TRACE).unwrap();
        let written = problem(error, status(error), error.wait().map(|wait| wait.after), trace);
        let prepared = body(error, trace).unwrap();
        assert_eq!(std::str::from_utf8(&prepared).unwrap(), written);
        assert!(prepared.len() <= BODY_BYTES, "{} bytes", prepared.len());
    }
}

#[test]
fn other_errors_have_none() {
    let trace = TraceId::from_bytes(TRACE).unwrap();
    assert_eq!(body(Error::TooLate, trace), None);
    assert_eq!(body(Error::NoRoute, trace), None);
}
