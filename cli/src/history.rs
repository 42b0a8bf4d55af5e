//! `headgate history`: what has moved and changed on a running edge.

use std::process::ExitCode;

use headgate_admin::{History, HistoryEntry};
use headgate_types::format_duration;

use crate::{
    admin::Admin,
    args,
    output::{Output, columns},
};

/// Digits of a configuration's digest.
const DIGEST_DIGITS: usize = 64;
/// Digits of it that people are shown.
const SHORT_DIGITS: usize = 12;
/// Pages that are read at most.
const PAGES_MAX: usize = 1_000;

/// Asks a running edge for its timeline and prints it, the oldest entry first.
///
/// # Errors
///
/// [`Unreachable`](crate::exit::Unreachable) when nobody answers, or not as an edge does; faults of
/// the configuration, where one was named.
pub(crate) fn history(args: &args::History, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?;
    let since = format_duration(args.since);
    let mut all = History::default();
    let mut after = String::new();
    for _ in 0..PAGES_MAX {
        let path = format!("/v1/history?since={since}{after}");
        let page: History = admin.get(&path)?.json(&admin)?;
        all.is_kept = page.is_kept;
        all.entries.extend(page.entries);
        let Some(next) = page.next else { break };
        after = format!("&after={next}");
    }
    let kinds = &args.kind;
    all.entries.retain(|entry| kinds.is_empty() || kinds.contains(&entry.kind));
    if output.json {
        output.json(&all.entries)?;
    } else {
        output.out.write_all(text(&all.entries).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(entries: &[HistoryEntry]) -> String {
    if entries.is_empty() {
        return "nothing has moved or changed in that time\n".to_owned();
    }
    let rows: Vec<_> = entries.iter().map(row).collect();
    columns(&rows)
}

fn row(entry: &HistoryEntry) -> Vec<String> {
    let change = match (entry.from.as_deref().map(short), entry.to.as_deref().map(short)) {
        (Some(from), Some(to)) => format!("{from} to {to}"),
        (None, Some(to)) => to.to_owned(),
        (Some(from), None) => format!("no more {from}"),
        (None, None) => String::new(),
    };
    let actor = entry.actor.as_ref().map_or_else(String::new, |actor| format!(" (by {actor})"));
    let reason = format!("{}{actor}", entry.reason);
    vec![entry.time.clone(), entry.kind.clone(), entry.what.clone(), change, reason]
}

/// The beginning of a digest, which tells it from others; other texts as they are.
fn short(text: &str) -> &str {
    let is_digest = text.len() == DIGEST_DIGITS && text.bytes().all(|it| it.is_ascii_hexdigit());
    text.get(..SHORT_DIGITS).filter(|_| is_digest).unwrap_or(text)
}

#[cfg(test)]
mod tests;
