//! `headgate history`: what has moved and changed on all edges of a log, and what operators have
//! changed.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    process::ExitCode,
};

use headgate_admin::{History, HistoryEntry, VersionStatus, Versions};
use headgate_types::format_duration;

use crate::{
    admin::Admin,
    args,
    idempotency::escaped,
    output::{Output, columns},
    overlays::changed,
};

/// Digits of a configuration's digest.
const DIGEST_DIGITS: usize = 64;
/// Digits of it that people are shown.
const SHORT_DIGITS: usize = 12;
/// Pages that are read at most.
const PAGES_MAX: usize = 1_000;

/// Asks a running edge for the timelines of all edges of its log and prints them, the oldest entry
/// first.
///
/// # Errors
///
/// [`Unreachable`](crate::exit::Unreachable) when nobody answers, or not as an edge does; faults of
/// the configuration, where one was named.
pub(crate) fn history(args: &args::History, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?;
    if args.versions {
        return versions(&admin, args.limit, output);
    }
    let since = format_duration(args.since);
    let kinds = args.kind.iter().map(|kind| ("kind", kind));
    let nodes = args.node.iter().map(|node| ("node", node));
    let wanted = kinds
        .chain(nodes)
        .fold(String::new(), |query, (name, wanted)| format!("{query}&{name}={}", escaped(wanted)));
    let mut all = History::default();
    let mut after = String::new();
    for _ in 0..PAGES_MAX {
        let path = format!("/v1/history?since={since}{wanted}{after}");
        let page: History = admin.get(&path)?.json(&admin)?;
        all.entries.extend(page.entries);
        all.fault = page.fault.or(all.fault);
        let Some(next) = page.next else { break };
        after = format!("&after={next}");
    }
    if output.json {
        output.json(&all.entries)?;
    } else {
        output.out.write_all(text(&all.entries).as_bytes())?;
    }
    if let Some(fault) = &all.fault {
        writeln!(io::stderr(), "the other edges' entries are missing: {fault}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Lists the last versions, the oldest of them first, with what each changed.
fn versions(admin: &Admin, limit: u16, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/control/versions?limit={limit}");
    let Versions { versions, .. } = admin.get(&path)?.json(admin)?;
    if output.json {
        output.json(&versions)?;
        return Ok(ExitCode::SUCCESS);
    }
    if versions.is_empty() {
        writeln!(output.out, "nobody has changed anything yet")?;
    }
    for version in &versions {
        writeln!(output.out, "{}", head(version))?;
        let set = version.set.iter().map(|one| changed("set", one));
        let rows: Vec<_> =
            set.chain(version.unset.iter().map(|one| changed("ended", one))).collect();
        output.out.write_all(columns(&rows).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn head(version: &VersionStatus) -> String {
    let VersionStatus { version, action, actor, reason, time, node, to, .. } = version;
    let to = to.map(|to| format!(" to version {to}")).unwrap_or_default();
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("version {version} at {time}, {action}{to} by {actor} on {node}{reason}")
}

fn text(entries: &[HistoryEntry]) -> String {
    if entries.is_empty() {
        return "nothing has moved or changed in that time\n".to_owned();
    }
    // The node is told where there are several.
    let nodes: BTreeSet<_> = entries.iter().filter_map(|entry| entry.node.as_deref()).collect();
    let rows: Vec<_> = entries.iter().map(|entry| row(entry, nodes.len() > 1)).collect();
    columns(&rows)
}

fn row(entry: &HistoryEntry, names_node: bool) -> Vec<String> {
    let change = match (entry.from.as_deref().map(short), entry.to.as_deref().map(short)) {
        (Some(from), Some(to)) => format!("{from} to {to}"),
        (None, Some(to)) => to.to_owned(),
        (Some(from), None) => format!("no more {from}"),
        (None, None) => String::new(),
    };
    let actor = entry.actor.as_ref().map_or_else(String::new, |actor| format!(" (by {actor})"));
    let reason = format!("{}{actor}", entry.reason);
    let node = names_node.then(|| entry.node.clone().unwrap_or_default());
    let rest = [entry.kind.clone(), entry.what.clone(), change, reason];
    [entry.time.clone()].into_iter().chain(node).chain(rest).collect()
}

/// The beginning of a digest, which tells it from others; other texts as they are.
fn short(text: &str) -> &str {
    let is_digest = text.len() == DIGEST_DIGITS && text.bytes().all(|it| it.is_ascii_hexdigit());
    text.get(..SHORT_DIGITS).filter(|_| is_digest).unwrap_or(text)
}

#[cfg(test)]
mod tests;
