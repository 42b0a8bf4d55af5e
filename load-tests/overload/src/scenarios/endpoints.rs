//! C: retries. D: endpoints that fail, slow down, hang or refuse.

use std::time::Duration;

use anyhow::{Context, Result};
use headgate_sim::{
    figures::{Run, slice},
    scenarios::{CAPACITY, recovery},
    upstream::{Behavior, Change, Endpoint, Time},
};
use headgate_types::Class;
use tokio::time::{Instant, sleep};

use super::Scenario;
use crate::lab::{Lab, Setup, Stage, USUAL, sum};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::shared("C1", c1, true),
    Scenario::shared("C2", c2, true),
    Scenario::shared("C3", c3, true),
    // The balancer alone spares it: to it, a failure is a slow answer.
    Scenario::shared("D1", d1, false),
    Scenario::shared("D2", d2, true)
        .titled("1 of 5 endpoints is 10 times as slow; balanced in any case"),
    // Without breakers nothing is ever half-open.
    Scenario::shared("D3", d3, false)
        .titled("three endpoints fail, and then no probe ever returns"),
    Scenario::shared("D4", d4, false),
    Scenario::shared("D5", d5, true),
];

/// Five endpoints of 4 slots: together the usual upstream.
fn five(lab: &Lab, seconds: f64, load: f64) -> Setup {
    let mut setup = lab.usual(seconds).mix(&[(0.0, load * CAPACITY)]);
    setup.endpoints = vec![Endpoint::new(4, &[USUAL]); 5];
    setup.retries = true;
    setup
}

fn c1(lab: &Lab) -> Result<Vec<f64>> {
    let (from, to) = (5.0, 5.0 + lab.time(10.0, 6.0));
    let end = to + lab.time(14.0, 9.0);
    let mut setup = lab.usual(end).mix(&[(0.0, 0.7 * CAPACITY)]);
    setup.retries = true;
    for stream in &mut setup.streams {
        stream.retries = 3;
    }
    setup.changes = vec![(from, 0, Change::Slots(0)), (to, 0, Change::Slots(20))];
    let run = lab.run(setup)?;
    let before = run.goodput(1.0, from);
    let recovered = recovery(&run, to, end, 0.95 * before);
    Ok(vec![amplification(&run, 0.0, end), recovered, run.goodput(to + 5.0, end) / before])
}

/// Calls at the endpoints, over first attempts among them.
fn amplification(run: &Run, from: f64, to: f64) -> f64 {
    let sum = |bins: &[u32]| f64::from(slice(bins, from, to).iter().sum::<u32>());
    let first = sum(&run.first_attempts);
    (first + sum(&run.retries)) / first.max(1.0)
}

fn c2(lab: &Lab) -> Result<Vec<f64>> {
    let (from, end) = (6.0, 6.0 + lab.time(8.0, 5.0));
    let mut figures = Vec::new();
    for share in [0.05, 0.5, 1.0] {
        let mut setup = five(lab, end, 0.8);
        let fails = Change::Behave(Behavior::Fail(share));
        setup.changes = (0..5).map(|endpoint| (3.0, endpoint, fails)).collect();
        let run = lab.run(setup)?;
        if figures.is_empty() {
            figures.push(run.success(&run.all(), from, end));
        }
        figures.push(amplification(&run, from, end) - 1.0);
    }
    Ok(figures)
}

/// A thousand requests are in flight and fail together; the retries are those that were scheduled.
fn c3(lab: &Lab) -> Result<Vec<f64>> {
    let mut setup = lab.usual(4.0);
    setup.endpoints = vec![Endpoint::new(5000, &[Time::Fixed(1.0)])];
    setup.changes = vec![(0.0, 0, Change::Behave(Behavior::Fail(1.0)))];
    setup.concurrency.mode = Some("off");
    setup.retries = true;
    let mut burst = Setup::steady(Class::Standard, 0.0);
    burst.rate = vec![(1.0, 1e9), (1.000_001, 0.0)];
    burst.patience = 5.0;
    setup.streams = vec![burst];
    lab.stage(setup, async |stage| {
        stage.play().await?;
        let page = stage.operator.metrics().await?;
        Ok(vec![sum(&page, "headgate_gateway_retry_attempts_total", &[])])
    })
}

fn share_of_first(run: &Run, from: f64, to: f64) -> f64 {
    let sums = run.calls.iter().map(|bins| slice(bins, from, to).iter().sum::<u32>());
    let sums: Vec<_> = sums.map(f64::from).collect();
    sums.first().copied().unwrap_or_default() / sums.iter().sum::<f64>().max(1.0)
}

fn d1(lab: &Lab) -> Result<Vec<f64>> {
    let (from, end) = (4.0, 5.0 + lab.time(10.0, 6.0));
    let mut setup = five(lab, end, 0.6);
    setup.changes = vec![(from, 0, Change::Behave(Behavior::FailFast))];
    let run = lab.run(setup)?;
    Ok(vec![share_of_first(&run, from + 1.0, end), run.success(&run.all(), from, end)])
}

fn d2(lab: &Lab) -> Result<Vec<f64>> {
    let (from, end) = (8.0, 10.0 + lab.time(12.0, 6.0));
    let mut setup = five(lab, end, 0.5);
    setup.changes = vec![(from, 0, Change::Slower(10.0))];
    let run = lab.run(setup)?;
    let healthy = run.latency(&run.all(), (1.0, from), 0.99);
    let p99 = run.latency(&run.all(), (from + 2.0, end), 0.99);
    Ok(vec![p99 / healthy, run.success(&run.all(), from + 2.0, end)])
}

/// The longest time for which a breaker is seen half-open in a row. All endpoints fail, as the
/// balancer would spare a single one before its breaker has seen enough.
fn d3(lab: &Lab) -> Result<Vec<f64>> {
    let end = lab.time(14.0, 8.0);
    let mut setup = lab.usual(end).mix(&[(0.0, 0.3 * CAPACITY)]);
    setup.endpoints = vec![Endpoint::new(20, &[USUAL]); 3];
    // Calls that hang would fill it, and none would be left to probe.
    setup.concurrency.mode = Some("off");
    for endpoint in 0..3 {
        setup.changes.push((2.0, endpoint, Change::Behave(Behavior::FailFast)));
        setup.changes.push((2.4, endpoint, Change::Behave(Behavior::Hang)));
    }
    let longest = async |stage: &Stage| {
        let start = Instant::now();
        let (mut longest, mut half_open_since) = (None::<Duration>, [None::<Instant>; 3]);
        while start.elapsed().as_secs_f64() < end {
            let limits = stage.operator.limits().await?;
            for (endpoint, since) in half_open_since.iter_mut().enumerate() {
                if limits.text(&format!("/upstreams/0/endpoints/{endpoint}/breaker")) == "half_open"
                {
                    let lasts = since.get_or_insert_with(Instant::now).elapsed();
                    longest = longest.max(Some(lasts));
                } else {
                    *since = None;
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(longest.context("no breaker was ever half-open")?.as_secs_f64())
    };
    lab.stage(setup, async |stage| Ok(vec![stage.play_beside(longest).await?.1]))
}

fn d4(lab: &Lab) -> Result<Vec<f64>> {
    let (from, to) = (5.0, 8.0);
    let end = to + lab.time(9.0, 7.0);
    let mut setup = five(lab, end, 0.5);
    for endpoint in 0..5 {
        setup.changes.push((from, endpoint, Change::Behave(Behavior::FailFast)));
        setup.changes.push((to, endpoint, Change::Behave(Behavior::Serve)));
    }
    let run = lab.run(setup)?;
    let before = run.goodput(1.0, from);
    // Endpoints that are asked all the time beside those that are only probed.
    let last = run.calls.iter().map(|bins| slice(bins, to - 1.0, to).iter().sum::<u32>());
    let last: Vec<_> = last.collect();
    let asked = last.iter().filter(|calls| **calls > ASKED).count();
    let probes = last.iter().filter(|calls| **calls <= ASKED).max();
    let most = run.at_endpoint_max.iter().copied().max().unwrap_or(0);
    Ok(vec![
        asked as f64,
        f64::from(probes.copied().unwrap_or_default()),
        recovery(&run, to, end, 0.95 * before),
        most as f64 / 4.0,
    ])
}

/// More calls than this in a second are no probes.
const ASKED: u32 = 20;

fn d5(lab: &Lab) -> Result<Vec<f64>> {
    let (from, end) = (5.0, 6.0 + lab.time(10.0, 6.0));
    let mut setup = five(lab, end, 0.5);
    setup.changes = vec![(from, 0, Change::Behave(Behavior::Refuse(0.5)))];
    let run = lab.run(setup)?;
    let before = share_of_first(&run, 1.0, from);
    Ok(vec![1.0 - share_of_first(&run, from + 1.0, end) / before])
}
