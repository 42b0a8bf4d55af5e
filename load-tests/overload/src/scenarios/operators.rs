//! H: what operators see and change while it happens.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use headgate_sim::{
    figures::{Bin, Run},
    scenarios::{CAPACITY, Measure, Unit, at_least, at_most},
    upstream::{Behavior, Change, Endpoint},
};
use headgate_types::Class;
use tokio::time::{Instant, sleep};

use super::{Scenario, edge::RULED};
use crate::lab::{Lab, Setup, Stage, USUAL, sum};

pub(super) const SCENARIOS: &[Scenario] = &[
    of("H1", "a limit that observes at twice the capacity, beside one that enforces", H1, h1),
    of("H2", "every refusal at twice the capacity is explained", H2, h2),
    of("H3", "a limit is changed by hand at twice the capacity, and back", H3, h3),
    of("H4", "a configuration that refuses everything", H4, h4),
];

const fn of(
    id: &'static str,
    title: &'static str,
    measures: &'static [Measure],
    run: fn(&Lab) -> Result<Vec<f64>>,
) -> Scenario {
    Scenario { id, title: Some(title), measures, run, fails_unprotected: false }
}

const H1: &[Measure] = &[
    at_most("refused while observing", 0.0, Unit::Count),
    at_most("predicted share off the enforced one", 0.2, Unit::Percent),
];
const H2: &[Measure] = &[
    at_most("refusals without a code or trace", 0.0, Unit::Count),
    at_most("refused answers less refusals counted", 0.0, Unit::Count),
    at_least("traces with layer, reason, observed and limit", 1.0, Unit::Percent),
    at_most("slowest `why`", 1.0, Unit::Seconds),
];
const H3: &[Measure] = &[
    at_most("change visible after", 1.0, Unit::Seconds),
    at_most("connections broken", 0.0, Unit::Count),
    at_most("no-load RTT, over before", 1.2, Unit::Times),
    at_most("changes out of bounds taken", 0.0, Unit::Count),
];
const H4: &[Measure] = &[
    at_least("success of the exempt route", 0.9999, Unit::Percent),
    at_least("admin answers", 0.9999, Unit::Percent),
    at_least("refused of everything else", 0.9, Unit::Percent),
];

/// The codes of what layers refuse.
const LAYERS: [&str; 6] = ["HG0030", "HG0031", "HG0032", "HG0033", "HG0034", "HG0035"];
const UPSTREAM: &str = "load/u0";

fn h1(lab: &Lab) -> Result<Vec<f64>> {
    let seconds = lab.time(12.0, 7.0);
    let mut shares = Vec::new();
    let mut refused = 0;
    for mode in ["enforce", "observe"] {
        let mut setup = lab.usual(seconds).mix(&[(0.0, 2.0 * CAPACITY)]);
        setup.concurrency.mode = Some(mode);
        // Behind a limit that only observes, the service is slow; what is late would throttle.
        setup.throttle = Some("off");
        shares.push(lab.stage(setup, async |stage| {
            let seen = stage.play().await?;
            refused = seen.answers.of(&LAYERS);
            // The limit's own counts: whether one that passed would have waited in vain is known
            // only after it was let in.
            let limits = stage.operator.limits().await?;
            let count = |word: &str| limits.number(&format!("/upstreams/0/gate/counts/{word}"));
            Ok(count("would_refuse") / (count("admitted") + count("refused")).max(1.0))
        })?);
    }
    let [enforced, predicted] = shares.as_slice() else { return Ok(Vec::new()) };
    Ok(vec![refused as f64, (predicted / enforced.max(1e-9) - 1.0).abs()])
}

fn h2(lab: &Lab) -> Result<Vec<f64>> {
    let setup = lab.usual(lab.time(8.0, 5.0)).mix(&[(0.0, 2.0 * CAPACITY)]);
    lab.stage(setup, async |stage| {
        let seen = stage.play().await?;
        let answers = seen.answers;
        let refused = answers.of(&LAYERS);
        let page = stage.operator.metrics().await?;
        let counted = sum(&page, RULED, &["ruled=\"refused\""]);
        let outcomes = ["shed_priority", "shed_overload", "limited_concurrency", "breaker_open"];
        let ended: f64 = outcomes
            .iter()
            .chain(&["limited_rate", "deadline_exceeded"])
            .map(|word| sum(&page, ENDED, &[&format!("outcome=\"{word}\"")]))
            .sum();
        let off = (refused as f64 - counted).abs().max((refused as f64 - ended).abs());
        ensure!(!answers.traces.is_empty(), "nothing was refused");
        let (mut explained, mut slowest) = (0_u32, Duration::ZERO);
        for trace in &answers.traces {
            let Ok((body, took)) = stage.operator.get(&format!("/v1/why/{trace}")).await else {
                continue;
            };
            slowest = slowest.max(took);
            let text = String::from_utf8(body)?;
            let tells = ["\"layer\"", "\"reason\"", "\"observed\"", "\"limit\""];
            explained += u32::from(tells.iter().all(|word| text.contains(word)));
        }
        let share = f64::from(explained) / answers.traces.len() as f64;
        Ok(vec![answers.unexplained as f64, off, share, slowest.as_secs_f64()])
    })
}

const ENDED: &str = "headgate_gateway_ended_requests_total";

fn h3(lab: &Lab) -> Result<Vec<f64>> {
    let end = lab.time(14.0, 10.0);
    let setup = lab.usual(end).mix(&[(0.0, 2.0 * CAPACITY)]);
    lab.stage(setup, async |stage| {
        let (seen, (visible, rtt, taken)) = stage.play_beside(change_by_hand).await?;
        let broken = seen.answers.statuses.get(&0).copied().unwrap_or_default();
        Ok(vec![visible, broken as f64, rtt, taken])
    })
}

/// Sets a lower limit, waits for it, tries one that is out of bounds, and takes the first back.
async fn change_by_hand(stage: &Stage) -> Result<(f64, f64, f64)> {
    sleep(Duration::from_secs(4)).await;
    let operator = &stage.operator;
    let before = operator.limits().await?.number(NO_LOAD);
    let set = |value: &'static str| {
        let words =
            ["shed", "set", "--upstream", UPSTREAM, value, "--for", "1m", "--reason", "load"];
        async move { operator.verb(&words).await }
    };
    let start = Instant::now();
    let done = set("concurrency.max=8").await?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let visible = until(stage, start, |limit| limit <= 8.0).await?;
    let is_taken = set("concurrency.max=0").await?.status.success();
    let overlays = operator.verb(&["config", "overlays", "--json"]).await?;
    let overlays: serde_json::Value = serde_json::from_slice(&overlays.stdout)?;
    let id = overlays.pointer("/0/id").context("no overlay is in force")?.to_string();
    let start = Instant::now();
    let done = operator.verb(&["config", "unset", id.trim_matches('"')]).await?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let back = until(stage, start, |limit| limit > 8.0).await?;
    let after = operator.limits().await?.number(NO_LOAD);
    // The limit has to find its way back up by itself, which is not the change.
    let visible = if back > GROWTH_SECONDS { f64::INFINITY } else { visible };
    Ok((visible, after / before.max(1e-9), f64::from(u8::from(is_taken))))
}

/// Time in which a limit that may rise does.
const GROWTH_SECONDS: f64 = 5.0;
const NO_LOAD: &str = "/upstreams/0/gate/no_load_ms";

async fn until(stage: &Stage, start: Instant, is_so: impl Fn(f64) -> bool) -> Result<f64> {
    loop {
        if is_so(stage.operator.limits().await?.number("/upstreams/0/gate/limit")) {
            return Ok(start.elapsed().as_secs_f64());
        }
        ensure!(start.elapsed() < Duration::from_secs(20), "the change is not seen");
        sleep(Duration::from_millis(20)).await;
    }
}

fn h4(lab: &Lab) -> Result<Vec<f64>> {
    let seconds = lab.time(8.0, 5.0);
    let mut setup = lab.usual(seconds).mix(&[(0.0, CAPACITY)]);
    setup.endpoints = vec![Endpoint::new(20, &[USUAL]); 2];
    setup.upstreams = vec![0..1, 1..2];
    setup.changes = vec![(0.0, 0, Change::Behave(Behavior::Hang))];
    setup.concurrency.initial = Some(4);
    setup.concurrency.max = Some(4);
    let cut = "cut = { standard = \"100%\", best_effort = \"100%\", bulk = \"100%\" }";
    setup.overload = format!("{cut}\nexempt = [\"load/r1\"]");
    let mut exempt = Setup::steady(Class::Bulk, 0.25 * CAPACITY);
    exempt.upstream = 1;
    setup.streams.push(exempt);
    lab.stage(setup, async |stage| {
        let (seen, admin) =
            stage.play_beside(async |stage| readiness(stage, seconds).await).await?;
        let Bin { offered, shed, .. } = others(&seen.run, seconds);
        let refused = f64::from(shed) / f64::from(offered.max(1));
        Ok(vec![seen.run.success(&[4], 0.0, seconds), admin, refused])
    })
}

fn others(run: &Run, seconds: f64) -> Bin {
    run.sum(&[0, 1, 2, 3], 0.0, seconds)
}

/// The share of times that the admin listener says that the edge is ready.
async fn readiness(stage: &Stage, seconds: f64) -> Result<f64> {
    let start = Instant::now();
    let (mut asked, mut ready) = (0_u32, 0_u32);
    while start.elapsed().as_secs_f64() < seconds {
        asked += 1;
        ready += u32::from(stage.operator.get("/readyz").await.is_ok());
        sleep(Duration::from_millis(20)).await;
    }
    Ok(f64::from(ready) / f64::from(asked.max(1)))
}
