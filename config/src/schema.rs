//! The JSON Schemas of the documents, which are also what the loader checks them against.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

use crate::document::{keys::ApiKeys, platform::Platform, team::TeamFile};

/// The schema of `headgate.toml`.
pub fn platform() -> Value {
    generate::<Platform>("headgate.toml")
}

/// The schema of a team's file.
pub fn team_file() -> Value {
    generate::<TeamFile>("routes.d/<team>/*.toml")
}

/// The schema of a file of API keys.
pub fn api_keys() -> Value {
    generate::<ApiKeys>("API keys")
}

/// How an editor finds the schema of a file.
const MODELINE: &str =
    "Save this beside the file, and name it in the file's first line: #:schema ./NAME.json";

fn generate<T: JsonSchema>(title: &str) -> Value {
    // Inlined, because the check walks schema and document side by side.
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    without_null(&mut schema);
    if let Value::Object(root) = &mut schema {
        root.insert("title".to_owned(), title.into());
        root.insert("$comment".to_owned(), MODELINE.into());
    }
    schema
}

/// Drops null from the schema: TOML can't say it, and "no key" is said by "not required".
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            drop_null_type(object);
            drop_null_branch(object);
            // What a table's keys are by default is said at the keys.
            let is_table = object.contains_key("properties");
            if is_table || object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            // Rust's widths of numbers mean nothing to a reader; the range is said beside them.
            object.remove("format");
            for (key, value) in object {
                match value {
                    // What is below are names, not keywords.
                    Value::Object(properties) if key == "properties" => {
                        properties.values_mut().for_each(without_null);
                    }
                    value => without_null(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(without_null),
        _ => {}
    }
}

fn drop_null_type(object: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = object.get_mut("type") else { return };
    types.retain(|name| name != "null");
    if let [only] = types.as_slice() {
        let only = only.clone();
        object.insert("type".to_owned(), only);
    }
}

fn drop_null_branch(object: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = object.get_mut("anyOf") else { return };
    branches.retain(|branch| branch.get("type").is_none_or(|name| name != "null"));
    if let [Value::Object(only)] = branches.as_mut_slice() {
        let only = std::mem::take(only);
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests;
