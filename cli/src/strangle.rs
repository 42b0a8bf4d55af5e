//! `headgate strangle status`: how far routes are on their way off legacy services.

use std::{collections::BTreeMap, process::ExitCode};

use headgate_admin::{Stage, StrangleStatus};
use serde::Deserialize;

use crate::{
    admin::Admin,
    args,
    exit::FINDINGS,
    output::{Output, columns},
};

/// What `/v1/strangle` answers.
#[derive(Debug, Deserialize)]
struct Answer {
    routes: Vec<StrangleStatus>,
}

/// Asks a running edge and prints the routes; ends with 1 when one is overdue.
///
/// # Errors
///
/// [`Unreachable`](crate::exit::Unreachable) when nobody answers, or not as an edge does; faults of
/// the configuration, where one was named.
pub(crate) fn strangle(args: &args::Strangle, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let args::Strangle::Status(args) = args;
    let admin = Admin::at(args)?;
    let answer: Answer = admin.get("/v1/strangle")?.json(&admin)?;
    if output.json {
        output.json(&answer.routes)?;
    } else {
        output.out.write_all(text(&answer.routes).as_bytes())?;
    }
    let is_overdue = answer.routes.iter().any(|route| route.is_overdue);
    Ok(if is_overdue { ExitCode::from(FINDINGS) } else { ExitCode::SUCCESS })
}

fn text(routes: &[StrangleStatus]) -> String {
    if routes.is_empty() {
        return "no route is moving off a legacy service\n".to_owned();
    }
    let head = ["ROUTE", "MATCH", "OLD", "NEW", "WEIGHT", "STILL OLD", "OLD SEEN", "ENDS", "STAGE"];
    let rows = routes.iter().map(|route| {
        let none = || "-".to_owned();
        let ends = route.ends.clone().unwrap_or_else(none);
        vec![
            format!("{}/{}", route.team, route.route),
            route.pattern.clone(),
            route.old.clone(),
            route.new.clone().unwrap_or_else(none),
            route.weight.clone(),
            share(route.old_requests, route.new_requests),
            route.old_seen.clone().unwrap_or_else(|| "never".to_owned()),
            if route.is_overdue { format!("{ends} (overdue)") } else { ends },
            word(route.stage).to_owned(),
        ]
    });
    let rows: Vec<_> = [head.map(str::to_owned).to_vec()].into_iter().chain(rows).collect();
    columns(&rows) + &verdicts(routes)
}

/// The share of the counted requests that the legacy service got.
fn share(old: u64, new: u64) -> String {
    match old + new {
        0 => "no requests".to_owned(),
        all => format!("{:.1}% of {all}", 100.0 * old as f64 / all as f64),
    }
}

const fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::NotBegun => "not begun",
        Stage::Moving => "moving",
        Stage::Draining => "draining",
        Stage::Idle => "idle",
        Stage::NothingLeft => "nothing left",
    }
}

/// One line for each legacy service: what is left of it, and what to do.
fn verdicts(routes: &[StrangleStatus]) -> String {
    let mut services: BTreeMap<(&str, &str), Vec<&StrangleStatus>> = BTreeMap::new();
    for route in routes {
        services.entry((&route.team, &route.old)).or_default().push(route);
    }
    let verdict = |((team, old), routes): (&(&str, &str), &Vec<&StrangleStatus>)| {
        let left = routes.iter().filter(|route| route.stage != Stage::NothingLeft).count();
        if left == 0 {
            return format!(
                "{team}/{old}: nothing left, delete [upstream.{old}] and every `strangle` that \
                 names it\n"
            );
        }
        let sum = |count: fn(&StrangleStatus) -> u64| routes.iter().map(|one| count(one)).sum();
        let still = share(sum(|one| one.old_requests), sum(|one| one.new_requests));
        let since = routes.iter().map(|route| route.since.as_str()).min().unwrap_or_default();
        format!(
            "{team}/{old}: {left} of {} routes not off it, {still} since {since}\n",
            routes.len()
        )
    };
    services.iter().map(verdict).collect()
}

#[cfg(test)]
mod tests;
