//! Overrides from the environment: `HEADGATE_EDGE__MAX_BODY` sets `edge.max_body`.

use std::{collections::BTreeMap, mem};

use serde_json::Value as Json;

use crate::{
    document::scalar::SYNTAX,
    fault::{Code, Draft, Report},
    source::{Node, Place, Source, SourceId, Value},
};

/// What the name of an override begins with.
const PREFIX: &str = "HEADGATE_";
/// What stands between two keys. A variable without it is no override.
const SEPARATOR: &str = "__";

/// Puts what the environment says over what the file says. Keys are lowercase; a list of texts is
/// written with commas; a table can't be set as a whole, nor an entry of a list. Returns the
/// variables that were read.
pub(crate) fn overlay(
    root: &mut Node,
    environment: &BTreeMap<String, String>,
    schema: &Json,
    report: &mut Report,
) -> Vec<SourceId> {
    let mut variables = Vec::new();
    for (name, text) in environment {
        let Some(keys) = name.strip_prefix(PREFIX).filter(|keys| keys.contains(SEPARATOR)) else {
            continue;
        };
        let keys = keys.to_ascii_lowercase();
        let keys: Vec<_> = keys.split(SEPARATOR).collect();
        let source = report.source(Source::new(name, text.as_str()));
        variables.push(source);
        let at = Place::new(source, 0..text.len());
        let Some(leaf) = keys.iter().try_fold(schema, |schema, key| below(schema, key)) else {
            let message = format!("environment sets unknown key `{}`", keys.join("."));
            report.push(Draft::new(Code::UnknownKey, at, message).key(keys.join(".")));
            continue;
        };
        insert(root, &keys, Node::new(read(text, leaf, &at), at.clone(), at));
    }
    variables
}

/// The schema of a key below a table's.
pub(crate) fn below<'s>(schema: &'s Json, key: &str) -> Option<&'s Json> {
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
        list.push(Node::new(value, place.clone(), place));
        start += entry.len() + 1;
    }
    list
}

/// Puts a value at a path, over what is there; tables on the way are made.
pub(crate) fn insert(root: &mut Node, keys: &[&str], leaf: Node) {
    let Some((first, rest)) = keys.split_first() else {
        let under = mem::replace(root, leaf);
        root.under = Some(Box::new(under));
        return;
    };
    // What is no table in the file is a fault there; the check will say so.
    let Value::Table(table) = &mut root.value else { return };
    if let Some(child) = table.get_mut(first) {
        return insert(child, rest, leaf);
    }
    let mut made = leaf;
    for key in rest.iter().rev() {
        let (key_at, at) = (made.key_at.clone(), made.at.clone());
        let table = [(Box::from(*key), made)].into_iter().collect();
        made = Node::new(Value::Table(table), key_at, at);
    }
    table.add(first, made);
}
