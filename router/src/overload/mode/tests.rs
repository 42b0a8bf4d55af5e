use headgate_types::Ratio;

use super::*;
use crate::overload::verdict::{Layer, Reason};

fn enforce(share: f64) -> Mode {
    Mode::Enforce(Ratio::new(share).unwrap())
}

fn decide(mode: Mode) -> (Switch, u64) {
    let switch = Switch::new(mode);
    let refusal = Refusal::new(Layer::Rate, Reason::RateExceeded, 2.0, 1.0);
    let carried_out =
        (0..1000).filter(|draw| switch.settle((draw % 2 == 0).then_some(refusal), *draw).is_some());
    let carried_out = carried_out.count();
    (switch, u64::try_from(carried_out).unwrap())
}

#[test]
fn observing_counts_what_enforcing_refuses() {
    let (observed, none) = decide(Mode::Observe);
    let (enforced, all) = decide(enforce(1.0));
    assert_eq!((none, all), (0, 500));
    assert_eq!(observed.counts().would_refuse, enforced.counts().refused);
    assert_eq!(observed.counts(), Counts { admitted: 1000, would_refuse: 500, refused: 0 });
}

#[test]
fn off_counts_nothing() {
    let (off, none) = decide(Mode::Off);
    assert_eq!((off.counts(), none), (Counts::default(), 0));
}

#[test]
fn a_share_is_enforced_for_about_that_share_and_always_for_the_same() {
    let (switch, some) = decide(enforce(0.3));
    assert!((100..200).contains(&some), "{some} of 500");
    assert_eq!(switch.enforces(42), switch.enforces(42));
}

#[test]
fn modes_survive_the_switch() {
    for mode in [Mode::Off, Mode::Observe, enforce(0.0), enforce(0.25), enforce(1.0)] {
        let switch = Switch::new(Mode::Off);
        switch.set(mode);
        assert_eq!(switch.mode(), mode);
    }
}

#[test]
fn modes_are_written_as_they_are_read() {
    for text in ["off", "observe", "enforce", "enforce:25%"] {
        assert_eq!(text.parse::<Mode>().unwrap().to_string(), text);
    }
    assert_eq!("enforce:100%".parse::<Mode>().unwrap(), Mode::default());
    for text in ["", "on", "Off", "enforce:", "enforce:0.5", "enforce:101%", "observe:5%"] {
        assert!(text.parse::<Mode>().is_err(), "{text}");
    }
}
