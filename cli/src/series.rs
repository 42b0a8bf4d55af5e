//! `headgate events`, `topics`, `groups` and `trace`: what goes through a running edge's log.

use std::{fmt::Write as _, process::ExitCode, thread, time::Duration};

use headgate_admin::{
    EventEntry, EventPage, Groups, HandledStatus, Series, SeriesNode, SeriesStand, SeriesWish,
    SeriesWord, Topics,
};
use serde_json::Value;

use crate::{
    admin::Admin,
    args::{self, events},
    idempotency::escaped,
    output::{Output, columns},
};

/// Time between two looks for entries that have come.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Entries of one look.
const PAGE: u16 = 256;

/// Shows entries of a topic, or one event.
///
/// # Errors
///
/// [`Unreachable`](crate::exit::Unreachable) when nobody answers or the edge has no log; an event
/// or topic that is not there.
pub(crate) fn events(args: &events::Events, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    match args {
        events::Events::Tail(tail) => self::tail(tail, output),
        events::Events::Get(get) => self::get(get, output),
    }
}

fn tail(args: &events::Tail, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?;
    let topic = escaped(&args.topic);
    let path = format!("/v1/events?topic={topic}&limit={}", args.limit);
    let mut page: EventPage = admin.get(&path)?.json(&admin)?;
    loop {
        for entry in &page.events {
            if output.json {
                output.json_line(entry)?;
            } else {
                writeln!(output.out, "{}", line(entry))?;
            }
        }
        output.out.flush()?;
        if !args.follow {
            return Ok(ExitCode::SUCCESS);
        }
        if page.events.is_empty() {
            thread::sleep(LOOK_EVERY);
        }
        let after = escaped(&page.next);
        let path = format!("/v1/events?topic={topic}&limit={PAGE}&after={after}");
        page = admin.get(&path)?.json(&admin)?;
    }
}

fn get(args: &events::Get, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?;
    let topic = args.topic.as_ref().map(|topic| format!("&topic={}", escaped(topic)));
    let path = format!("/v1/events?id={}{}", escaped(&args.id), topic.unwrap_or_default());
    let entry: EventEntry = admin.get(&path)?.json(&admin)?;
    output.json(&entry)?;
    Ok(ExitCode::SUCCESS)
}

fn line(entry: &EventEntry) -> String {
    let member = |name: &str| entry.event.get(name).and_then(Value::as_str).unwrap_or("-");
    let data = entry.event.get("data").unwrap_or(&entry.event);
    format!(
        "{} {}:{} {} {} key={} trace={} {data}",
        entry.time,
        entry.partition,
        entry.offset,
        member("type"),
        member("id"),
        member("partitionkey"),
        member("correlationid"),
    )
}

/// Lists the topics of a running edge.
///
/// # Errors
///
/// As [`events()`].
pub(crate) fn topics(args: &args::Admin, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(args)?;
    let Topics { topics } = admin.get("/v1/topics")?.json(&admin)?;
    if output.json {
        output.json(&topics)?;
        return Ok(ExitCode::SUCCESS);
    }
    let head = ["TOPIC", "PARTITIONS", "ENTRIES", "KEPT"].map(str::to_owned).to_vec();
    let rows = topics.into_iter().map(|topic| {
        let kept = topic.retention.unwrap_or_else(|| "for ever".to_owned());
        vec![topic.name, topic.partitions.len().to_string(), topic.entries.to_string(), kept]
    });
    let rows: Vec<_> = [head].into_iter().chain(rows).collect();
    output.out.write_all(columns(&rows).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Lists the groups of a running edge.
///
/// # Errors
///
/// As [`events()`].
pub(crate) fn groups(args: &args::Admin, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(args)?;
    let Groups { groups } = admin.get("/v1/groups")?.json(&admin)?;
    if output.json {
        output.json(&groups)?;
        return Ok(ExitCode::SUCCESS);
    }
    let head = ["GROUP", "ON", "LAG", "CALLS", "LIMIT", "STATE", "BLOCKED KEYS"];
    let rows = groups.into_iter().map(|group| {
        let state = match (&group.down, group.paused) {
            (Some(down), _) => format!("waits for {down}"),
            (None, true) => "paused".to_owned(),
            (None, false) => "running".to_owned(),
        };
        vec![
            group.name,
            format!("{}/{}", group.topic, group.kind),
            group.lag.to_string(),
            group.in_flight.to_string(),
            group.limit.to_string(),
            state,
            group.blocked_keys.join(" "),
        ]
    });
    let rows: Vec<_> = [head.map(str::to_owned).to_vec()].into_iter().chain(rows).collect();
    output.out.write_all(columns(&rows).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Shows a series as a tree.
///
/// # Errors
///
/// As [`events()`].
pub(crate) fn trace(args: &events::Trace, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let Some(id) = &args.id else {
        return args.control.as_ref().map_or(Ok(ExitCode::SUCCESS), |it| control(it, output));
    };
    let admin = Admin::at(&args.admin)?;
    let path = format!("/v1/traces/{}", escaped(id));
    let series: Series = admin.get(&path)?.json(&admin)?;
    if output.json {
        output.json(&series)?;
    } else {
        output.out.write_all(tree(&series).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Says something of a series, and tells how it stands.
fn control(control: &events::Control, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let (action, args) = match control {
        events::Control::Cancel(args) => (SeriesWord::Cancel, args),
        events::Control::Pause(args) => (SeriesWord::Pause, args),
        events::Control::Resume(args) => (SeriesWord::Resume, args),
    };
    let admin = Admin::at(&args.admin)?;
    let wish = SeriesWish { action, actor: args.by.actor.clone(), why: args.by.why.clone() };
    let path = format!("/v1/traces/{}/control", escaped(&args.id));
    let stand: SeriesStand = admin.post(&path, &wish)?.json(&admin)?;
    if output.json {
        output.json(&stand)?;
    } else {
        writeln!(output.out, "{}", standing(&stand))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn standing(stand: &SeriesStand) -> String {
    let SeriesStand { state, actor, why, time } = stand;
    let mut text = state.clone();
    for (word, said) in [(" by ", actor), (" at ", time), (": ", why)] {
        if let Some(said) = said.as_ref().filter(|said| !said.is_empty()) {
            text.extend([word, said]);
        }
    }
    text
}

fn tree(series: &Series) -> String {
    let mut text = format!("trace {} {}ms", series.trace_id, series.duration_ms);
    if series.control.state != "running" {
        text.extend([", ", &standing(&series.control)]);
    }
    text.push('\n');
    branches(&series.events, "", &mut text);
    if series.is_cut {
        text.push_str("older entries were not looked at\n");
    }
    text
}

fn branches(nodes: &[SeriesNode], indent: &str, text: &mut String) {
    for (index, node) in nodes.iter().enumerate() {
        let is_last = index + 1 == nodes.len();
        let (branch, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        // Writing to a text can't fail.
        let _infallible = writeln!(
            text,
            "{indent}{branch}{} in {} key={} +{}ms{} by {} ({})",
            node.kind,
            node.topic,
            node.key,
            node.after_ms,
            if node.is_critical { " critical" } else { "" },
            node.source,
            node.id
        );
        let indent = format!("{indent}{below}");
        let bar = if node.followed.is_empty() { "   " } else { "│  " };
        for handler in &node.handlers {
            let _infallible = writeln!(text, "{indent}{bar}{}", handled(handler));
        }
        branches(&node.followed, &indent, text);
    }
}

fn handled(handler: &HandledStatus) -> String {
    let HandledStatus { group, state, attempts, error, dead_letter } = handler;
    let mut text = format!("{group}: {state}");
    if let Some(attempts) = attempts {
        let noun = if *attempts == 1 { "attempt" } else { "attempts" };
        let _infallible = write!(text, " after {attempts} {noun}");
    }
    if let Some(error) = error {
        let _infallible = write!(text, ": {error}");
    }
    if let Some(letter) = dead_letter {
        let _infallible = write!(text, " (dead letter {letter})");
    }
    text
}

#[cfg(test)]
mod tests;
