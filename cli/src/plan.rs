//! `headgate plan`: what a configuration would change, and which recent requests would notice.

use std::{fmt::Write as _, path::Path, process::ExitCode, time::Duration};

use headgate_config::{Change, Class, Loaded, changes_between};
use headgate_gateway::{Replay, Routing};
use headgate_types::format_duration;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    admin::Admin,
    args,
    exit::{self, Invalid, Unreachable},
    output::{Output, columns},
    plan::tally::{Tally, grouped},
};

pub(crate) mod pages;
mod tally;

/// Bytes of a configuration that are read from an edge: far above one of 100,000 routes.
const CONFIG_BYTES_MAX: u64 = 512 << 20;
/// Changes that people are shown; `--json` has all.
const CHANGES_SHOWN_MAX: usize = 100;
/// Digits of a digest that people are shown.
const DIGEST_DIGITS: usize = 12;

/// A configuration as an edge tells it, and as a file comes to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Configuration {
    /// SHA-256 of the documents.
    digest: String,
    /// The documents as they took effect.
    effective: Box<RawValue>,
    /// What decides on requests.
    routing: Routing,
}

impl Configuration {
    /// The configuration that was loaded.
    pub(crate) fn of(loaded: &Loaded) -> Self {
        Self {
            digest: loaded.digest.clone(),
            effective: RawValue::from_string(loaded.effective.clone()).unwrap_or_default(),
            routing: Routing::of(&loaded.settings),
        }
    }
}

/// What comes of a plan.
#[derive(Debug, Serialize)]
struct Plan {
    /// Digest of the configuration in force.
    old: String,
    /// Digest of the one that is planned.
    new: String,
    changes: Vec<Change>,
    replay: Option<Tally>,
}

/// Compares a configuration with the one in force, and replays recent requests; ends with 1 when
/// anything differs.
///
/// # Errors
///
/// Faults of a configuration; [`Unreachable`] when no edge answers.
pub(crate) fn plan(args: &args::Plan, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let loaded = headgate_config::load(&args.config.config)?;
    let new = Configuration::of(&loaded);
    let admin = |needed_for: &str| admin_of(args, &loaded, needed_for);
    let old = match &args.against {
        Some(file) => of_file(file)?,
        None => of_edge(admin("the configuration in force")?)?,
    };
    let changes = changes_between(old.effective.get(), new.effective.get());
    let replay = match args.replay {
        None => None,
        Some(since) => {
            let before = Replay::new(old.routing).map_err(unreadable)?;
            let after = Replay::new(new.routing).map_err(Invalid::new)?;
            let mut tally = Tally::new(since);
            pages::each(admin("the requests")?, since, &mut |page| {
                tally.kept_for = page.kept_for;
                for fact in &page.facts {
                    tally.add(fact, &before, &after);
                }
            })?;
            tally.finish();
            Some(tally)
        }
    };
    let plan = Plan { old: old.digest, new: new.digest, changes, replay };
    if output.json {
        output.json(&plan)?;
    } else {
        output.out.write_all(text(&plan).as_bytes())?;
    }
    let is_same =
        plan.changes.is_empty() && plan.replay.as_ref().is_none_or(|replay| replay.changed == 0);
    Ok(if is_same { ExitCode::SUCCESS } else { ExitCode::from(exit::FINDINGS) })
}

/// The admin listener: the one that is named, or the one of the new file.
fn admin_of(args: &args::Plan, loaded: &Loaded, needed_for: &str) -> anyhow::Result<Admin> {
    if let Some(url) = &args.admin {
        return Admin::of_url(url);
    }
    if loaded.admin_listen.port() == 0 {
        let message =
            format!("`admin.listen` has port 0: name the edge that has {needed_for} by --admin");
        return Err(Invalid::message(message).into());
    }
    Ok(Admin::on(loaded.admin_listen))
}

fn of_file(file: &Path) -> anyhow::Result<Configuration> {
    Ok(Configuration::of(&headgate_config::load(file)?))
}

fn of_edge(admin: Admin) -> anyhow::Result<Configuration> {
    admin.reading(CONFIG_BYTES_MAX).get("/v1/config")?.json(&admin)
}

fn unreadable(error: headgate_gateway::RoutingError) -> Unreachable {
    Unreachable(format!("the edge's routing can't be read: {}", Invalid::new(error)))
}

fn text(plan: &Plan) -> String {
    let (old, new) = (short(&plan.old), short(&plan.new));
    let mut text = match plan.changes.len() {
        0 => format!("no changes: {old} is in force\n"),
        1 => format!("1 change from {old} to {new}: {}\n", classes(&plan.changes)),
        count => format!("{count} changes from {old} to {new}: {}\n", classes(&plan.changes)),
    };
    let row = |change: &Change| {
        let values = match (&change.before, &change.after) {
            (None, Some(after)) => format!("+ {after}"),
            (Some(before), None) => format!("- {before}"),
            (before, after) => {
                let value = |value: &Option<String>| value.clone().unwrap_or_default();
                format!("{} → {}", value(before), value(after))
            }
        };
        vec![format!("  {}", change.class.as_str()), change.what.clone(), values]
    };
    let rows: Vec<_> = plan.changes.iter().take(CHANGES_SHOWN_MAX).map(row).collect();
    text.push_str(&columns(&rows));
    if let Some(more) = plan.changes.len().checked_sub(CHANGES_SHOWN_MAX).filter(|more| *more > 0) {
        // Writing to a text can't fail.
        writeln!(text, "  and {}; --json tells them", grouped(more as u64)).unwrap_or_default();
    }
    let has = |class| plan.changes.iter().any(|change| change.class == class);
    if has(Class::HandOver) {
        text.push_str("what is handed over takes effect by `headgate upgrade`\n");
    }
    if has(Class::Refused) {
        text.push_str("what is refused takes effect by a restart\n");
    }
    if let Some(replay) = &plan.replay {
        text.push('\n');
        text.push_str(&replay.text());
    }
    text
}

fn short(digest: &str) -> &str {
    digest.get(..DIGEST_DIGITS).unwrap_or(digest)
}

/// `2 hot, 1 drain`.
fn classes(changes: &[Change]) -> String {
    let classes = [Class::Refused, Class::HandOver, Class::Drain, Class::Hot];
    let counts =
        classes.map(|class| (changes.iter().filter(|one| one.class == class).count(), class));
    let words = counts.iter().filter(|(count, _)| *count > 0);
    words.map(|(count, class)| format!("{count} {class}")).collect::<Vec<_>>().join(", ")
}

/// A length of time, as an argument.
pub(crate) fn length(text: &str) -> Result<Duration, String> {
    let length = headgate_types::parse_duration(text).map_err(|error| error.to_string())?;
    if length.is_zero() {
        Err(format!("{} is no time", format_duration(length)))
    } else {
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
