//! The audit: what a configuration may say, and what is hardly meant all the same.
//!
//! Each rule is a function of the loaded documents and of what comes in beside them: the time of
//! day, and the counts of a running edge.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use headgate_gateway::settings::{self, Settings};
use headgate_types::UnixTime;
use serde::Serialize;

use crate::{
    digest::{Effective, digest_of},
    document::team::{Route, TeamFile},
    fault::{Faults, Location},
    files::{Disk, Files},
    layered::{Ask, Settling},
    load::{Attempt, Document, Input, environment},
    resolve::claims::Claims,
    source::{Place, Step, key_path},
};

mod edge;
mod overload;
mod owners;
mod routes;
mod rules;
mod secrets;
mod upstreams;

pub use crate::audit::rules::{RULES, Rule, Severity};

/// Days before something ends from which it is reported.
pub(crate) const EXPIRY_DAYS: u64 = 30;
pub(crate) const SECONDS_A_DAY: u64 = 86_400;

/// What a running edge has seen, by team and route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many have arrived on each route; a route that is not here has had none.
    pub arrived: BTreeMap<(String, String), u64>,
    /// Since when, in words that follow "since".
    pub since: String,
    /// Routes that match requests of which they would get none.
    pub taken: BTreeMap<(String, String), Taken>,
}

/// What other routes take of what a route matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Requests that it matches.
    pub requests: u64,
    /// The routes that are preferred, as `team/name`.
    pub by: BTreeSet<String>,
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How much it matters.
    pub severity: Severity,
    /// Where it is.
    #[serde(flatten)]
    pub at: Location,
    /// The key, from the root of its file.
    pub key: String,
    /// What it is about, such as `tv/home` for a route.
    pub subject: String,
    /// What was found.
    pub message: String,
    /// What to do.
    pub remedy: &'static str,
}

/// What the rules found, the gravest first, and which configuration it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The findings, by severity, then by file and line.
    pub findings: Vec<Finding>,
    /// The digest of the configuration, as in [`crate::Loaded::digest`].
    pub digest: String,
}

/// Audits `headgate.toml` and what it refers to, as it would be loaded now.
///
/// # Errors
///
/// Everything that is wrong: only what loads is audited.
pub fn audit(path: &Path, now: UnixTime, traffic: Option<&Traffic>) -> Result<Audit, Faults> {
    audit_from(&Disk, path, &environment(), (now, traffic))
}

/// Audits from any files and any environment. Without traffic the rules that need it find nothing.
///
/// # Errors
///
/// Everything that is wrong: only what loads is audited.
pub fn audit_from(
    files: &dyn Files,
    path: &Path,
    environment: &BTreeMap<String, String>,
    (now, traffic): (UnixTime, Option<&Traffic>),
) -> Result<Audit, Faults> {
    let ask = Ask {
        overlays: &[],
        kept: None,
        use_kept_platform: false,
        files,
        path,
        environment,
        now: Some(now),
    };
    let Attempt { mut report, input, resolved, .. } = Settling::new(&ask)?.whole()?;
    let subject = Subject {
        input: &input,
        settings: &resolved.settings,
        claims: Claims::of(&input),
        routes: RouteView::all(&input, &resolved.settings),
        keys: secrets::api_keys(&input, &mut report),
        now,
        traffic,
    };
    let found =
        |rule: &'static Rule| (rule.find)(&subject).into_iter().map(move |mark| (rule, mark));
    let finding = |(rule, mark): (&'static Rule, Mark)| Finding {
        rule,
        severity: rule.severity,
        at: report.location(&mark.at),
        key: mark.key,
        subject: mark.subject,
        message: mark.message,
        remedy: rule.remedy,
    };
    let mut findings: Vec<_> = RULES.iter().flat_map(found).map(finding).collect();
    findings.sort_by(|one, other| {
        let place = |finding: &Finding| (finding.at.clone(), finding.rule.id);
        other.severity.cmp(&one.severity).then_with(|| place(one).cmp(&place(other)))
    });
    Ok(Audit { findings, digest: digest_of(&Effective::of(&input, &resolved.last_good)) })
}

/// What the rules look at.
pub(crate) struct Subject<'a> {
    pub(crate) input: &'a Input<'a>,
    pub(crate) settings: &'a Settings,
    pub(crate) claims: Claims<'a>,
    /// All routes, the first to be preferred first.
    pub(crate) routes: Vec<RouteView<'a>>,
    pub(crate) keys: Vec<secrets::KeyView>,
    pub(crate) now: UnixTime,
    pub(crate) traffic: Option<&'a Traffic>,
}

impl Subject<'_> {
    /// Something in `headgate.toml`.
    pub(crate) fn mark(&self, path: &[Step<'_>], subject: &str, message: String) -> Mark {
        let subject = subject.to_owned();
        Mark { at: self.input.platform.at(path), key: key_path(path), subject, message }
    }

    /// Whole days until a moment, counted up; none when it has passed.
    pub(crate) fn days_until(&self, seconds: u64) -> Option<u64> {
        let left = seconds.checked_sub(self.now.as_secs()).filter(|left| *left > 0)?;
        Some(left.div_ceil(SECONDS_A_DAY))
    }
}

/// A place that a rule has something to say about.
pub(crate) struct Mark {
    pub(crate) at: Place,
    pub(crate) key: String,
    pub(crate) subject: String,
    pub(crate) message: String,
}

/// A route as it is written and as it is in force.
pub(crate) struct RouteView<'a> {
    pub(crate) file: &'a Document<TeamFile>,
    pub(crate) written: &'a Route,
    pub(crate) route: &'a settings::Route,
}

impl<'a> RouteView<'a> {
    fn all(input: &'a Input<'a>, settings: &'a Settings) -> Vec<Self> {
        let files = input.teams.iter().flat_map(|file| {
            let team = file.doc.team.as_str();
            file.doc
                .route
                .iter()
                .map(move |(name, written)| ((team, name.as_str()), (file, written)))
        });
        let written: BTreeMap<_, _> = files.collect();
        let view = |route: &'a settings::Route| {
            let (file, written) = *written.get(&(route.team.as_ref(), route.name.as_ref()))?;
            Some(Self { file, written, route })
        };
        settings.routes.iter().filter_map(view).collect()
    }

    /// `team/name`.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.route.team, self.route.name)
    }

    /// Something about one of its keys, or about its match where that is not written.
    pub(crate) fn mark(&self, key: &str, message: String) -> Mark {
        let name = self.route.name.as_ref();
        let table = self.file.root.get("route").and_then(|routes| routes.get(name));
        let key = table.and_then(|table| table.get(key)).map_or("match", |_| key);
        let path = ["route".into(), name.into(), key.into()];
        Mark { at: self.file.at(&path), key: key_path(&path), subject: self.id(), message }
    }
}

/// What stands above the table of rules.
const INTRODUCTION: &str = "\
# Audit

<!-- Generated by `headgate schema --markdown audit`. -->

`headgate audit` reports what a configuration may say and what is hardly meant all the same.
A rule keeps its number from version to version; `--ignore` takes the number or the name.
";

/// All rules in Markdown.
pub fn markdown() -> String {
    let head =
        "\n| rule | name | severity | finds | what to do |\n| --- | --- | --- | --- | --- |\n";
    let rows = RULES.iter().map(|rule| {
        let Rule { id, name, severity, finds, remedy, .. } = rule;
        format!("| {id} | `{name}` | {severity} | {finds} | {remedy} |\n")
    });
    let parts = [INTRODUCTION.to_owned(), head.to_owned()].into_iter().chain(rows);
    parts.collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests;
