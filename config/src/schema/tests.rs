use serde_json::{Map, Value, json};

use super::*;
use crate::{
    document::scalar::SYNTAX,
    fault::Report,
    source::{Source, parse},
    walk,
};

/// A value that the schema says is good, for every key there is.
fn example(schema: &Value) -> Value {
    if let Some(examples) = schema.get("examples").and_then(Value::as_array) {
        return examples[0].clone();
    }
    if schema.get(SYNTAX).is_some_and(|form| form == "name") {
        return json!("tv");
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words[0].clone();
    }
    if let Some(words) = schema.get("oneOf").and_then(Value::as_array) {
        return words[0]["const"].clone();
    }
    let kind = schema.get("type");
    // A table for which a plain value may stand, too.
    match kind.and_then(|kind| kind.get(0).or(Some(kind))).and_then(Value::as_str) {
        Some("object") => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let mut table: Map<_, _> = properties
                .into_iter()
                .flatten()
                .map(|(key, schema)| (key.clone(), example(schema)))
                .collect();
            if let Some(others) = schema.get("additionalProperties").filter(|one| one.is_object()) {
                table.insert("name".to_owned(), example(others));
            }
            Value::Object(table)
        }
        Some("array") => json!([example(&schema["items"])]),
        Some("integer") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("string") => json!("text"),
        Some("boolean") => json!(true),
        _ => example(&schema["anyOf"][0]),
    }
}

/// Writes a JSON value as TOML writes one inline.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(table) => {
            let entries: Vec<_> =
                table.iter().map(|(key, value)| format!("{key} = {}", inline(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Array(list) => {
            format!("[{}]", list.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

fn check_all_keys<T: serde::de::DeserializeOwned>(schema: &Value) {
    let Value::Object(table) = example(schema) else { panic!("a document is a table") };
    let lines: Vec<_> =
        table.iter().map(|(key, value)| format!("{key} = {}\n", inline(value))).collect();
    let text = lines.concat();
    let mut report = Report::default();
    let source = report.source(Source::new("all", text.clone()));
    let root = parse(&mut report, source).root;
    let checked = walk::check(&mut report, &root, schema);
    assert_eq!(report.finish().to_string(), "", "{text}");
    serde_json::from_value::<T>(checked).unwrap();
}

#[test]
fn every_key_of_every_document_takes_its_example() {
    check_all_keys::<Platform>(&platform());
    check_all_keys::<TeamFile>(&team_file());
    check_all_keys::<ApiKeys>(&api_keys());
}

/// The path of every value in a document that holds no other.
fn ends(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(table) => {
            table.iter().for_each(|(key, value)| ends(value, &format!("{path}/{key}"), found));
        }
        Value::Array(list) => ends(&list[0], &format!("{path}/0"), found),
        _ => found.push(path.to_owned()),
    }
}

fn check_all_types(schema: &Value) {
    let whole = example(schema);
    let mut paths = Vec::new();
    ends(&whole, "", &mut paths);
    for path in paths {
        let mut wrong = whole.clone();
        *wrong.pointer_mut(&path).unwrap() = json!([[]]);
        let Value::Object(table) = wrong else { panic!("a document is a table") };
        let lines: Vec<_> =
            table.iter().map(|(key, value)| format!("{key} = {}\n", inline(value))).collect();
        let mut report = Report::default();
        let source = report.source(Source::new("wrong", lines.concat()));
        let root = parse(&mut report, source).root;
        walk::check(&mut report, &root, schema);
        let faults = report.finish();
        let codes: Vec<_> = faults.iter().map(|fault| fault.code.as_str()).collect();
        assert_eq!(codes, ["HG1004"], "{path}");
    }
}

#[test]
fn no_key_of_any_document_takes_another_type() {
    check_all_types(&platform());
    check_all_types(&team_file());
    check_all_types(&api_keys());
}

#[test]
fn defaults_satisfy_the_schema() {
    for (schema, document) in
        [(platform(), json!(Platform::default())), (api_keys(), json!(ApiKeys::default()))]
    {
        let defaults = leaves(&schema, &document);
        assert!(!defaults.is_empty());
    }
}

/// Every key that the schema gives a default for, which must be what the document has by default.
fn leaves(schema: &Value, document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (key, schema) in schema["properties"].as_object().unwrap() {
        if let (Some(said), Some(real)) = (schema.get("default"), document.get(key)) {
            assert_eq!(said, real, "{key}");
            found.push(key.clone());
        }
        if schema.get("properties").is_some() {
            found.extend(leaves(schema, &document[key]));
        }
    }
    found
}

fn every_schema<'a>(schema: &'a Value, seen: &mut Vec<&'a Map<String, Value>>) {
    match schema {
        Value::Object(object) => {
            seen.push(object);
            object.values().for_each(|value| every_schema(value, seen));
        }
        Value::Array(list) => list.iter().for_each(|value| every_schema(value, seen)),
        _ => {}
    }
}

#[test]
fn every_key_is_explained() {
    for schema in [platform(), team_file(), api_keys()] {
        let mut seen = Vec::new();
        every_schema(&schema, &mut seen);
        for object in seen {
            let Some(properties) = object.get("properties").and_then(Value::as_object) else {
                continue;
            };
            for (key, schema) in properties {
                assert!(schema.get("description").is_some(), "{key} has no doc comment");
            }
        }
    }
}

#[test]
fn every_form_of_text_is_known_to_the_check() {
    for schema in [platform(), team_file(), api_keys()] {
        let mut seen = Vec::new();
        every_schema(&schema, &mut seen);
        for form in seen.iter().filter_map(|object| object.get(SYNTAX)?.as_str()) {
            assert!(crate::document::scalar::check(form, "\u{0}").is_err(), "{form}");
        }
    }
}
