//! `headgate status`: asks a running edge how it is.

use std::process::ExitCode;

use headgate_admin::Status;

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
    let mut rows = vec![
        vec!["version".to_owned(), status.version.clone()],
        vec!["readiness".to_owned(), status.readiness.clone()],
        vec!["started".to_owned(), status.started_at.clone()],
        vec!["config".to_owned(), status.config_digest.clone()],
        vec!["in flight".to_owned(), status.in_flight.to_string()],
        vec!["connections".to_owned(), status.connections.to_string()],
        vec!["routes".to_owned(), status.routes_count.to_string()],
        vec!["teams".to_owned(), status.teams.join(", ")],
        vec!["lines dropped".to_owned(), status.access_lines_dropped.to_string()],
    ];
    for listener in &status.listeners {
        rows.push(vec![format!("{} listener", listener.kind), listener.address.to_string()]);
    }
    for source in &status.identity {
        let health = source.fault.clone().unwrap_or_else(|| "ok".to_owned());
        let keys = format!("{}, {} keys, {health}", source.kind, source.keys_count);
        rows.push(vec![format!("identity {}", source.name), keys]);
    }
    for upstream in &status.upstreams {
        for endpoint in &upstream.endpoints {
            let latency = endpoint.latency_ms;
            let latency =
                latency.map_or_else(|| "-".to_owned(), |latency| format!("{latency:.1} ms"));
            let state = format!(
                "{}, {} in flight, latency {latency}",
                endpoint.address, endpoint.in_flight
            );
            rows.push(vec![format!("upstream {}/{}", upstream.team, upstream.name), state]);
        }
    }
    columns(&rows)
}
