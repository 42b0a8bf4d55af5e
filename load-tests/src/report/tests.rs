use std::time::Duration;

use super::*;

const SCENARIO: &str = "smoke";

fn round(cpu: f64, bad: u64) -> Round {
    let cpu = Cpu { user: cpu / 4.0, system: cpu * 0.75 };
    let closed = Sample { cpu_per_100k: Some(cpu), bad, ..Sample::default() };
    Round { closed, open: Vec::new(), resident_bytes: 0, lines_per_answer: None }
}

/// Rounds of `bare hyper` and of `headgate plain`, in that order.
fn verdict(hyper: [f64; 3], plain: [f64; 3], bad: u64) -> BarReport {
    let mut scenario = Scenario::named(SCENARIO).unwrap();
    scenario.keep(&["bare hyper".to_owned(), "headgate plain".to_owned()]);
    let rounds =
        [hyper.map(|cpu| round(cpu, 0)).to_vec(), plain.map(|cpu| round(cpu, bad)).to_vec()];
    BarReport::new(&scenario.bars[0], &scenario, &rounds)
}

#[test]
fn bar_holds_up_to_its_ratio() {
    assert!(verdict([2.0; 3], [2.4; 3], 0).holds);
    assert!(!verdict([2.0; 3], [2.41; 3], 0).holds);
}

#[test]
fn bar_compares_within_a_round() {
    // The machine was twice as slow in the second round, for both.
    let verdict = verdict([1.0, 2.0, 1.0], [1.1, 2.2, 1.1], 0);
    assert!((verdict.cpu.max - 1.1).abs() < 1e-9, "{verdict:?}");
}

#[test]
fn bar_is_missed_when_a_request_failed() {
    assert!(!verdict([2.0; 3], [1.0; 3], 1).holds);
}

#[test]
fn dropped_access_lines_are_no_saving() {
    let mut scenario = Scenario::named(SCENARIO).unwrap();
    scenario.keep(&["bare hyper".to_owned(), "headgate plain".to_owned()]);
    let mut plain = round(1.0, 0);
    plain.lines_per_answer = Some(0.9);
    let rounds = [vec![round(1.0, 0)], vec![plain]];
    assert!(!BarReport::new(&scenario.bars[0], &scenario, &rounds).holds);
}

#[test]
fn direct_row_has_no_processor_time() {
    let mut direct = round(1.0, 0);
    direct.closed.cpu_per_100k = None;
    let open = [OpenLoop { rate: 2_000, time: Duration::from_secs(1) }];
    let row = RowReport::new("direct", &[direct], &open);
    assert!(row.closed.cpu_per_100k.is_none());
    assert_eq!(row.open[0].rate, 2_000);
}
