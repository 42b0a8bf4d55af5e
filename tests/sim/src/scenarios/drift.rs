//! E: where limits of the field have drifted, pinned themselves, or shed for noise.

use std::time::Duration;

use headgate_types::Class;

use super::{CAPACITY, Protection, Scenario, UNLOADED_P50, Unit, at_least, at_most, recovery};
use crate::{
    figures::{Run, slice},
    rivals::Rule,
    traffic::Stream,
    upstream::{Behavior, Change, Time},
    world::{Setup, run},
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        id: "E1",
        title: "every call times out after 5 s",
        measures: &[
            at_most("limit at the end, from 1000", 4.0, Unit::Count),
            at_most("moves from 1000 to the least", 8.0, Unit::Count),
            at_most("moves from 20 to the least", 3.0, Unit::Count),
            at_most("growth", 0.0, Unit::Count),
        ],
        run: e1,
        fails_unprotected: false,
        compares: true,
    },
    Scenario {
        id: "E2",
        title: "1.2 times the capacity for 30 min",
        measures: &[
            at_most("largest limit over the best", 1.5, Unit::Times),
            at_most("p50 of calls over unloaded", 2.0, Unit::Times),
        ],
        run: e2,
        fails_unprotected: false,
        compares: true,
    },
    Scenario {
        id: "E3a",
        title: "calls take 10 times as long for 30 min because slots 20 became 2",
        measures: &[
            at_most("no-load RTT, over before", 1.2, Unit::Times),
            at_most("95 % of before in", 5.0, Unit::Seconds),
        ],
        run: |seed, protection| e3(seed, protection, Change::Slots(2), Change::Slots(20), None),
        fails_unprotected: false,
        compares: true,
    },
    Scenario {
        id: "E3b",
        title: "calls take 10 times as long for 30 min because of others",
        measures: &[
            at_most("largest limit over before", 1.0, Unit::Times),
            at_most("95 % of before in", 5.0, Unit::Seconds),
        ],
        run: |seed, protection| {
            e3(seed, protection, Change::Slower(10.0), Change::Slower(1.0), None)
        },
        fails_unprotected: false,
        compares: true,
    },
    Scenario {
        id: "E3c",
        title: "the same with a healthy RTT of at most 200 ms set",
        measures: &[
            at_most("limit after a minute", 4.0, Unit::Count),
            at_most("95 % of before in", 5.0, Unit::Seconds),
        ],
        run: |seed, protection| {
            let healthy = Some(Duration::from_millis(200));
            e3(seed, protection, Change::Slower(10.0), Change::Slower(1.0), healthy)
        },
        fails_unprotected: false,
        compares: false,
    },
    Scenario {
        id: "E4",
        title: "limit starts at 5 times, and at a tenth of the right one (200)",
        measures: &[
            at_most("within 20 % from above after", 5.0, Unit::Seconds),
            at_most("within 20 % from below after", 10.0, Unit::Seconds),
        ],
        run: e4,
        fails_unprotected: false,
        compares: true,
    },
    Scenario {
        id: "E5",
        title: "calls take twice as long for good",
        measures: &[
            at_most("sheds from 30 s after on", 0.0, Unit::Count),
            at_least("success from 30 s after on", 0.999, Unit::Percent),
        ],
        run: e5,
        fails_unprotected: false,
        compares: true,
    },
    Scenario {
        id: "E6",
        title: "lognormal times with sigma 1.5 at 0.7 of the capacity",
        measures: &[at_most("shed share", 0.001, Unit::Percent)],
        run: e6,
        fails_unprotected: false,
        compares: true,
    },
];

fn e1(seed: u64, protection: Protection) -> Vec<f64> {
    let hung = |initial: u32| {
        let mut setup = Setup::usual(seed, 120.0, protection);
        setup.endpoints[0].behavior = Behavior::Hang;
        setup.timeout = 5.0;
        if let Some(gate) = setup.gates.first_mut() {
            gate.initial = Some(initial);
        }
        let mut stream = Stream::steady(Class::Standard, 10.0 * CAPACITY);
        stream.patience = 1000.0;
        setup.streams = vec![stream];
        let run = run(setup);
        let limits: Vec<f64> = run.states.iter().map(|state| f64::from(state.limit)).collect();
        let pairs = || limits.iter().zip(limits.iter().skip(1));
        let moves = pairs().filter(|(before, after)| (*before - *after).abs() > 0.5).count();
        let growth: f64 = pairs().map(|(before, after)| (after - before).max(0.0)).sum();
        (limits.last().copied().unwrap_or(0.0), moves as f64, growth)
    };
    let (high, low) = (hung(1000), hung(20));
    vec![high.0, high.1, low.1, high.2 + low.2]
}

fn e2(seed: u64, protection: Protection) -> Vec<f64> {
    let end = 1800.0;
    let mut setup = Setup::usual(seed, end, protection);
    setup.streams = Stream::mix(&[(0.0, 1.2 * CAPACITY)]);
    setup.keep_rtts = true;
    let run = run(setup);
    // A limit is what it is for a few seconds, not for an instant.
    let means = tens(&run, 60.0, end);
    vec![means / 20.0, run.rtt((60.0, end), 0.5) / UNLOADED_P50]
}

/// The largest mean of the limit over ten seconds.
fn tens(run: &Run, from: f64, to: f64) -> f64 {
    let mut largest: f64 = 0.0;
    let mut at = from;
    while at + 10.0 <= to {
        largest = largest.max(run.limit(at, at + 10.0).0);
        at += 10.0;
    }
    largest
}

fn e3(
    seed: u64,
    protection: Protection,
    fault: Change,
    cure: Change,
    healthy: Option<Duration>,
) -> Vec<f64> {
    let (from, to) = (60.0, 1860.0);
    let end = to + 30.0;
    let mut setup = Setup::usual(seed, end, protection);
    setup.streams = Stream::mix(&[(0.0, 0.9 * CAPACITY)]);
    setup.changes = vec![(from, 0, fault), (to, 0, cure)];
    if let Some(gate) = setup.gates.first_mut()
        && let Rule::Ours(settings) = &mut gate.rule
    {
        settings.healthy_rtt_max = healthy;
    }
    let run = run(setup);
    let before = run.goodput(10.0, from);
    let recovered = recovery(&run, to, end, 0.95 * before);
    if healthy.is_some() {
        return vec![run.limit(from + 60.0, to).0, recovered];
    }
    if matches!(fault, Change::Slots(_)) {
        let rtt = |from: f64, to: f64| {
            let states = slice(&run.states, from, to);
            states.iter().map(|state| f64::from(state.no_load_rtt)).sum::<f64>()
                / states.len().max(1) as f64
        };
        return vec![rtt(to - 60.0, to) / rtt(from - 20.0, from), recovered];
    }
    let largest = |from: f64, to: f64| run.limit(from, to).2;
    vec![largest(from + 5.0, to) / largest(20.0, from), recovered]
}

fn e4(seed: u64, protection: Protection) -> Vec<f64> {
    let best = 200.0;
    let converge = |initial: f64| {
        let mut setup = Setup::usual(seed, 40.0, protection);
        setup.endpoints[0].slots = 200;
        if let Some(gate) = setup.gates.first_mut() {
            gate.initial = Some(crate::count(initial));
        }
        setup.streams = Stream::mix(&[(0.0, 2.0 * 10.0 * CAPACITY)]);
        let run = run(setup);
        // From when on the mean over each five seconds stays within the fifth.
        let mut settled = 999.0;
        let mut at = 35.0;
        while at > 0.0 {
            let (mean, ..) = run.limit(at, at + 5.0);
            if !(0.8 * best..=1.2 * best).contains(&mean) {
                break;
            }
            settled = at;
            at -= 0.5;
        }
        settled
    };
    vec![converge(5.0 * best), converge(0.1 * best)]
}

/// A hundred slots, so that only the limit is in the way of the same traffic.
fn e5(seed: u64, protection: Protection) -> Vec<f64> {
    let change = 60.0;
    let mut setup = Setup::usual(seed, 180.0, protection);
    setup.endpoints[0].slots = 100;
    setup.streams = Stream::mix(&[(0.0, 0.7 * CAPACITY)]);
    setup.changes = vec![(change, 0, Change::Slower(2.0))];
    let run = run(setup);
    let all = run.all();
    let sheds = run.sum(&all, change + 30.0, 180.0).shed;
    vec![f64::from(sheds), run.success(&all, change + 30.0, 178.0)]
}

fn e6(seed: u64, protection: Protection) -> Vec<f64> {
    let mut setup = Setup::usual(seed, 300.0, protection);
    setup.endpoints[0].services = vec![Time::Lognormal(0.05, 1.5)];
    setup.streams = Stream::mix(&[(0.0, 0.7 * CAPACITY)]);
    let run = run(setup);
    let sum = run.sum(&run.all(), 0.0, 300.0);
    vec![f64::from(sum.shed) / f64::from(sum.offered.max(1))]
}
