//! Overrides from the environment: `HEADGATE_EDGE__MAX_BODY` sets `edge.max_body`.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::{
    document::scalar::SYNTAX,
    fault::{Code, Draft, Report},
    source::{Node, Place, Source, Value},
};

/// What the name of an override begins with.
const PREFIX: &str = "HEADGATE_";
/// What stands between two keys. A variable without it is no override.
const SEPARATOR: &str = "__";

/// Puts what the environment says over what the file says. Keys are lowercase; a list of texts is
/// written with commas; a table can't be set as a whole, nor an entry of a list.
pub(crate) fn overlay(
    root: &mut Node,
    environment: &BTreeMap<String, String>,
    schema: &Json,
    report: &mut Report,
) {
    for (name, text) in environment {
        let Some(keys) = name.strip_prefix(PREFIX).filter(|keys| keys.contains(SEPARATOR)) else {
            continue;
        };
        let keys = keys.to_ascii_lowercase();
        let keys: Vec<_> = keys.split(SEPARATOR).collect();
        let source = report.source(Source::new(name, text));
        let at = Place::new(source, 0..text.len());
        let Some(leaf) = keys.iter().try_fold(schema, |schema, key| below(schema, key)) else {
            let message = format!("environment sets unknown key `{}`", keys.join("."));
            report.push(Draft::new(Code::UnknownKey, at, message).key(keys.join(".")));
            continue;
        };
        insert(root, &keys, Node { value: read(text, leaf, &at), key_at: at.clone(), at });
    }
}

fn below<'s>(schema: &'s Json, key: &str) -> Option<&'s Json> {
    let named = schema.get("properties").and_then(|properties| properties.get(key));
    named.or_else(|| schema.get("additionalProperties").filter(|others| others.is_object()))
}

fn read(text: &str, schema: &Json, at: &Place) -> Value {
    let kind = schema.get("type").and_then(Json::as_str).unwrap_or_default();
    match kind {
        "integer" => text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Integer),
        "boolean" => text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Boolean),
        "array" if schema.pointer(&format!("/items/{SYNTAX}")).is_some() => {
            Value::List(entries(text, at))
        }
        _ => Value::Text(text.to_owned()),
    }
}

fn entries(text: &str, at: &Place) -> Vec<Node> {
    let mut start = 0;
    let mut list = Vec::new();
    for entry in text.split(',').filter(|_| !text.is_empty()) {
        let place = Place::new(at.source, start..start + entry.len());
        let value = Value::Text(entry.trim().to_owned());
        list.push(Node { value, key_at: place.clone(), at: place });
        start += entry.len() + 1;
    }
    list
}

fn insert(root: &mut Node, keys: &[&str], leaf: Node) {
    let Some((first, rest)) = keys.split_first() else {
        *root = leaf;
        return;
    };
    // What is no table in the file is a fault there; the check will say so.
    let Value::Table(table) = &mut root.value else { return };
    let made = Node { value: Value::Table(BTreeMap::new()), ..leaf.clone() };
    insert(table.entry((*first).to_owned()).or_insert(made), rest, leaf);
}
