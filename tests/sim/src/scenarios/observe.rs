//! H: what a limit that only observes says, beside one that enforces in the same traffic.

use headgate_router::overload::mode::{Counts, Mode};

use super::{CAPACITY, Measure, Protection, Scenario, Unit, at_most};
use crate::{
    figures::{Run, slice},
    traffic::Stream,
    upstream::{Change, Endpoint, Time},
    world::{Setup, run},
};

pub(super) const SCENARIOS: &[Scenario] = &[
    of("H1a", "observing 1.5, 2, 3 and 5 times the capacity, from 0.7", |seed, rule| {
        loads(seed, rule, 0.7, &usual())
    }),
    of("H1b", "the same from a cold start", |seed, rule| loads(seed, rule, 0.0, &usual())),
    of("H1c", "the same with heavy tails (lognormal, sigma 1.5)", |seed, rule| {
        loads(seed, rule, 0.7, &Endpoint::new(20, &[Time::Lognormal(0.05, 1.5)]))
    }),
    of("H1d", "the same where all run at once, each longer by how many do", |seed, rule| {
        loads(seed, rule, 0.7, &Endpoint { crowding: Some(1.0), ..usual() })
    }),
    of("H1e", "the same where the more run, the less is done", |seed, rule| {
        loads(seed, rule, 0.7, &Endpoint { crowding: Some(1.5), ..usual() })
    }),
    Scenario {
        id: "H1f",
        title: "observing a loss of four fifths of the capacity at 0.9",
        measures: &[
            at_most("predicted share off, slots 20 to 4", OFF, Unit::Percent),
            at_most("predicted share off, service time times 5", OFF, Unit::Percent),
        ],
        run: |seed, rule| {
            let off = |change| {
                let mut setup = Setup::usual(seed, UNTIL, rule);
                setup.streams = Stream::mix(&[(0.0, 0.9 * CAPACITY)]);
                setup.changes = vec![(FROM, 0, change)];
                prediction_off(setup)
            };
            vec![off(Change::Slots(4)), off(Change::Slower(5.0))]
        },
        fails_unprotected: false,
        compares: false,
    },
];

const fn of(
    id: &'static str,
    title: &'static str,
    run: fn(u64, Protection) -> Vec<f64>,
) -> Scenario {
    Scenario { id, title, measures: LOADS, run, fails_unprotected: false, compares: false }
}

/// How far the prediction may be off what enforcing refuses, as a share of that.
const OFF: f64 = 0.2;
const LOADS: &[Measure] = &[
    at_most("predicted share off at 1.5x", OFF, Unit::Percent),
    at_most("predicted share off at 2x", OFF, Unit::Percent),
    at_most("predicted share off at 3x", OFF, Unit::Percent),
    at_most("predicted share off at 5x", OFF, Unit::Percent),
];
/// The overload, in seconds.
const FROM: f64 = 20.0;
const UNTIL: f64 = 80.0;

fn usual() -> Endpoint {
    Endpoint::new(20, &[Time::Erlang2(0.05)])
}

fn loads(seed: u64, protection: Protection, before: f64, endpoint: &Endpoint) -> Vec<f64> {
    let off = |times: f64| {
        let mut setup = Setup::usual(seed, UNTIL, protection);
        setup.endpoints = vec![endpoint.clone()];
        setup.streams = Stream::mix(&[(0.0, before * CAPACITY), (FROM, times * CAPACITY)]);
        prediction_off(setup)
    };
    [1.5, 2.0, 3.0, 5.0].map(off).to_vec()
}

/// What observing predicts over what enforcing refuses in the same traffic, less one.
fn prediction_off(setup: Setup) -> f64 {
    let mut observing = setup.clone();
    for gate in &mut observing.gates {
        gate.settings.mode = Mode::Observe;
    }
    let enforced = share(&run(setup));
    let observed = run(observing);
    let refused = observed.sum(&observed.all(), 0.0, UNTIL).shed;
    if refused > 0 { f64::INFINITY } else { (share(&observed) / enforced.max(1e-9) - 1.0).abs() }
}

/// The share that the gate has refused, or would have.
fn share(run: &Run) -> f64 {
    let counts = slice(&run.counts, FROM, UNTIL);
    let (Some(first), Some(last)) = (counts.first(), counts.last()) else { return 0.0 };
    let asked = |counts: &Counts| counts.admitted + counts.refused;
    (last.would_refuse - first.would_refuse) as f64 / (asked(last) - asked(first)).max(1) as f64
}
