//! A: more than the upstream can serve, or less upstream than before. G: deadlines, cold start.

use super::{CAPACITY, Protection, Scenario, UNLOADED_P50, UNLOADED_P99, Unit, at_least, at_most};
use crate::{
    figures::{Run, slice},
    traffic::Stream,
    upstream::Change,
    world::{Setup, run},
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        id: "A1",
        title: "1, 2, 5 and 10 times the capacity, 60 s each",
        measures: &[
            at_least("goodput at 2x", 0.95, Unit::Percent),
            at_least("goodput at 5x", 0.95, Unit::Percent),
            at_least("goodput at 10x", 0.90, Unit::Percent),
            at_most("p99 of admitted", 2.0 * UNLOADED_P99 + 0.05, Unit::Millis),
            at_most("spread of goodput", 0.05, Unit::Percent),
        ],
        run: a1,
        fails_unprotected: true,
        compares: false,
    },
    Scenario {
        id: "A2a",
        title: "slots 20 to 4 for 60 s at 0.9 of the capacity",
        measures: COLLAPSE,
        run: |seed, protection| {
            collapse(seed, protection, Change::Slots(4), Change::Slots(20), 3.0)
        },
        fails_unprotected: true,
        compares: true,
    },
    Scenario {
        id: "A2b",
        title: "service time times 5 with 20 slots for 60 s at 0.9 of the capacity",
        measures: COLLAPSE,
        run: |seed, protection| {
            collapse(seed, protection, Change::Slower(5.0), Change::Slower(1.0), 6.0)
        },
        fails_unprotected: true,
        compares: true,
    },
    Scenario {
        id: "A3",
        title: "12 times the prefetches for 120 s",
        measures: &[
            at_least("success of users", 0.999, Unit::Percent),
            at_most("p99 of users, over before", 1.2, Unit::Times),
        ],
        run: a3,
        fails_unprotected: true,
        compares: false,
    },
    Scenario {
        id: "A4",
        title: "demand from 0.7 to 1.4 of the capacity at once",
        measures: &[
            at_most("p99 after 1 s off its final value", 0.10, Unit::Percent),
            at_most("shed share after 1 s off its final value", 0.10, Unit::Percent),
            at_most("most in flight over final", 1.3, Unit::Times),
        ],
        run: a4,
        fails_unprotected: true,
        compares: false,
    },
    Scenario {
        id: "A5",
        title: "100 ms at 10 times the capacity, from half load",
        measures: &[
            at_most("critical sheds", 0.0, Unit::Count),
            at_most("standard sheds", 0.0, Unit::Count),
            at_most("queues empty after", 0.5, Unit::Seconds),
        ],
        run: a5,
        fails_unprotected: true,
        compares: false,
    },
    Scenario {
        id: "A7",
        title: "half load for 30 min",
        measures: &[
            at_most("sheds", 0.0, Unit::Count),
            at_most("deviation of the limit over its mean", 0.2, Unit::Percent),
        ],
        run: a7,
        fails_unprotected: false,
        compares: true,
    },
    Scenario {
        id: "G1",
        title: "clients that give up after half a median call",
        measures: &[
            at_most("expired requests at the upstream", 0.0, Unit::Count),
            at_most("work wasted, over what is sent unprotected", 0.01, Unit::Percent),
        ],
        run: g1,
        fails_unprotected: true,
        compares: false,
    },
    Scenario {
        id: "G2",
        title: "cold start at 0.9 of the capacity",
        measures: &[
            at_least("success after 3 s", 0.99, Unit::Percent),
            at_least("critical success from the start", 0.999, Unit::Percent),
        ],
        run: g2,
        fails_unprotected: false,
        compares: true,
    },
];

const COLLAPSE: &[super::Measure] = &[
    at_least("goodput of what is left, settled", 0.95, Unit::Percent),
    at_least("critical success, settled", 0.999, Unit::Percent),
    at_least("critical success, all", 0.995, Unit::Percent),
    at_least("bulk 90 % shed before standard 10 %", 0.0, Unit::Seconds),
    at_most("back to 95 % of before in", 5.0, Unit::Seconds),
];

fn a1(seed: u64, protection: Protection) -> Vec<f64> {
    let seconds = 60.0;
    let runs: Vec<Run> = [1.0, 2.0, 5.0, 10.0]
        .map(|times| {
            let mut setup = Setup::usual(seed, seconds, protection);
            setup.streams = Stream::mix(&[(0.0, times * CAPACITY)]);
            run(setup)
        })
        .into();
    let goodputs: Vec<_> = runs.iter().map(|run| run.goodput(0.0, seconds) / CAPACITY).collect();
    let p99 = runs.iter().map(|run| run.latency(&run.all(), (0.0, seconds), 0.99));
    let most = goodputs.iter().copied().fold(0.0, f64::max);
    let least = goodputs.iter().copied().fold(f64::INFINITY, f64::min);
    vec![goodputs[1], goodputs[2], goodputs[3], p99.fold(0.0, f64::max), most - least]
}

fn collapse(
    seed: u64,
    protection: Protection,
    fault: Change,
    cure: Change,
    settling: f64,
) -> Vec<f64> {
    let (from, to, end) = (20.0, 80.0, 110.0);
    let mut setup = Setup::usual(seed, end, protection);
    setup.streams = Stream::mix(&[(0.0, 0.9 * CAPACITY)]);
    setup.changes = vec![(from, 0, fault), (to, 0, cure)];
    let run = run(setup);
    super::collapse_figures(&run, (from, to, end), settling)
}

fn a3(seed: u64, protection: Protection) -> Vec<f64> {
    let mut setup = Setup::usual(seed, 150.0, protection);
    setup.streams = Stream::mix(&[(0.0, 0.7 * CAPACITY)]);
    let prefetch = 0.3 * 0.7 * CAPACITY;
    setup.streams[2].rate = vec![(0.0, prefetch), (20.0, 12.0 * prefetch), (140.0, prefetch)];
    let run = run(setup);
    let users = [0, 1];
    let before = run.latency(&users, (3.0, 20.0), 0.99);
    vec![run.success(&users, 20.0, 140.0), run.latency(&users, (20.0, 140.0), 0.99) / before]
}

/// With ten times the usual upstream, so that a second holds enough calls to see ten percent.
fn a4(seed: u64, protection: Protection) -> Vec<f64> {
    let capacity = 10.0 * CAPACITY;
    let (step, end) = (30.0, 60.0);
    let mut setup = Setup::usual(seed, end, protection);
    setup.endpoints[0].slots = 200;
    if let Some(gate) = setup.gates.first_mut() {
        gate.initial = Some(200);
        gate.settings.queue_capacity = 4096;
    }
    setup.streams = Stream::mix(&[(0.0, 0.7 * capacity), (step, 1.4 * capacity)]);
    let run = run(setup);
    let all = run.all();
    let p99 = |from: f64, to: f64| run.latency(&all, (from, to), 0.99);
    let shed = |from: f64, to: f64| {
        let sum = run.sum(&all, from, to);
        f64::from(sum.shed) / f64::from(sum.offered.max(1))
    };
    let off = |early: f64, last: f64| (early / last.max(1e-9) - 1.0).abs();
    let after = slice(&run.states, step, step + 10.0);
    let most = after.iter().map(|state| f64::from(state.in_flight)).fold(0.0, f64::max);
    let last = slice(&run.states, end - 10.0, end);
    let mean = last.iter().map(|state| f64::from(state.in_flight)).sum::<f64>() / last.len() as f64;
    vec![
        off(p99(step + 1.0, step + 3.0), p99(end - 20.0, end)),
        off(shed(step + 1.0, step + 3.0), shed(end - 20.0, end)),
        if mean > 0.0 { most / mean } else { f64::INFINITY },
    ]
}

fn a5(seed: u64, protection: Protection) -> Vec<f64> {
    let (from, to) = (20.0, 20.1);
    let half = 0.5 * CAPACITY;
    let mut setup = Setup::usual(seed, 30.0, protection);
    setup.streams = Stream::mix(&[(0.0, half), (from, 10.0 * CAPACITY), (to, half)]);
    let run = run(setup);
    let is_empty = |state: &crate::figures::State| state.queued + state.backlog < 1.0;
    let states = slice(&run.states, to, 30.0);
    let empty = states.iter().position(is_empty).map_or(999.0, |bins| bins as f64 * 0.1);
    let sheds = |line| f64::from(run.sum(&[line], from, from + 3.0).shed);
    vec![sheds(0), sheds(1), empty]
}

fn a7(seed: u64, protection: Protection) -> Vec<f64> {
    let end = 1800.0;
    let mut setup = Setup::usual(seed, end, protection);
    setup.streams = Stream::mix(&[(0.0, 0.5 * CAPACITY)]);
    let run = run(setup);
    let (mean, ..) = run.limit(60.0, end);
    let states = slice(&run.states, 60.0, end);
    let squares = states.iter().map(|state| (f64::from(state.limit) - mean).powi(2)).sum::<f64>();
    let deviation = (squares / states.len() as f64).sqrt();
    vec![f64::from(run.sum(&run.all(), 0.0, end).shed), deviation / mean]
}

fn g1(seed: u64, protection: Protection) -> Vec<f64> {
    let mut setup = Setup::usual(seed, 60.0, protection);
    setup.streams = Stream::mix(&[(0.0, 0.5 * CAPACITY), (10.0, 2.0 * CAPACITY)]);
    for stream in &mut setup.streams {
        stream.tells_deadline = true;
        // The first ten seconds teach the edge what a call takes.
        stream.patience = 2.0;
    }
    let mut hasty = setup.streams.clone();
    for stream in &mut setup.streams {
        stream.rate = vec![(0.0, stream.rate[0].1), (10.0, 0.0)];
    }
    for stream in &mut hasty {
        stream.rate[0].1 = 0.0;
        stream.patience = 0.5 * UNLOADED_P50;
    }
    setup.streams.extend(hasty);
    let run = run(setup);
    let offered = run.sum(&[4, 5, 6, 7], 10.0, 60.0).offered;
    // Unprotected, every one of them is worked on.
    let sent_unprotected = f64::from(offered) * 0.05;
    vec![run.expired_sent as f64, run.work.1 / sent_unprotected]
}

fn g2(seed: u64, protection: Protection) -> Vec<f64> {
    let mut setup = Setup::usual(seed, 30.0, protection);
    setup.streams = Stream::mix(&[(0.0, 0.9 * CAPACITY)]);
    let run = run(setup);
    vec![run.success(&run.all(), 3.0, 27.0), run.success(&[0], 0.0, 27.0)]
}
