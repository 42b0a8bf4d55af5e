//! `headgate probe`: sends the edge's own requests now, and tells what came of them.

use std::{process::ExitCode, thread, time::Duration};

use headgate_admin::{ProbeBegun, ProbeList, ProbeRun, ProbeStatus, ProbeWish};
use headgate_types::parse_duration;
use tokio::time::Instant;

use crate::{
    admin::Admin,
    args,
    exit::{FINDINGS, Invalid, Unreachable},
    output::{Output, columns},
};

const PATH: &str = "/v1/probes";
/// Time between two looks whether a run has ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How much longer than its own time a run may take to be told.
const SLACK: Duration = Duration::from_secs(5);

/// Runs probes of a running edge, all of them unless one is named, and ends with 1 when one fails.
///
/// # Errors
///
/// [`Unreachable`] when nobody answers; a probe that is not there.
pub(crate) fn probe(args: &args::Probe, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?;
    let ProbeList { probes } = admin.get(PATH)?.json(&admin)?;
    if args.list {
        return list(&probes, output);
    }
    let is_wanted =
        |probe: &&ProbeStatus| args.name.as_ref().is_none_or(|name| *name == probe.name);
    let wanted: Vec<_> = probes.iter().filter(is_wanted).collect();
    if wanted.is_empty() {
        let message = match &args.name {
            Some(name) => format!("the edge has no probe {name:?}"),
            None => "the edge has no probes: [probe.NAME] in headgate.toml".to_owned(),
        };
        return Err(Invalid::message(message).into());
    }
    let runs = wanted.into_iter().map(|probe| run(&admin, probe)).collect::<Result<Vec<_>, _>>()?;
    if output.json {
        output.json(&runs)?;
    } else {
        output.out.write_all(text(&runs).as_bytes())?;
    }
    let is_well = runs.iter().all(is_well);
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}

fn is_well(run: &ProbeRun) -> bool {
    run.fault.is_none()
}

/// Begins a run, and waits for what came of it.
fn run(admin: &Admin, probe: &ProbeStatus) -> anyhow::Result<ProbeRun> {
    let begun: ProbeBegun =
        admin.post(PATH, &ProbeWish { name: probe.name.clone() })?.json(admin)?;
    let ends = Instant::now() + parse_duration(&probe.timeout).unwrap_or_default() + SLACK;
    loop {
        let ProbeList { probes } = admin.get(PATH)?.json(admin)?;
        let now = probes.into_iter().find(|one| one.name == probe.name);
        // A later run, of the schedule, says as much.
        let ended = now.and_then(|now| now.last).filter(|last| last.time >= begun.time);
        if let Some(last) = ended {
            return Ok(last);
        }
        if Instant::now() > ends {
            return Err(Unreachable(format!("probe {} does not end", probe.name)).into());
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn list(probes: &[ProbeStatus], output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    if output.json {
        output.json(&probes)?;
        return Ok(ExitCode::SUCCESS);
    }
    let head = ["PROBE", "SENDS", "EVERY", "LAST"].map(str::to_owned).to_vec();
    let row = |probe: &ProbeStatus| {
        let every = probe.every.clone().unwrap_or_else(|| "-".to_owned());
        let last = probe.last.as_ref().map_or_else(|| "-".to_owned(), outcome);
        vec![probe.name.clone(), probe.sends.clone(), every, last]
    };
    let rows: Vec<_> = [head].into_iter().chain(probes.iter().map(row)).collect();
    output.out.write_all(columns(&rows).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn text(runs: &[ProbeRun]) -> String {
    let row = |run: &ProbeRun| {
        let trace =
            run.trace_id.as_ref().map_or_else(String::new, |trace| format!("trace {trace}"));
        vec![run.name.clone(), outcome(run), trace]
    };
    columns(&runs.iter().map(row).collect::<Vec<_>>())
}

fn outcome(run: &ProbeRun) -> String {
    let took = format!("{:.3} ms", run.duration_us as f64 / 1_000.0);
    match &run.fault {
        None => format!("ok in {took}"),
        Some(fault) => format!("{} after {took}: {fault}", run.result),
    }
}

#[cfg(test)]
mod tests;
