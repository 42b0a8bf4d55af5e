//! What differs between two configurations, and how each difference takes effect.
//!
//! What is compared are the documents as they took effect, defaults filled in and a team's files
//! merged, so that a key which is moved, sorted or spelt out makes no difference.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::{json, value::RawValue};

use crate::{digest::canonical, load::Loaded};

mod classes;

use classes::{class_below, has_names_below};

/// How a difference takes effect, the gentlest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Class {
    /// In the running edge, between two requests.
    Hot,
    /// In the running edge; who holds a connection of the route that was is told to go.
    Drain,
    /// Only in a process that takes over: listeners, certificates, threads, stores.
    HandOver,
    /// Neither in the running edge nor in one that takes over, but by a restart.
    Refused,
}

impl Class {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Drain => "drain",
            Self::HandOver => "hand-over",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// How it takes effect.
    pub class: Class,
    /// The key, or the table that came or went: `edge.timeout`, `team.tv.route.home.to`,
    /// `team.tv.route.home`, `device.tv.when`. What a team's files say stands below its name. Of a
    /// file that the configuration refers to: `file jwks.json`.
    pub what: String,
    /// What it was, as JSON of at most [`SHOWN_CHARS_MAX`] characters. None when it came.
    pub before: Option<String>,
    /// What it is. None when it went.
    pub after: Option<String>,
}

/// Characters of a value that a difference shows.
pub const SHOWN_CHARS_MAX: usize = 200;

/// What differs between two configurations, in the order of the keys; nothing when their digests
/// are the same.
///
/// Reads both documents as text and looks into what differs only, so its time grows with their
/// size: about 5 ms a MB.
pub fn changes(old: &Loaded, new: &Loaded) -> Vec<Change> {
    if old.digest == new.digest {
        return Vec::new();
    }
    changes_between(&old.effective, &new.effective)
}

/// What of the platform's file a running process can't take over from another configuration: the
/// differences of [`Class::HandOver`] and [`Class::Refused`], in the order of the keys.
pub fn waiting(running: &Loaded, new: &Loaded) -> Vec<Change> {
    let text = |loaded: &Loaded| canonical(&json!(*loaded.provenance.platform.doc));
    let platform = Place { shown: String::new(), key: "headgate".to_owned() };
    let mut found = Found::default();
    found.compare(&platform, Some(&text(running)), Some(&text(new)));
    found.0.retain(|change| change.class >= Class::HandOver);
    found.0
}

/// What differs between two documents such as [`Loaded::effective`]. One that is no JSON counts as
/// empty.
pub fn changes_between(old: &str, new: &str) -> Vec<Change> {
    let mut found = Found::default();
    let (old, new) = (members(Some(old)), members(Some(new)));
    let platform = Place { shown: String::new(), key: "headgate".to_owned() };
    found.compare(&platform, part(&old, "platform"), part(&new, "platform"));
    let (old_teams, new_teams) = (members(part(&old, "teams")), members(part(&new, "teams")));
    for (team, old, new) in joined(&old_teams, &new_teams) {
        // A team that comes or goes is told by its routes and upstreams.
        let place = Place { shown: format!("team.{team}"), key: "team".to_owned() };
        found.compare(&place, old.or(Some(EMPTY)), new.or(Some(EMPTY)));
    }
    let (old_files, new_files) = (members(part(&old, "files")), members(part(&new, "files")));
    for (file, before, after) in joined(&old_files, &new_files) {
        if before != after {
            found.push(Class::Hot, format!("file {file}"), before, after);
        }
    }
    found.0
}

const EMPTY: &str = "{}";

fn part<'t>(document: &Table<'t>, name: &str) -> Option<&'t str> {
    document.get(name).copied().map(RawValue::get)
}

/// The members of an object, by name.
type Table<'t> = BTreeMap<String, &'t RawValue>;

fn members(text: Option<&str>) -> Table<'_> {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The members of two objects side by side, by name.
fn joined<'t>(
    old: &'t Table<'t>,
    new: &'t Table<'t>,
) -> impl Iterator<Item = (&'t str, Option<&'t str>, Option<&'t str>)> {
    let text = |value: &&'t RawValue| value.get();
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(move |name| (name.as_str(), old.get(name).map(text), new.get(name).map(text)))
}

/// Where a value stands.
struct Place {
    /// As people write it.
    shown: String,
    /// As the classes name it: with `*` for a name that people choose.
    key: String,
}

impl Place {
    fn below(&self, name: &str) -> Self {
        let join = |before: &str, name: &str| match before {
            "" => name.to_owned(),
            before => format!("{before}.{name}"),
        };
        let key = if has_names_below(&self.key) { "*" } else { name };
        Self { shown: join(&self.shown, name), key: join(&self.key, key) }
    }
}

#[derive(Default)]
struct Found(Vec<Change>);

impl Found {
    fn push(&mut self, class: Class, what: String, before: Option<&str>, after: Option<&str>) {
        let (before, after) = (before.map(shortened), after.map(shortened));
        self.0.push(Change { class, what, before, after });
    }

    /// Compares two values down to what differs. Equal texts are equal values: both are canonical.
    fn compare(&mut self, place: &Place, old: Option<&str>, new: Option<&str>) {
        if old == new {
            return;
        }
        if let (Some(old), Some(new)) = (old, new) {
            if old.starts_with('{') && new.starts_with('{') {
                let (old, new) = (members(Some(old)), members(Some(new)));
                for (name, old, new) in joined(&old, &new) {
                    self.compare(&place.below(name), old, new);
                }
                return;
            }
            if let (Some(old), Some(new)) = (named(old), named(new)) {
                return self.compare_named(place, &old, &new);
            }
        }
        let class = match (place.key.as_str(), new) {
            // Nobody has a WebSocket on a route that comes.
            ("team.route.*", Some(_)) if old.is_none() => Class::Hot,
            (key, _) => class_below(key),
        };
        self.push(class, place.shown.clone(), old, new);
    }

    /// Compares two lists of tables that have names, whose order counts.
    fn compare_named(&mut self, place: &Place, old: &[Entry<'_>], new: &[Entry<'_>]) {
        let (before, after) = (by_name(old), by_name(new));
        let both = |list: &[Entry<'_>]| -> Vec<String> {
            let is_in_both =
                |name: &&String| before.contains_key(*name) && after.contains_key(*name);
            list.iter().map(|entry| &entry.name).filter(is_in_both).cloned().collect()
        };
        let (old_order, new_order) = (both(old), both(new));
        if old_order != new_order {
            let order = |names: &[String]| format!("[{}]", names.join(","));
            let (before, after) = (order(&old_order), order(&new_order));
            let what = format!("order of {}", place.shown);
            self.push(class_below(&place.key), what, Some(&before), Some(&after));
        }
        let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            // A name stands in the place of an index, which keys do not count.
            let shown = format!("{}.{name}", place.shown);
            let place = Place { shown, key: place.key.clone() };
            self.compare(&place, before.get(name).copied(), after.get(name).copied());
        }
    }
}

fn by_name<'t>(list: &[Entry<'t>]) -> BTreeMap<String, &'t str> {
    list.iter().map(|entry| (entry.name.clone(), entry.text)).collect()
}

/// An entry of a list that has a name.
struct Entry<'t> {
    name: String,
    text: &'t str,
}

/// The entries of a list of tables with a `name` each, all different; none for any other value.
fn named(text: &str) -> Option<Vec<Entry<'_>>> {
    let list: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let entry = |value: &&'_ RawValue| {
        let name = serde_json::from_str(members(Some(value.get())).get("name")?.get()).ok()?;
        Some(name)
    };
    let names: Option<Vec<String>> = list.iter().map(entry).collect();
    let mut sorted = names.clone()?;
    sorted.sort();
    sorted.dedup();
    if sorted.len() != list.len() {
        return None;
    }
    let entries = list.into_iter().zip(names?);
    Some(entries.map(|(value, name)| Entry { name, text: value.get() }).collect())
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
    }
}

#[cfg(test)]
mod tests;
