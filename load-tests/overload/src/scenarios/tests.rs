use std::collections::BTreeSet;

use super::*;

#[test]
fn every_scenario_has_a_title_and_measures() {
    for scenario in all() {
        let (title, measures) = scenario.terms().unwrap();
        assert!(!title.is_empty() && !measures.is_empty(), "{}", scenario.id);
    }
}

#[test]
fn no_scenario_is_there_twice() {
    let ids: BTreeSet<_> = all().iter().map(|scenario| scenario.id).collect();
    assert_eq!(ids.len(), all().len());
}

#[test]
fn every_scenario_of_these_groups_in_the_simulator_runs_here_too() {
    let here: BTreeSet<_> = all().iter().map(|scenario| scenario.id).collect();
    let there = simulated::all().into_iter().map(|scenario| scenario.id);
    // E are rivals' failures, and H what observing predicts of services of several kinds.
    let is_ours = |id: &&str| !id.starts_with(['E', 'H']);
    let missing: Vec<_> = there.filter(is_ours).filter(|id| !here.contains(id)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}
