//! `headgate config show --at`: what was in force on a running edge.

use std::{process::ExitCode, time::Duration};

use headgate_admin::ConfigAt;
use headgate_types::{Clock as _, UnixTime, parse_duration};
use serde_json::Value;

use crate::{
    admin::Admin,
    args,
    clock::SystemClock,
    exit::Invalid,
    idempotency::escaped,
    output::{Output, columns},
    overlays::changed,
};

const DAY: Duration = Duration::from_hours(24);
/// Bytes of a configuration that are read: as large as an edge may have.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// Asks a running edge what was in force, and lists it.
///
/// # Errors
///
/// [`Unreachable`](crate::exit::Unreachable) when nobody answers; a time that is none, or of which
/// the edge remembers nothing.
pub(crate) fn show_at(
    at: &str,
    args: &args::Show,
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    let query = query(at, SystemClock.unix_time()).ok_or_else(|| {
        Invalid::message(format!(
            "{at:?} is no version such as 7, no time such as 14:03 or 2026-11-21T14:03:00Z in UTC, \
             and no length such as 15m"
        ))
    })?;
    let config = args.admin.is_none().then(|| args.config.config.clone());
    let admin = Admin::at(&args::Admin { admin: args.admin.clone(), config })?;
    let path = format!("/v1/control/config?{query}");
    let found: ConfigAt = admin.reading(ANSWER_BYTES_MAX).get(&path)?.json(&admin)?;
    if output.json {
        output.json(&found)?;
    } else {
        let text = text(&found, args.why.as_deref().unwrap_or_default());
        output.out.write_all(text.as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What to ask for: a version by its number; a moment in full, of the last day, or so long ago.
fn query(at: &str, now: UnixTime) -> Option<String> {
    if at.bytes().all(|byte| byte.is_ascii_digit()) {
        return at.parse::<u64>().ok().map(|version| format!("version={version}"));
    }
    let time = at.parse().ok().or_else(|| of_day(at, now)).or_else(|| ago(at, now))?;
    Some(format!("time={}", escaped(&time.to_string())))
}

/// `14:03` or `14:03:20`: when it was last so.
fn of_day(at: &str, now: UnixTime) -> Option<UnixTime> {
    let now_text = now.to_string();
    let (date, _) = now_text.split_once('T')?;
    let seconds = if at.matches(':').count() == 1 { ":00" } else { "" };
    let today: UnixTime = format!("{date}T{at}{seconds}Z").parse().ok()?;
    Some(if today <= now { today } else { before(today, DAY) })
}

fn ago(at: &str, now: UnixTime) -> Option<UnixTime> {
    parse_duration(at).ok().map(|length| before(now, length))
}

fn before(time: UnixTime, length: Duration) -> UnixTime {
    UnixTime::from_duration(time.as_duration().saturating_sub(length))
}

/// The values below a key, under a line about all.
fn text(found: &ConfigAt, below: &str) -> String {
    let ConfigAt { since, until, version, digest, overlays, effective } = found;
    let until = until.as_ref().map_or_else(|| "now".to_owned(), Clone::clone);
    let mut text = format!("version {version}, in force from {since} until {until}\n");
    let over: Vec<_> = overlays.iter().map(|one| changed("overlay", one)).collect();
    text.push_str(&columns(&over));
    let mut values = Vec::new();
    for (name, part) in effective.as_object().into_iter().flatten() {
        match name.as_str() {
            "platform" => flatten(String::new(), part, &mut values),
            "teams" => flatten("team".to_owned(), part, &mut values),
            _ => flatten(name.clone(), part, &mut values),
        }
    }
    values.retain(|row| is_below(below, row.first().map(String::as_str).unwrap_or_default()));
    text.push_str(&columns(&values));
    text + "digest " + digest + "\n"
}

/// A row for each value, with its key.
fn flatten(key: String, value: &Value, rows: &mut Vec<Vec<String>>) {
    let Some(members) = value.as_object().filter(|members| !members.is_empty()) else {
        rows.push(vec![key, value.to_string()]);
        return;
    };
    for (name, value) in members {
        let dot = if key.is_empty() { "" } else { "." };
        flatten(format!("{key}{dot}{name}"), value, rows);
    }
}

fn is_below(asked: &str, key: &str) -> bool {
    let rest = key.strip_prefix(asked);
    asked.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests;
