//! Overlays: single values that somebody has put over the files for a while.

use std::str::FromStr as _;

use headgate_types::UnixTime;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    environment::{below, insert},
    fault::{Code, Draft, Faults, Report},
    load::{Document, Input, PLATFORM, TEAM_FILE},
    source::{Node, Place, Source, SourceId, Value, parse_key},
};

/// Overlays that are in force at once.
pub const OVERLAYS_MAX: usize = 1_000;
/// Bytes of an overlay's value as JSON.
pub const OVERLAY_BYTES_MAX: usize = 16 << 10;

/// Keys of `[edge]` that no overlay sets: they are in force from a start to the next.
const STARTED_WITH: [&str; 3] = ["listen", "tls", "threads"];

/// A value that somebody has put over the files, until it expires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overlay {
    /// Its number. Of two on one key, the higher one wins.
    pub id: u64,
    /// The key, such as `edge.timeout`; a team's stand below its name:
    /// `team.tv.route.home.timeout`.
    pub key: String,
    /// The value as a file would have it.
    pub value: Json,
    /// Who has set it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When it was set.
    #[serde(with = "rfc_3339")]
    pub since: UnixTime,
    /// When it ends.
    #[serde(with = "rfc_3339")]
    pub expires: UnixTime,
}

impl Overlay {
    /// What it is called where a file's path would stand.
    pub(crate) fn name(&self) -> String {
        format!("overlay {} by {}", self.id, self.actor)
    }
}

/// An overlay that does not fit the files, and is not in force.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftOut {
    /// The overlay.
    pub overlay: Overlay,
    /// Why it does not fit.
    pub faults: Faults,
}

/// What an overlay's key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target<'k> {
    Platform { keys: &'k [String] },
    Team { team: &'k str, keys: &'k [String] },
}

impl<'k> Target<'k> {
    fn of(keys: &'k [String]) -> Option<Self> {
        match keys {
            [edge, key, ..] if edge == "edge" && !STARTED_WITH.contains(&key.as_str()) => {
                Some(Self::Platform { keys })
            }
            [all, team, heading, _, _, ..] if all == "team" && is_heading(heading) => {
                Some(Self::Team { team, keys: keys.get(2..)? })
            }
            _ => None,
        }
    }

    const fn keys(self) -> &'k [String] {
        match self {
            Self::Platform { keys } | Self::Team { keys, .. } => keys,
        }
    }

    fn schema(self) -> &'static Json {
        match self {
            Self::Platform { .. } => &PLATFORM,
            Self::Team { .. } => &TEAM_FILE,
        }
    }
}

/// Whether a key of a team's file holds entries by name.
pub(crate) fn is_heading(key: &str) -> bool {
    ["route", "upstream"].contains(&key)
}

/// Whether an overlay may set a key: those of `[edge]` that are not for a start alone, and those
/// of a team's routes and upstreams, below `team.NAME`. Identity sources, claims and ceilings are
/// for files.
pub fn may_overlay(key: &str) -> bool {
    let keys = parse_key(key).unwrap_or_default();
    let Some(target) = Target::of(&keys) else { return false };
    let leaf = target.keys().iter().try_fold(target.schema(), |schema, key| below(schema, key));
    leaf.is_some_and(is_value)
}

/// Whether a key holds a value or a list, and not a table of further keys.
fn is_value(schema: &Json) -> bool {
    schema.get("properties").is_none()
}

/// Puts an overlay's value over what the files say, or reports why it does not fit. Returns what
/// names it in places.
pub(crate) fn apply(overlay: &Overlay, input: &mut Input<'_>, report: &mut Report) -> SourceId {
    let text = overlay.value.to_string();
    let at_end = text.len();
    let source = report.source(Source::new(overlay.name(), text));
    let at = Place::new(source, 0..at_end);
    if let Err((code, message)) = put(overlay, &at, input, report) {
        report.push(Draft::new(code, at, message).key(overlay.key.as_str()));
    }
    source
}

fn put(
    overlay: &Overlay,
    at: &Place,
    input: &mut Input<'_>,
    report: &mut Report,
) -> Result<(), (Code, String)> {
    if at.span().end > OVERLAY_BYTES_MAX {
        let message = format!("an overlay's value has at most {OVERLAY_BYTES_MAX} bytes");
        return Err((Code::OutOfRange, message));
    }
    let bad_key = || (Code::UnknownKey, format!("no overlay can set `{}`", overlay.key));
    if !may_overlay(&overlay.key) {
        return Err(bad_key());
    }
    let keys = parse_key(&overlay.key).ok_or_else(bad_key)?;
    let target = Target::of(&keys).ok_or_else(bad_key)?;
    let value =
        node(&overlay.value, at).ok_or_else(|| (Code::WrongType, "null is no value".to_owned()))?;
    let path: Vec<_> = target.keys().iter().map(String::as_str).collect();
    match target {
        Target::Platform { .. } => {
            let platform = &mut input.platform;
            let mut root = Node::clone(&platform.root);
            insert(&mut root, &path, value);
            *platform = Document::new(&platform.path, root, true, &PLATFORM, report);
        }
        Target::Team { team, .. } => {
            let [heading, name, ..] = path.as_slice() else { return Err(bad_key()) };
            let has_entry = |file: &&mut Document<_>| is_of(file, team, heading, name);
            let file = input.teams.iter_mut().find(has_entry).ok_or_else(|| {
                (Code::Unresolved, format!("team {team:?} has no {heading} {name:?}"))
            })?;
            let mut root = Node::clone(&file.root);
            insert(&mut root, &path, value);
            *file = Document::new(&file.path, root, true, &TEAM_FILE, report);
        }
    }
    Ok(())
}

fn is_of(
    file: &Document<crate::document::team::TeamFile>,
    team: &str,
    heading: &str,
    name: &str,
) -> bool {
    file.doc.team == team && file.root.get(heading).is_some_and(|all| all.get(name).is_some())
}

/// A value as a file would hold it; none for null.
fn node(value: &Json, at: &Place) -> Option<Node> {
    let value = match value {
        Json::Null => return None,
        Json::Bool(boolean) => Value::Boolean(*boolean),
        Json::Number(number) => number.as_i64().map_or(Value::Float, Value::Integer),
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(list) => {
            Value::List(list.iter().map(|entry| node(entry, at)).collect::<Option<_>>()?)
        }
        Json::Object(object) => {
            let entry =
                |(key, value): (&String, &Json)| Some((key.as_str().into(), node(value, at)?));
            Value::Table(object.iter().map(entry).collect::<Option<_>>()?)
        }
    };
    Some(Node::new(value, at.clone(), at.clone()))
}

/// Times as texts.
pub(crate) mod rfc_3339 {
    use serde::{Deserializer, Serializer, de::Error as _};

    use super::{Deserialize as _, UnixTime, *};

    pub(crate) fn serialize<S: Serializer>(
        time: &UnixTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<UnixTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        UnixTime::from_str(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
