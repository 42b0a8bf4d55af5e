//! What becomes of requests under two configurations, counted.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use headgate_gateway::{Decision, Fact, Replay, RouteRule};
use headgate_types::format_duration;
use serde::Serialize;

use crate::output::columns;

/// Kinds of change that are told apart; what is beyond them is counted together.
const GROUPS_MAX: usize = 1_000;
/// Kinds of change that people are shown.
const GROUPS_SHOWN_MAX: usize = 20;
/// Kinds of change that the first line names.
const GROUPS_NAMED_MAX: usize = 3;
/// Requests that stand as examples of a kind of change.
const EXAMPLES_MAX: usize = 3;
/// Characters of an example.
const EXAMPLE_CHARS_MAX: usize = 120;
/// Parts of requests that are named as not known.
const UNKNOWN_MAX: usize = 20;
const OTHER_CHANGES: &str = "other changes";
const NO_ROUTE: &str = "no route";

/// What a replay found. Counts are requests, for which facts may stand as a sample.
#[derive(Debug, Serialize)]
pub(super) struct Tally {
    /// How far back.
    since: String,
    /// How long the edge keeps facts. None: it keeps none.
    pub(super) kept_for: Option<String>,
    /// Facts that were replayed.
    facts: u64,
    /// Requests for which they stand.
    requests: u64,
    /// Requests that change.
    pub(super) changed: u64,
    /// What they were asked to show and will be.
    authentication: Authentication,
    /// Whether a route takes them.
    routes: Routes,
    /// Requests on which the facts do not hold what decides, by what that is.
    unknown: BTreeMap<String, u64>,
    /// Requests that were routed otherwise when they came than the configuration in force routes
    /// them now.
    routed_otherwise: u64,
    /// The kinds of change, the most frequent first.
    groups: Vec<Group>,
    #[serde(skip)]
    by_what: BTreeMap<String, Group>,
}

#[derive(Debug, Default, Serialize)]
struct Authentication {
    /// Requests that had to show who calls and no longer have to.
    lost: u64,
    /// Requests that have to show who calls and had not to.
    gained: u64,
    /// Requests that have to show something else.
    changed: u64,
}

#[derive(Debug, Default, Serialize)]
struct Routes {
    /// Requests that had a route and have none.
    lost: u64,
    /// Requests that have a route and had none.
    gained: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Group {
    what: String,
    requests: u64,
    facts: u64,
    examples: Vec<String>,
}

impl Tally {
    pub(super) fn new(since: Duration) -> Self {
        Self {
            since: format_duration(since),
            kept_for: None,
            facts: 0,
            requests: 0,
            changed: 0,
            authentication: Authentication::default(),
            routes: Routes::default(),
            unknown: BTreeMap::new(),
            routed_otherwise: 0,
            groups: Vec::new(),
            by_what: BTreeMap::new(),
        }
    }

    /// Counts a fact under both.
    pub(super) fn add(&mut self, fact: &Fact, before: &Replay, after: &Replay) {
        let weight = fact.weight.max(1);
        self.facts += 1;
        self.requests += weight;
        let (before, after) = match (before.decide(fact), after.decide(fact)) {
            (Ok(before), Ok(after)) => (before, after),
            (Err(unknown), _) | (_, Err(unknown)) => {
                let is_new = !self.unknown.contains_key(&unknown.0);
                let is_full = self.unknown.len() >= UNKNOWN_MAX;
                let name = if is_new && is_full { "other parts".to_owned() } else { unknown.0 };
                *self.unknown.entry(name).or_default() += weight;
                return;
            }
        };
        if before.route.map(RouteRule::id) != fact.route {
            self.routed_otherwise += weight;
        }
        let Some(what) = difference(&before, &after) else { return };
        self.changed += weight;
        self.weigh(&before, &after, weight);
        let is_new = !self.by_what.contains_key(&what);
        let is_full = self.by_what.len() >= GROUPS_MAX;
        let what = if is_new && is_full { OTHER_CHANGES.to_owned() } else { what };
        let group = self.by_what.entry(what).or_default();
        group.requests += weight;
        group.facts += 1;
        if group.examples.len() < EXAMPLES_MAX {
            let example = example(fact);
            if !group.examples.contains(&example) {
                group.examples.push(example);
            }
        }
    }

    /// Counts what a change means for who may call.
    fn weigh(&mut self, before: &Decision<'_>, after: &Decision<'_>, weight: u64) {
        let count = match (before.route, after.route) {
            (None, None) => return,
            (Some(_), None) => &mut self.routes.lost,
            (None, Some(_)) => &mut self.routes.gained,
            (Some(before), Some(after)) => match (&before.auth, &after.auth) {
                (Some(_), None) => &mut self.authentication.lost,
                (None, Some(_)) => &mut self.authentication.gained,
                (before, after) if before != after => &mut self.authentication.changed,
                _ => return,
            },
        };
        *count += weight;
    }

    /// Puts the kinds of change into their order.
    pub(super) fn finish(&mut self) {
        let groups = std::mem::take(&mut self.by_what).into_iter();
        self.groups = groups.map(|(what, group)| Group { what, ..group }).collect();
        self.groups.sort_by_key(|group| std::cmp::Reverse(group.requests));
    }

    pub(super) fn text(&self) -> String {
        if self.kept_for.is_none() {
            return "replay: the edge keeps no facts of requests; it does with `data.dir` set and \
                `data.facts` above 0s, or with `events.exchanges.record`\n"
                .to_owned();
        }
        let mut text = self.headline();
        let mut rows = Vec::new();
        for group in self.groups.iter().take(GROUPS_SHOWN_MAX) {
            let examples = group.examples.join(", ");
            rows.push(vec![format!("  {}", grouped(group.requests)), group.what.clone(), examples]);
        }
        text.push_str(&columns(&rows));
        let mut line = |count: u64, what: &str| {
            if count > 0 {
                // Writing to a text can't fail.
                writeln!(text, "  {} {what}", grouped(count)).unwrap_or_default();
            }
        };
        let more = self.groups.iter().skip(GROUPS_SHOWN_MAX).map(|group| group.requests).sum();
        line(more, "in other ways; --json tells them");
        for (what, count) in &self.unknown {
            line(*count, &format!("can't be told: their facts do not hold enough of {what}"));
        }
        line(
            self.routed_otherwise,
            "had another route when they came, under another configuration",
        );
        text
    }

    /// `1,204 of 310,552 requests change: 1,180 tv/home → tv/next; 0 lose authentication`.
    fn headline(&self) -> String {
        let about = if self.facts < self.requests {
            format!(", of which {} were kept,", grouped(self.facts))
        } else {
            String::new()
        };
        let named = self.groups.iter().take(GROUPS_NAMED_MAX);
        let named: Vec<_> =
            named.map(|group| format!("{} {}", grouped(group.requests), group.what)).collect();
        let mut ends = vec![format!("{} lose authentication", grouped(self.authentication.lost))];
        for (count, what) in [
            (self.authentication.gained, "are newly asked to authenticate"),
            (self.authentication.changed, "are asked for other credentials"),
            (self.routes.lost, "lose their route"),
            (self.routes.gained, "get a route"),
        ] {
            if count > 0 {
                ends.push(format!("{} {what}", grouped(count)));
            }
        }
        let named =
            if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) };
        format!(
            "replay of {}: {} of {} requests{about} change{named}; {}\n",
            self.since,
            grouped(self.changed),
            grouped(self.requests),
            ends.join(", ")
        )
    }
}

/// In words what differs for a request; none when nothing does.
fn difference(before: &Decision<'_>, after: &Decision<'_>) -> Option<String> {
    let mut parts = Vec::new();
    if before.device != after.device {
        parts.push(format!("device {} → {}", before.device, after.device));
    }
    let id = |route: Option<&RouteRule>| route.map_or_else(|| NO_ROUTE.to_owned(), RouteRule::id);
    let (old, new) = (id(before.route), id(after.route));
    let is_moved = old != new;
    if is_moved {
        parts.push(format!("{old} → {new}"));
    }
    if let (Some(before), Some(after)) = (before.route, after.route) {
        if !is_moved && before.to != after.to {
            parts.push(format!("upstream {} → {}", before.to, after.to));
        }
        if before.auth != after.auth {
            let source = |route: &RouteRule| {
                route.auth.as_ref().map_or_else(|| "none".to_owned(), |auth| auth.source.clone())
            };
            let (before, after) = (source(before), source(after));
            parts.push(if before == after {
                format!("other demands on {after}")
            } else {
                format!("authentication {before} → {after}")
            });
        }
        if before.priority != after.priority {
            parts.push(format!("priority {} → {}", before.priority, after.priority));
        }
    }
    if parts.is_empty() {
        return None;
    }
    let parts = parts.join(", ");
    Some(if is_moved { parts } else { format!("{old}: {parts}") })
}

fn example(fact: &Fact) -> String {
    let text = format!("{} {}{}", fact.method, fact.host, fact.path);
    match text.char_indices().nth(EXAMPLE_CHARS_MAX) {
        None => text,
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
    }
}

/// A number with a comma before each three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
