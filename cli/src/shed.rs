//! `headgate shed`: what is shed and why, and moves of it that end by themselves.

mod chaos;
mod simulate;

use std::process::ExitCode;

use headgate_admin::{LimitsStatus, OverlayStatus, RouteLimits};
use serde::Serialize;
use serde_json::Value;

use crate::{
    admin::Admin,
    args,
    exit::Invalid,
    limits::{self, rank},
    output::{Output, columns},
    overlays,
    status::overlay,
};

/// What can be set of the edge, below `edge.overload`.
const OF_EDGE: [&str; 3] = ["mode", "cut.", "exempt"];
/// What can be set of an upstream.
const OF_UPSTREAM: [&str; 2] = ["concurrency.", "breaker."];
/// What can be set of a route.
const OF_ROUTE: [&str; 7] =
    ["priority", "timeout", "concurrency.", "rate", "throttle.", "retry.", "fallback."];

/// Why a value is ended that was set with one that can't be.
const TAKEN_BACK: &str = "set together with one that is refused";

/// Runs a verb of `shed`.
///
/// # Errors
///
/// [`Unreachable`](crate::exit::Unreachable) when nobody answers, or not as an edge does;
/// [`Refused`](crate::exit::Refused) with all that is wrong with a value.
pub(crate) fn shed(args: args::Shed, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    match args {
        args::Shed::Status(args) => status(&args, output),
        args::Shed::Set(args) => set(&args, output),
        args::Shed::Simulate(args) => simulate::simulate(&args, output),
        args::Shed::Chaos(args) => chaos::chaos(&args, output),
    }
}

/// What one route may take, and what is refused of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Row {
    team: String,
    route: String,
    class: String,
    upstream: String,
    limit: Option<u32>,
    in_flight: Option<u32>,
    queued: Option<u64>,
    mode: Option<String>,
    shed_from: Option<u16>,
    refused: Option<u64>,
    reason: String,
}

fn status(args: &args::Admin, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(args)?;
    let limits: LimitsStatus = admin.get(limits::PATH)?.json(&admin)?;
    let mut overlays = overlays::all(&admin)?;
    overlays.retain(|overlay| is_about_shedding(&overlay.key));
    let rows: Vec<_> = limits.routes.iter().map(|route| row(&limits, route)).collect();
    if output.json {
        let (edge, routes) = (&limits.instance, &rows);
        output
            .json(&serde_json::json!({ "overlays": overlays, "edge": edge, "routes": routes }))?;
    } else {
        let head: Vec<_> = overlays.iter().map(overlay).collect();
        let text = columns(&head) + &limits::instance(&limits.instance) + "\n" + &table(&rows);
        output.out.write_all(text.as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether an overlay moves what `shed set` can.
fn is_about_shedding(key: &str) -> bool {
    if let Some(rest) = key.strip_prefix("edge.overload.") {
        return fits(rest, &OF_EDGE);
    }
    let mut parts = key.splitn(5, '.');
    let (Some("team"), Some(_), Some(kind), Some(_), Some(rest)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    match kind {
        "upstream" => fits(rest, &OF_UPSTREAM),
        "route" => fits(rest, &OF_ROUTE),
        _ => false,
    }
}

/// Whether a key is one of these, or below one that ends in a dot.
fn fits(key: &str, known: &[&str]) -> bool {
    let is = |known: &&str| {
        let table = known.trim_end_matches('.');
        key.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    known.iter().any(is)
}

fn row(limits: &LimitsStatus, route: &RouteLimits) -> Row {
    let gate = limits.gate_of(route);
    let reason = match gate {
        _ if route.is_exempt => "exempt: no layer may refuse its requests".to_owned(),
        None => "no request yet".to_owned(),
        Some(gate) => {
            let (kind, name) = match route.gate {
                Some(_) => ("route", &route.name),
                None => ("upstream", &route.upstream),
            };
            let mut reason = vec![format!("limit of {kind} {name}: {}", gate.cause)];
            if let Some(from) = gate.shed_from {
                reason.push(format!(", sheds ranks from {from}"));
            }
            if route.throttle_counts.refused > 0 {
                reason.push(format!(", throttled {}", route.throttle_counts.refused));
            }
            reason.concat()
        }
    };
    Row {
        team: route.team.clone(),
        route: route.name.clone(),
        class: route.priority.clone(),
        upstream: route.upstream.clone(),
        limit: gate.map(|gate| gate.limit),
        in_flight: gate.map(|gate| gate.in_flight),
        queued: gate.map(|gate| gate.queued),
        mode: gate.map(|gate| gate.mode.clone()),
        shed_from: gate.and_then(|gate| gate.shed_from),
        refused: gate.map(|gate| gate.counts.refused),
        reason,
    }
}

fn table(rows: &[Row]) -> String {
    let head =
        ["ROUTE", "CLASS", "LIMIT", "IN FLIGHT", "QUEUE", "MODE", "SHED FROM", "REFUSED", "REASON"];
    let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let lines = rows.iter().map(|row| {
        vec![
            format!("{}/{}", row.team, row.route),
            row.class.clone(),
            count(row.limit.map(u64::from)),
            count(row.in_flight.map(u64::from)),
            count(row.queued),
            row.mode.clone().unwrap_or_else(|| "-".to_owned()),
            rank(row.shed_from),
            count(row.refused),
            row.reason.clone(),
        ]
    });
    let lines: Vec<_> = [head.map(str::to_owned).to_vec()].into_iter().chain(lines).collect();
    columns(&lines)
}

/// Puts values in force, all or none, and tells their numbers.
fn set(args: &args::ShedSet, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let keys = keys(args)?;
    let admin = Admin::at(&args.admin)?;
    let mut all: Vec<OverlayStatus> = Vec::new();
    for (key, value) in keys {
        let mut wish = args.terms.wish(key, value);
        // Each of them is a version of its own.
        wish.expect = wish.expect.map(|expect| expect + all.len() as u64);
        match overlays::put(&admin, &wish) {
            Ok(overlay) => all.push(overlay),
            Err(error) => {
                let (actor, reason) = (args.terms.actor.clone(), TAKEN_BACK.to_owned());
                let terms = args::EndTerms { actor, reason, expect: None };
                for overlay in &all {
                    overlays::delete(&admin, overlay.id, &terms)?.json::<OverlayStatus>(&admin)?;
                }
                return Err(error);
            }
        }
    }
    if output.json {
        output.json(&all)?;
    } else {
        let rows: Vec<_> = all.iter().map(overlay).collect();
        output.out.write_all(columns(&rows).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The keys of the configuration, with their values.
fn keys(args: &args::ShedSet) -> Result<Vec<(String, Value)>, Invalid> {
    let (prefix, known): (String, &[&str]) = match (&args.upstream, &args.route) {
        (Some(id), _) => (below(id, "upstream")?, &OF_UPSTREAM),
        (_, Some(id)) => (below(id, "route")?, &OF_ROUTE),
        _ => ("edge.overload".to_owned(), &OF_EDGE),
    };
    let read = |setting: &String| {
        let (key, value) = setting.split_once('=').ok_or_else(|| {
            Invalid::message(format!("{setting:?} is no setting such as mode=observe"))
        })?;
        if !fits(key, known) {
            let allowed: Vec<_> = known.iter().map(|one| one.replace('.', ".…")).collect();
            let allowed = allowed.join(", ");
            return Err(Invalid::message(format!(
                "{key:?} can't be set here: allowed is {allowed}"
            )));
        }
        // What is no JSON is meant as a text: `60%` needs no quotes.
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        Ok((format!("{prefix}.{key}"), value))
    };
    args.settings.iter().map(read).collect()
}

fn below(id: &str, kind: &str) -> Result<String, Invalid> {
    match id.split_once('/') {
        Some((team, name)) if !team.is_empty() && !name.is_empty() => {
            Ok(format!("team.{team}.{kind}.{name}"))
        }
        _ => Err(Invalid::message(format!("{id:?} is no {kind}, such as tv/home"))),
    }
}

#[cfg(test)]
mod tests;
