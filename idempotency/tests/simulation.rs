//! Crashes, stops, lost answers, delays and wrong clocks by seed, and bugs that they must find.

#![expect(clippy::print_stdout, reason = "what a run found is worth reading")]

use headgate_idempotency::testing::{Bug, Mode, simulate};
use headgate_store::testing::seeds;

#[test]
fn effects_are_once_for_every_seed() {
    let (mut stops, mut losses, mut repeated, mut held, mut parked) = (0, 0, 0, 0, 0);
    for seed in seeds() {
        let report = simulate(seed, None).unwrap_or_else(|found| panic!("{found}"));
        stops += report.stops;
        losses += report.losses;
        repeated += report.repeated;
        held += report.held;
        parked += report.parked;
        assert!(report.repeated == 0 || report.mode == Mode::LeasedRetry, "{report:?}");
    }
    println!("{stops} stops, {losses} losses, {repeated} repeated, {held} held, {parked} parked");
    if seeds().len() >= 256 {
        assert!(
            stops >= 1_000 && losses > 0 && repeated > 0 && held > 0 && parked > 0,
            "too little happens"
        );
    }
}

#[test]
fn a_seed_is_always_the_same_run() {
    for seed in 0..8 {
        let report = simulate(seed, None).unwrap_or_else(|found| panic!("{found}"));
        assert_eq!(simulate(seed, None), Ok(report));
    }
}

#[test]
fn every_bug_is_found() {
    for bug in Bug::ALL {
        let found = (0..256).find_map(|seed| simulate(seed, Some(bug)).err());
        let found = found.unwrap_or_else(|| panic!("{bug:?} was not found"));
        println!("{bug:?}: {found}");
    }
}
