//! `headgate routes`: the routes in the order in which they are preferred.

use std::process::ExitCode;

use headgate_config::{Loaded, RouteOrigin};
use headgate_gateway::settings::{Arm, Route};
use headgate_types::format_duration;
use serde::Serialize;

use crate::{
    args,
    output::{Output, columns},
};

/// One route, as it is in force.
#[derive(Debug, Serialize)]
struct Row {
    team: String,
    route: String,
    #[serde(rename = "match")]
    pattern: String,
    upstream: String,
    /// Who shares the requests, on a split route; the rest is the last.
    arms: Vec<ArmRow>,
    auth: String,
    priority: String,
    timeout: String,
    idempotency: &'static str,
    file: String,
    line: usize,
}

/// One arm of a split route.
#[derive(Debug, Serialize)]
struct ArmRow {
    name: String,
    upstream: String,
    weight: String,
}

impl Row {
    /// The upstream, or all of them with their shares.
    fn upstreams(&self) -> String {
        if self.arms.is_empty() {
            return self.upstream.clone();
        }
        let arms = self.arms.iter().map(|arm| format!("{} {}", arm.upstream, arm.weight));
        arms.collect::<Vec<_>>().join(" + ")
    }
}

/// Lists the routes of a configuration.
///
/// # Errors
///
/// The configuration's faults.
pub(crate) fn routes(args: &args::Routes, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let loaded = headgate_config::load(&args.config.config)?;
    let is_wanted =
        |route: &Route| args.team.as_deref().is_none_or(|team| route.team.as_ref() == team);
    let all = loaded.settings.routes.iter().zip(&loaded.origins);
    let wanted = all.filter(|(route, _)| is_wanted(route));
    let rows: Vec<_> = wanted.filter_map(|(route, origin)| row(&loaded, route, origin)).collect();
    if output.json {
        output.json(&rows)?;
    } else {
        let head =
            ["TEAM", "ROUTE", "MATCH", "UPSTREAM", "AUTH", "PRIORITY", "TIMEOUT", "KEY", "AT"];
        let head = vec![head.map(str::to_owned).to_vec()];
        let cells = rows.into_iter().map(|row| {
            let at = format!("{}:{}", row.file, row.line);
            let upstreams = row.upstreams();
            vec![
                row.team,
                row.route,
                row.pattern,
                upstreams,
                row.auth,
                row.priority,
                row.timeout,
                row.idempotency.to_owned(),
                at,
            ]
        });
        let rows: Vec<_> = head.into_iter().chain(cells).collect();
        output.out.write_all(columns(&rows).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(loaded: &Loaded, route: &Route, origin: &RouteOrigin) -> Option<Row> {
    let settings = &loaded.settings;
    let timeout = route.timeout.unwrap_or(settings.edge.limits.request_timeout);
    Some(Row {
        team: route.team.as_ref().to_owned(),
        route: route.name.as_ref().to_owned(),
        pattern: route.pattern.to_string(),
        upstream: leads_to(loaded, route)?,
        arms: arms(loaded, route),
        auth: auth_name(loaded, route),
        priority: route.priority.as_str().to_owned(),
        timeout: format_duration(timeout),
        idempotency: key_word(route),
        file: origin.at.file.clone(),
        line: origin.at.line,
    })
}

/// The upstream that a route sends to, or the event that it makes.
pub(crate) fn leads_to(loaded: &Loaded, route: &Route) -> Option<String> {
    if let Some(publish) = &route.publish {
        return Some(format!("event {}/{}", publish.topic, publish.kind));
    }
    let upstream = loaded.settings.upstreams.get(route.upstream?)?;
    Some(upstream.name.as_ref().to_owned())
}

fn arms(loaded: &Loaded, route: &Route) -> Vec<ArmRow> {
    let arms = route.split.iter().flat_map(|split| split.arms.iter().chain([&split.rest]));
    let arm = |arm: &Arm| {
        Some(ArmRow {
            name: arm.name.as_ref().to_owned(),
            upstream: loaded.settings.upstreams.get(arm.upstream)?.name.as_ref().to_owned(),
            weight: arm.weight.to_string(),
        })
    };
    arms.filter_map(arm).collect()
}

/// The identity sources that a route asks, or `none`.
pub(crate) fn auth_name(loaded: &Loaded, route: &Route) -> String {
    loaded.settings.sources_of(&route.auth).unwrap_or_else(|| "none".to_owned())
}

/// What a route makes of an `idempotency-key`.
pub(crate) const fn key_word(route: &Route) -> &'static str {
    match &route.idempotency {
        None => "none",
        Some(keys) if keys.is_required => "required",
        Some(_) => "optional",
    }
}

#[cfg(test)]
mod tests;
