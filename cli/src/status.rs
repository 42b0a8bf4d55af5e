//! `headgate status`: asks a running edge how it is.

use std::process::ExitCode;

use headgate_admin::{
    ConfigStatus, DiscoveryStatus, OverlayStatus, PartStatus, Status, UpstreamStatus,
};

use crate::{
    admin::Admin,
    args,
    output::{Output, columns},
};

/// Asks the admin listener for `/v1/status` and prints the answer.
///
/// # Errors
///
/// [`Unreachable`](crate::exit::Unreachable) when nobody answers, or not as an edge does; faults of
/// the configuration, where one was named.
pub(crate) fn status(args: &args::Admin, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(args)?;
    let status: Status = admin.get("/v1/status")?.json(&admin)?;
    if output.json {
        output.json(&status)?;
    } else {
        output.out.write_all(text(&status).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(status: &Status) -> String {
    let config = &status.config;
    let mut rows: Vec<_> = config.overlays.iter().map(overlay).collect();
    rows.extend(parts(config));
    rows.extend([
        vec!["version".to_owned(), status.version.clone()],
        vec!["readiness".to_owned(), status.readiness.clone()],
        vec!["started".to_owned(), status.started_at.clone()],
        vec!["config".to_owned(), format!("{} since {}", config.digest, config.since)],
        vec!["changes".to_owned(), format!("version {}", config.version)],
        vec!["files".to_owned(), files(config)],
        vec!["in flight".to_owned(), status.in_flight.to_string()],
        vec!["connections".to_owned(), status.connections.to_string()],
        vec!["routes".to_owned(), status.routes_count.to_string()],
        vec!["teams".to_owned(), status.teams.join(", ")],
        vec!["lines dropped".to_owned(), status.access_lines_dropped.to_string()],
    ]);
    for (what, keys) in [
        ("waits for an upgrade", &config.waits_for_hand_over),
        ("waits for a restart", &config.waits_for_restart),
    ] {
        if !keys.is_empty() {
            rows.push(vec![what.to_owned(), keys.join(", ")]);
        }
    }
    for listener in &status.listeners {
        rows.push(vec![format!("{} listener", listener.kind), listener.address.to_string()]);
    }
    for source in &status.identity {
        let health = source.fault.clone().unwrap_or_else(|| "ok".to_owned());
        let keys = format!("{}, {} keys, {health}", source.kind, source.keys_count);
        rows.push(vec![format!("identity {}", source.name), keys]);
    }
    for upstream in &status.upstreams {
        rows.extend(upstream.discovery.as_ref().map(|found| discovery(upstream, found)));
        for endpoint in &upstream.endpoints {
            let latency = endpoint.latency_ms;
            let latency =
                latency.map_or_else(|| "-".to_owned(), |latency| format!("{latency:.1} ms"));
            let mut state = format!(
                "{}, {} in flight, latency {latency}",
                endpoint.address, endpoint.in_flight
            );
            let drained = endpoint.is_drained.then_some("DRAINED");
            for word in endpoint.health.as_deref().into_iter().chain(drained) {
                state.extend([", ", word]);
            }
            if let Some(zone) = &endpoint.zone {
                state.extend([", zone ", zone]);
            }
            if let Some(fault) = &endpoint.fault {
                state.extend([": ", fault.as_str()]);
            }
            rows.push(vec![format!("upstream {}/{}", upstream.team, upstream.name), state]);
        }
    }
    columns(&rows)
}

/// Where an upstream's endpoints are looked up, and what came of it.
fn discovery(upstream: &UpstreamStatus, found: &DiscoveryStatus) -> Vec<String> {
    let good = found.age_seconds.map_or_else(
        || "NO GOOD ANSWER YET".to_owned(),
        |age| format!("last good answer {age} s ago"),
    );
    let left_out = match found.left_out {
        0 => String::new(),
        count => format!(", {count} ADDRESSES LEFT OUT"),
    };
    let mut told = format!("looks up {}, {good}{left_out}", found.question);
    if let Some(fault) = &found.fault {
        told.extend([": ", fault]);
    }
    vec![format!("upstream {}/{}", upstream.team, upstream.name), told]
}

/// What came of the last load, and how changes are found.
fn files(config: &ConfigStatus) -> String {
    let kept = if config.is_kept { ", kept" } else { "" };
    let ConfigStatus { loaded, loaded_at, watching, .. } = config;
    format!("{loaded} at {loaded_at}, changes by {watching}{kept}")
}

/// What stands over the files, and until when.
pub(crate) fn overlay(overlay: &OverlayStatus) -> Vec<String> {
    let OverlayStatus { id, key, value, actor, reason, expires, .. } = overlay;
    let out = if overlay.is_in_force { "" } else { ", DOES NOT FIT THE FILES" };
    let told = format!("{key} = {value} until {expires} by {actor}: {reason}{out}");
    vec![format!("overlay {id}"), told]
}

/// The parts of whose files not all are in force, a line for each fault.
fn parts(config: &ConfigStatus) -> Vec<Vec<String>> {
    let is_told = |part: &&PartStatus| part.state != "current" || !part.faults.is_empty();
    let parts = config.parts.iter().filter(is_told);
    let lines = |part: &PartStatus| {
        let name = format!("part {}", part.name);
        let state = vec![name.clone(), part.state.clone()];
        let faults = part.faults.iter().map(move |fault| vec![name.clone(), fault.to_string()]);
        [state].into_iter().chain(faults).collect::<Vec<_>>()
    };
    parts.flat_map(lines).collect()
}

#[cfg(test)]
mod tests;
