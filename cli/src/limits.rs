//! `headgate limits`: limits, who holds their permits, and breakers of a running edge.

use std::process::ExitCode;

use headgate_admin::{GateStatus, InstanceLimits, LimitsStatus};

use crate::{
    admin::Admin,
    args,
    output::{Output, columns},
};

/// Where the API tells them.
pub(crate) const PATH: &str = "/v1/limits";

/// Asks a running edge and prints its limits.
///
/// # Errors
///
/// [`Unreachable`](crate::exit::Unreachable) when nobody answers, or not as an edge does; faults of
/// the configuration, where one was named.
pub(crate) fn limits(args: &args::Admin, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(args)?;
    let limits: LimitsStatus = admin.get(PATH)?.json(&admin)?;
    if output.json {
        output.json(&limits)?;
    } else {
        output.out.write_all(text(&limits).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(limits: &LimitsStatus) -> String {
    let upstreams =
        limits.upstreams.iter().map(|one| (("upstream", &one.team, &one.name), &one.gate));
    let routes = limits.routes.iter().filter(|one| one.gate.is_some());
    let routes = routes.map(|one| (("route", &one.team, &one.name), &one.gate));
    let head = [
        "LIMIT OF",
        "MODE",
        "LIMIT",
        "IN FLIGHT",
        "QUEUE",
        "NO LOAD",
        "MOVED BY",
        "SHED FROM",
        "REFUSED",
        "WOULD REFUSE",
    ];
    let gates = upstreams.chain(routes).map(|((kind, team, name), gate)| {
        let name = format!("{kind} {team}/{name}");
        gate.as_ref().map_or_else(
            || vec![name.clone(), "no request yet".to_owned()],
            |gate| row(name.clone(), gate),
        )
    });
    let gates: Vec<_> = [head.map(str::to_owned).to_vec()].into_iter().chain(gates).collect();
    let head = ["BREAKER OF", "UPSTREAM", "MODE", "STATE"].map(str::to_owned).to_vec();
    let endpoints = limits.upstreams.iter().flat_map(|upstream| {
        upstream.endpoints.iter().map(|endpoint| {
            let name = format!("{}/{}", upstream.team, upstream.name);
            vec![endpoint.address.clone(), name, upstream.breaker.clone(), endpoint.breaker.clone()]
        })
    });
    let endpoints: Vec<_> = [head].into_iter().chain(endpoints).collect();
    format!("{}\n{}\n{}", instance(&limits.instance), columns(&gates), columns(&endpoints))
}

fn row(name: String, gate: &GateStatus) -> Vec<String> {
    vec![
        name,
        gate.mode.clone(),
        gate.limit.to_string(),
        gate.in_flight.to_string(),
        gate.queued.to_string(),
        gate.no_load_ms.map_or_else(|| "-".to_owned(), |millis| format!("{millis:.1} ms")),
        gate.cause.clone(),
        rank(gate.shed_from),
        gate.counts.refused.to_string(),
        gate.counts.would_refuse.saturating_sub(gate.counts.refused).to_string(),
    ]
}

/// The rank from which on requests are shed, for people.
pub(crate) fn rank(shed_from: Option<u16>) -> String {
    shed_from.map_or_else(|| "-".to_owned(), |rank| rank.to_string())
}

/// The edge's own protection in one line.
pub(crate) fn instance(instance: &InstanceLimits) -> String {
    let mut text = vec![format!("edge: {}, {} in flight", instance.mode, instance.in_flight)];
    if let Some(cpu) = instance.cpu {
        text.push(format!(", CPU {:.0} %", cpu * 100.0));
    }
    if let Some(lag) = instance.scheduler_lag_ms {
        text.push(format!(", lag {lag:.1} ms"));
    }
    if let Some(memory) = instance.memory {
        text.push(format!(", memory {:.0} %", memory * 100.0));
    }
    match instance.shed_from {
        Some(rank) => text.push(format!(", sheds from rank {rank}")),
        None => text.push(", sheds none".to_owned()),
    }
    text.push(format!(", refused {}\n", instance.counts.refused));
    text.concat()
}

#[cfg(test)]
mod tests;
