//! Statements. Names are quoted, and values are always parameters.

use std::fmt::Write as _;

use super::settings::{SEQUENCE, Table};

/// Where offsets are kept.
pub(super) const OFFSETS: &str = "create table if not exists headgate_offsets (\
    sink text not null, topic text not null, \"partition\" integer not null, next bigint not null, \
    primary key (sink, topic, \"partition\"))";

/// What did not fit, as it came.
pub(super) const REJECTED: &str = "create table if not exists headgate_rejected (\
    sink text not null, topic text not null, \"partition\" integer not null, \
    \"offset\" bigint not null, at timestamptz not null default now(), error text not null, \
    headers jsonb not null, value bytea not null, \
    primary key (sink, topic, \"partition\", \"offset\"))";

/// Begins the account of a partition where there is none.
pub(super) const BEGIN: &str = "insert into headgate_offsets values ($1, $2, $3, $4) \
    on conflict do nothing";

/// How far a partition is.
pub(super) const NEXT: &str =
    "select next from headgate_offsets where sink = $1 and topic = $2 and \"partition\" = $3";

/// Moves on from where the partition was seen, and from nowhere else.
pub(super) const MOVE: &str = "update headgate_offsets set next = $5 \
    where sink = $1 and topic = $2 and \"partition\" = $3 and next = $4";

/// Keeps what did not fit.
pub(super) const REJECT: &str = "insert into headgate_rejected \
    (sink, topic, \"partition\", \"offset\", error, headers, value) \
    values ($1, $2, $3, $4, $5, $6::jsonb, $7) on conflict do nothing";

/// Makes a table.
pub(super) fn create(table: &Table) -> String {
    let mut sql = format!("create table if not exists {} (", relation(&table.name));
    for column in &table.columns {
        // Writing to a string does not fail.
        write!(sql, "{} {}, ", name(&column.name), column.kind.sql()).unwrap_or_default();
    }
    let key = list(table.key.iter().map(|key| name(key)));
    write!(sql, "{SEQUENCE} bigint not null, primary key ({key}))").unwrap_or_default();
    sql
}

/// Writes rows, which come as one JSON array. Of two of one key the later one counts, in the rows
/// as in the table. The database reads the values by the columns' types.
pub(super) fn upsert(table: &Table) -> String {
    let columns = table.columns.iter().map(|column| name(&column.name));
    let all = list(columns.clone().chain([SEQUENCE.to_owned()]));
    let typed =
        table.columns.iter().map(|column| format!("{} {}", name(&column.name), column.kind.sql()));
    let typed = list(typed.chain([format!("{SEQUENCE} bigint")]));
    let key = list(table.key.iter().map(|key| name(key)));
    let rest = columns.filter(|column| !table.key.iter().any(|key| name(key) == *column));
    let set = list(rest.chain([SEQUENCE.to_owned()]).map(|it| format!("{it} = excluded.{it}")));
    format!(
        "insert into {} as stands ({all}) \
         select distinct on ({key}) {all} from jsonb_to_recordset($1::jsonb) as rows ({typed}) \
         order by {key}, {SEQUENCE} desc \
         on conflict ({key}) do update set {set} where stands.{SEQUENCE} < excluded.{SEQUENCE}",
        relation(&table.name),
    )
}

fn relation(table: &str) -> String {
    table.split('.').map(name).collect::<Vec<_>>().join(".")
}

fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
