//! `headgate drain`: keeps new calls from one endpoint of a running edge for a while.

use std::process::ExitCode;

use headgate_admin::{Status, UpstreamStatus};
use serde_json::json;

use crate::{admin::Admin, args, exit::Invalid, output::Output, overlays};

/// Sets an overlay on the upstream's `drain`, with those that are drained already, and tells its
/// number.
///
/// # Errors
///
/// As `headgate config set`; an upstream or endpoint that is not there.
pub(crate) fn drain(args: &args::Drain, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?;
    let status: Status = admin.get("/v1/status")?.json(&admin)?;
    let upstream = upstream(&status, &args.upstream)?;
    let is_there = upstream.endpoints.iter().any(|one| one.address == args.endpoint);
    if !is_there {
        let all: Vec<_> = upstream.endpoints.iter().map(|one| one.address.as_str()).collect();
        let message = format!(
            "{:?} is no endpoint of {}: there are {}",
            args.endpoint,
            args.upstream,
            all.join(", ")
        );
        return Err(Invalid::message(message).into());
    }
    let drained = upstream.endpoints.iter().filter(|one| one.is_drained);
    let mut drained: Vec<_> = drained.map(|one| one.address.as_str()).collect();
    if !drained.contains(&args.endpoint.as_str()) {
        drained.push(&args.endpoint);
    }
    let key = format!("team.{}.upstream.{}.drain", upstream.team, upstream.name);
    overlays::tell(&overlays::put(&admin, &args.terms.wish(key, json!(drained)))?, output)
}

fn upstream<'s>(status: &'s Status, id: &str) -> Result<&'s UpstreamStatus, Invalid> {
    let is_it = |one: &&UpstreamStatus| {
        id.split_once('/').is_some_and(|(team, name)| one.team == team && one.name == name)
    };
    let found = status.upstreams.iter().find(is_it);
    found.ok_or_else(|| Invalid::message(format!("{id:?} is no upstream, such as tv/home")))
}
