//! A: more is offered than can be served. G: deadlines, and the first seconds.

use anyhow::Result;
use headgate_sim::{
    figures::{Run, slice},
    scenarios::{CAPACITY, UNLOADED_P50, collapse_figures},
    upstream::Change,
};

use super::Scenario;
use crate::lab::{Lab, Setup};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::shared("A1", a1, true),
    Scenario::shared("A2a", |lab| collapse(lab, (Change::Slots(4), Change::Slots(20)), 3.0), true),
    Scenario::shared(
        "A2b",
        |lab| collapse(lab, (Change::Slower(5.0), Change::Slower(1.0)), 6.0),
        true,
    ),
    Scenario::shared("A3", a3, true),
    Scenario::shared("A4", a4, true).titled("a step from 0.7 to 1.4 of 1200 requests a second"),
    Scenario::shared("A5", a5, true),
    Scenario::shared("A7", a7, false).titled("half load, 40 s or for the time of `--soak`"),
    Scenario::shared("G1", g1, true),
    Scenario::shared("G2", g2, false),
];

fn a1(lab: &Lab) -> Result<Vec<f64>> {
    // Before that, the limit is found; or, without one, the queue becomes longer than patience.
    let from = 3.0;
    let end = from + lab.time(6.0, 3.0);
    let mut goodputs = Vec::new();
    let mut p99 = 0.0_f64;
    for times in [1.0, 2.0, 5.0, 10.0] {
        let run = lab.run(lab.usual(end).mix(&[(0.0, times * CAPACITY)]))?;
        goodputs.push(run.goodput(from, end) / CAPACITY);
        p99 = p99.max(run.latency(&run.all(), (from, end), 0.99));
    }
    let most = goodputs.iter().copied().fold(0.0, f64::max);
    let least = goodputs.iter().copied().fold(f64::INFINITY, f64::min);
    let overloaded = goodputs.split_off(1);
    Ok([overloaded, vec![p99, most - least]].concat())
}

fn collapse(lab: &Lab, (fault, cure): (Change, Change), settling: f64) -> Result<Vec<f64>> {
    let from = 6.0;
    let to = from + settling + lab.time(12.0, 5.0);
    let end = to + lab.time(9.0, 7.0);
    let mut setup = lab.usual(end).mix(&[(0.0, 0.9 * CAPACITY)]);
    for stream in &mut setup.streams {
        // Of calls that are five times slower, one in 300 takes longer than the lab's patience.
        stream.patience = 2.0;
    }
    setup.changes = vec![(from, 0, fault), (to, 0, cure)];
    Ok(collapse_figures(&lab.run(setup)?, (from, to, end), settling))
}

fn a3(lab: &Lab) -> Result<Vec<f64>> {
    let (from, end) = (8.0, 8.0 + lab.time(15.0, 7.0));
    let mut setup = lab.usual(end).mix(&[(0.0, 0.7 * CAPACITY)]);
    let prefetch = 0.3 * 0.7 * CAPACITY;
    if let Some(stream) = setup.streams.get_mut(2) {
        stream.rate = vec![(0.0, prefetch), (from, 12.0 * prefetch)];
    }
    let run = lab.run(setup)?;
    let users = [0, 1];
    let before = run.latency(&users, (2.0, from), 0.99);
    Ok(vec![run.success(&users, from, end), run.latency(&users, (from, end), 0.99) / before])
}

/// With three times the usual upstream: a core can't send ten times as much and be sent answers.
fn a4(lab: &Lab) -> Result<Vec<f64>> {
    let capacity = 3.0 * CAPACITY;
    let (step, end) = (8.0, 8.0 + lab.time(14.0, 9.0));
    let mut setup = lab.usual(end).mix(&[(0.0, 0.7 * capacity), (step, 1.4 * capacity)]);
    setup.concurrency.initial = Some(60);
    for endpoint in &mut setup.endpoints {
        endpoint.slots = 60;
    }
    let run = lab.run(setup)?;
    let all = run.all();
    let p99 = |from: f64, to: f64| run.latency(&all, (from, to), 0.99);
    let shed = |from: f64, to: f64| {
        let sum = run.sum(&all, from, to);
        f64::from(sum.shed) / f64::from(sum.offered.max(1))
    };
    let off = |early: f64, last: f64| (early / last.max(1e-9) - 1.0).abs();
    let in_flight = |from: f64, to: f64| {
        slice(&run.states, from, to).iter().map(|state| f64::from(state.in_flight)).collect()
    };
    let (after, last): (Vec<f64>, Vec<f64>) =
        (in_flight(step, step + 6.0), in_flight(end - 4.0, end));
    let most = after.into_iter().fold(0.0, f64::max);
    let mean = last.iter().sum::<f64>() / last.len().max(1) as f64;
    Ok(vec![
        off(p99(step + 1.0, step + 4.0), p99(end - 5.0, end)),
        off(shed(step + 1.0, step + 4.0), shed(end - 5.0, end)),
        if mean > 0.0 { most / mean } else { f64::INFINITY },
    ])
}

fn a5(lab: &Lab) -> Result<Vec<f64>> {
    let (from, to, end) = (5.0, 5.1, 9.0);
    let half = 0.5 * CAPACITY;
    let run = lab.run(lab.usual(end).mix(&[(0.0, half), (from, 10.0 * CAPACITY), (to, half)]))?;
    let is_empty = |state: &headgate_sim::figures::State| state.queued + state.backlog < 1.0;
    let empty = slice(&run.states, to, end).iter().position(is_empty);
    let sheds = |line| f64::from(run.sum(&[line], from, from + 3.0).shed);
    Ok(vec![sheds(0), sheds(1), empty.map_or(999.0, |bins| bins as f64 * 0.1)])
}

fn a7(lab: &Lab) -> Result<Vec<f64>> {
    let end = lab.soak.unwrap_or(lab.time(40.0, 20.0));
    let from = 5.0;
    let run = lab.run(lab.usual(end).mix(&[(0.0, 0.5 * CAPACITY)]))?;
    let (mean, ..) = run.limit(from, end);
    Ok(vec![f64::from(run.sum(&run.all(), 0.0, end).shed), deviation(&run, (from, end)) / mean])
}

/// The deviation of the limit from its mean.
fn deviation(run: &Run, (from, to): (f64, f64)) -> f64 {
    let (mean, ..) = run.limit(from, to);
    let states = slice(&run.states, from, to);
    let squares = states.iter().map(|state| (f64::from(state.limit) - mean).powi(2)).sum::<f64>();
    (squares / states.len().max(1) as f64).sqrt()
}

fn g1(lab: &Lab) -> Result<Vec<f64>> {
    let (from, end) = (5.0, 5.0 + lab.time(8.0, 4.0));
    // The first seconds teach the edge what a call takes.
    let mut setup: Setup = lab.usual(end).mix(&[(0.0, 0.5 * CAPACITY), (from, 0.0)]);
    let mut hasty = lab.usual(end).mix(&[(0.0, 0.0), (from, 2.0 * CAPACITY)]).streams;
    for stream in &mut hasty {
        stream.patience = 0.5 * UNLOADED_P50;
    }
    setup.streams.extend(hasty);
    for stream in &mut setup.streams {
        stream.tells_deadline = true;
    }
    let run = lab.run(setup)?;
    let offered = run.sum(&[4, 5, 6, 7], from, end).offered;
    // Unprotected, every one of them is worked on.
    let sent_unprotected = f64::from(offered) * 0.05;
    Ok(vec![run.expired_sent as f64, run.work.1 / sent_unprotected])
}

fn g2(lab: &Lab) -> Result<Vec<f64>> {
    let end = lab.time(12.0, 8.0);
    let run = lab.run(lab.usual(end).mix(&[(0.0, 0.9 * CAPACITY)]))?;
    Ok(vec![run.success(&run.all(), 3.0, end), run.success(&[0], 0.0, end)])
}
