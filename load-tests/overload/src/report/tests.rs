use super::*;
use crate::scenarios;

fn rows(on: &[&[f64]], off: &[&[f64]]) -> Rows {
    let scenario = scenarios::all().into_iter().find(|one| one.id == "B4").unwrap();
    let (title, measures) = scenario.terms().unwrap();
    let own = |rounds: &[&[f64]]| rounds.iter().map(|round| round.to_vec()).collect();
    Rows { scenario, title, measures, on: own(on), off: own(off) }
}

#[test]
fn median_is_what_counts() {
    assert!(rows(&[&[0.40], &[0.46], &[0.50]], &[]).missed().is_empty());
    assert_eq!(rows(&[&[0.40], &[0.44], &[0.50]], &[]).missed(), ["pages served whole"]);
}

#[test]
fn scenario_that_is_met_without_layers_proves_nothing() {
    assert!(rows(&[&[0.5]], &[&[0.1]]).proves());
    assert!(!rows(&[&[0.5]], &[&[0.6]]).proves());
    assert!(rows(&[&[0.5]], &[]).proves());
}

#[test]
fn figure_that_is_missing_is_missed() {
    assert_eq!(rows(&[&[]], &[]).missed(), ["pages served whole"]);
}

#[test]
fn line_has_spread_and_verdict() {
    let line = rows(&[&[0.4], &[0.5], &[0.6]], &[&[f64::INFINITY]]).lines();
    let wanted =
        "| B4 | pages served whole | ≥ 45.00 % | 50.00 % (40.00 % – 60.00 %) | met | ∞ |\n";
    assert_eq!(line, wanted);
}
