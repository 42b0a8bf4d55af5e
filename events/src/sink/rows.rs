//! Events as rows: pure.

use headgate_idempotency::DataRef;
use headgate_types::Event;
use serde_json::{Map, Value as Json};

use super::settings::{SEQUENCE, Table, Value};
use crate::log::Entry;

/// What becomes of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is a row: one JSON object, a member for each column.
    Row(Json),
    /// The table takes no events of this type, or it is a probe's.
    Passed,
    /// It is no event, or not one that fits.
    Rejected(String),
}

/// Tells what becomes of an entry.
pub(super) fn fate(table: &Table, entry: &Entry) -> Fate {
    let event = match entry.event() {
        Ok(event) => event,
        Err(error) => return Fate::Rejected(format!("it can't be read: {error}")),
    };
    // A probe is no business.
    if event.probe.is_some() {
        return Fate::Passed;
    }
    if !table.kinds.is_empty() && !table.kinds.iter().any(|kind| **kind == *event.kind) {
        return Fate::Passed;
    }
    row(table, &event, entry.offset).map_or_else(Fate::Rejected, Fate::Row)
}

fn row(table: &Table, event: &Event, offset: u64) -> Result<Json, String> {
    if DataRef::in_place_of_data(event).is_some() {
        return Err("its data is large and stands apart from it".to_owned());
    }
    let data: Json = serde_json::from_slice(&event.data)
        .map_err(|error| format!("its data can't be read: {error}"))?;
    let mut row = Map::with_capacity(table.columns.len() + 1);
    for column in &table.columns {
        let value = value(&column.value, event, &data);
        if value.is_null() && table.key.contains(&column.name) {
            return Err(format!("it has no {}", column.name));
        }
        row.insert(column.name.clone(), value);
    }
    let sequence = match &table.sequence {
        None => i64::try_from(offset).ok(),
        Some(from) => value(from, event, &data).as_i64(),
    };
    let sequence = sequence.ok_or("its sequence is no whole number")?;
    row.insert(SEQUENCE.to_owned(), sequence.into());
    Ok(Json::Object(row))
}

fn value(from: &Value, event: &Event, data: &Json) -> Json {
    let text = |text: &str| Json::String(text.to_owned());
    match from {
        Value::Data(path) => {
            let found = path.iter().try_fold(data, |data, name| data.get(name));
            found.cloned().unwrap_or_default()
        }
        Value::Attribute(name) => match *name {
            "id" => text(&event.id),
            "source" => text(&event.source),
            "type" => text(&event.kind),
            "subject" => event.subject.as_deref().map_or(Json::Null, text),
            "partitionkey" => text(&event.partition_key),
            "time" => text(&event.time.to_string()),
            "correlationid" => text(&event.trace_id.to_string()),
            "causationid" => event.causation_id.as_deref().map_or(Json::Null, text),
            "hgkey" => event.key.as_deref().map_or(Json::Null, text),
            "expirytime" => event.expires_at.map_or(Json::Null, |at| text(&at.to_string())),
            _ => Json::Null,
        },
    }
}

#[cfg(test)]
mod tests;
