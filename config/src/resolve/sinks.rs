//! Topics that go into tables of a database.

use headgate_events::sink::{self, Column, Settings, Table};

use super::events;
use crate::{
    document::sink::{Sink as Written, SinkSchema, SinkTable},
    fault::{Code, Draft, Report},
    load::{Input, Sink},
    source::{Step, key_path},
};

/// All sinks in the order of their names.
pub(super) fn sinks(input: &Input<'_>, report: &mut Report) -> Vec<Sink> {
    let platform = &input.platform;
    let mut sinks = Vec::new();
    for (name, written) in &platform.doc.sink {
        let path: [Step<'_>; 2] = ["sink".into(), name.as_str().into()];
        let fault = |code: Code, message: &str| {
            Draft::new(code, platform.key_at(&path), message).key(key_path(&path))
        };
        if let Some((message, help, (table, note))) = events::no_log(input) {
            let related = platform.key_at(&[table.into()]);
            report.push(fault(Code::NoLog, message).help(help).related(related, note));
        }
        // What could not be read has been reported with its own caret.
        let Some(url) = &written.url else { continue };
        let tables = written.table.iter().filter_map(|(own, table)| table_of(own, table));
        let tables: Vec<_> = tables.collect();
        if tables.len() < written.table.len() {
            continue;
        }
        let settings = settings(name, written, tables);
        if let Err(error) = settings.validate() {
            report.push(fault(Code::BadSink, &error.to_string()));
        }
        sinks.push(Sink { url: url.0.below(&input.base), settings });
    }
    sinks
}

fn settings(name: &str, written: &Written, tables: Vec<Table>) -> Settings {
    let defaults = Settings::new(name, "", tables);
    let rows = usize::try_from(written.batch.rows).ok().and_then(|rows| rows.try_into().ok());
    Settings {
        schema: match written.schema {
            SinkSchema::Create => sink::Schema::Create,
            SinkSchema::Check => sink::Schema::Check,
        },
        batch_rows_max: rows.unwrap_or(defaults.batch_rows_max),
        batch_wait: written.batch.wait.0,
        ..defaults
    }
}

fn table_of(own: &str, table: &SinkTable) -> Option<Table> {
    let column = |(name, column): (&String, &crate::document::sink::Column)| {
        let (kind, value) = (column.kind.as_ref()?.0, column.from.as_ref()?.0.clone());
        Some(Column { name: name.clone(), kind, value })
    };
    let columns: Option<Vec<_>> = table.columns.iter().map(column).collect();
    Some(Table {
        name: table.into.clone().unwrap_or_else(|| own.to_owned()),
        topic: table.topic.as_ref()?.0.clone(),
        kinds: table.types.iter().map(|kind| kind.0.clone()).collect(),
        columns: columns?,
        key: table.key.iter().map(|name| name.0.clone()).collect(),
        sequence: table.sequence.as_ref().map(|part| part.0.clone()),
    })
}
