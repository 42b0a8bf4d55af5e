//! The one spelling of a configuration, and its digest.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{document::team::TeamFile, load::Input, resolve::last_good::LastGood};

/// What a team's file comes to, entry by entry, in canonical JSON.
#[derive(Debug, Default)]
pub(crate) struct Spelt {
    upstreams: Vec<(String, Box<str>)>,
    routes: Vec<(String, Box<str>)>,
    handlers: Vec<(String, Box<str>)>,
}

impl Spelt {
    pub(crate) fn of(file: &TeamFile) -> Self {
        Self {
            upstreams: entries(&file.upstream),
            routes: entries(&file.route),
            handlers: entries(&file.handler),
        }
    }
}

fn entries<T: Serialize>(named: &BTreeMap<String, T>) -> Vec<(String, Box<str>)> {
    named.iter().map(|(name, entry)| (name.clone(), canonical(&json!(entry)).into())).collect()
}

fn pairs(entries: &[(String, Box<str>)]) -> impl Iterator<Item = (&str, &str)> {
    entries.iter().map(|(name, text)| (name.as_str(), text.as_ref()))
}

/// What a team's files say together.
#[derive(Default)]
struct Merged<'a> {
    upstreams: BTreeMap<&'a str, &'a str>,
    routes: BTreeMap<&'a str, &'a str>,
    handlers: BTreeMap<&'a str, &'a str>,
}

impl Merged<'_> {
    /// About what it takes to write it.
    fn bytes(&self) -> usize {
        let entries = self.upstreams.iter().chain(&self.routes).chain(&self.handlers);
        entries.map(|(name, text)| name.len() + text.len() + "\"\":,".len()).sum()
    }
}

/// The documents as they took effect.
pub(crate) struct Effective;

impl Effective {
    /// Joins all documents, with defaults filled in and a team's files merged, in canonical JSON:
    /// sorted keys, no white space, nothing that is not set (after RFC 8785; numbers are whole).
    pub(crate) fn of(input: &Input<'_>, last_good: &LastGood) -> String {
        let mut teams: BTreeMap<&str, Merged<'_>> = BTreeMap::new();
        for file in &input.teams {
            let spelt = file.spelt.get_or_init(|| Spelt::of(&file.doc));
            let team = teams.entry(&file.doc.team).or_default();
            team.upstreams.extend(pairs(&spelt.upstreams));
            team.routes.extend(pairs(&spelt.routes));
            team.handlers.extend(pairs(&spelt.handlers));
        }
        let mut files = last_good.digests(&input.base);
        files.extend(input.texts.iter().map(|(path, text)| (path.clone(), digest_of(text))));
        files.extend(input.digests.clone());
        let mut text = String::with_capacity(teams.values().map(Merged::bytes).sum());
        text.push_str("{\"files\":");
        text.push_str(&canonical(&json!(files)));
        text.push_str(",\"platform\":");
        text.push_str(&canonical(&json!(*input.platform.doc)));
        text.push_str(",\"teams\":");
        object(&mut text, teams, |text, team| {
            text.push_str("{\"handler\":");
            object(text, team.handlers, String::push_str);
            text.push_str(",\"route\":");
            object(text, team.routes, String::push_str);
            text.push_str(",\"upstream\":");
            object(text, team.upstreams, String::push_str);
            text.push('}');
        });
        text.push('}');
        text
    }
}

/// Writes names in their order, each with what `write` says of its value.
fn object<T>(text: &mut String, entries: BTreeMap<&str, T>, write: impl Fn(&mut String, T)) {
    text.push('{');
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        quote(key, text);
        text.push(':');
        write(text, value);
    }
    text.push('}');
}

pub(crate) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(object) => {
            let mut sorted: Vec<_> = object.iter().filter(|(_, value)| !value.is_null()).collect();
            sorted.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                quote(key, text);
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
        Value::String(plain) => quote(plain, text),
        // Writing to a text can't fail.
        plain => drop(write!(text, "{plain}")),
    }
}

/// Writes a text as JSON spells it. Nearly all are plain, and copied as they are.
fn quote(plain: &str, text: &mut String) {
    if plain.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        text.push_str(&Value::from(plain).to_string());
    } else {
        text.extend(["\"", plain, "\""]);
    }
}

/// SHA-256 of a text, in hexadecimal digits.
pub(crate) fn digest_of(text: &str) -> String {
    digest_of_bytes(text.as_bytes())
}

/// SHA-256 of some bytes, in hexadecimal digits.
pub fn digest_of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
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
