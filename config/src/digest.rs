//! The one spelling of a configuration, and its digest.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::load::Input;

/// What a team's files say together.
#[derive(Default)]
struct Merged {
    upstreams: Map<String, Value>,
    routes: Map<String, Value>,
}

/// The documents as they took effect.
pub(crate) struct Effective;

impl Effective {
    /// Joins all documents, with defaults filled in and a team's files merged, in canonical JSON:
    /// sorted keys, no white space, nothing that is not set (after RFC 8785; numbers are whole).
    pub(crate) fn of(input: &Input<'_>) -> String {
        let mut teams: BTreeMap<&str, Merged> = BTreeMap::new();
        for file in &input.teams {
            let team = teams.entry(&file.doc.team).or_default();
            for (name, upstream) in &file.doc.upstream {
                team.upstreams.insert(name.clone(), json!(upstream));
            }
            for (name, route) in &file.doc.route {
                team.routes.insert(name.clone(), json!(route));
            }
        }
        let teams: Map<_, _> = teams
            .into_iter()
            .map(|(name, team)| {
                (name.to_owned(), json!({ "upstream": team.upstreams, "route": team.routes }))
            })
            .collect();
        let files: Map<_, _> = input
            .texts
            .iter()
            .map(|(path, text)| (path.clone(), Value::from(digest_of(text))))
            .collect();
        let whole = json!({ "platform": input.platform.doc, "teams": teams, "files": files });
        let mut text = String::new();
        write(&whole, &mut text);
        text
    }
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(object) => {
            let sorted: BTreeMap<_, _> =
                object.iter().filter(|(_, value)| !value.is_null()).collect();
            text.push('{');
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
        Value::Array(list) => {
            text.push('[');
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(value, text);
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

/// SHA-256 of a text, in hexadecimal digits.
pub(crate) fn digest_of(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    text
}
