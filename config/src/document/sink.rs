//! Sinks: topics that go into tables of a database.

use std::collections::BTreeMap;

use headgate_events::sink;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{
    platform::count,
    scalar::{ColumnType, EventType, LengthOrZero, Name, Part, SecretPlace, TopicName},
};

/// Topics that go into tables of one PostgreSQL database, each event exactly once.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["url", "table"]))]
pub(crate) struct Sink {
    /// Where the database's address is, as `postgres://user:password@host/database?sslmode=verify-full`.
    pub(crate) url: Option<SecretPlace>,
    /// Whether tables that are not there are made.
    pub(crate) schema: SinkSchema,
    /// What is written together.
    pub(crate) batch: Batch,
    /// The tables. A table's name here is its own, unless `into` says another, and the name of how
    /// far it is: it should not change.
    #[schemars(extend("propertyNames" = { "x-syntax": "name" }, "maxProperties" = 64))]
    pub(crate) table: BTreeMap<String, SinkTable>,
}

/// Whether tables are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SinkSchema {
    /// Tables that are not there are made; others are checked.
    #[default]
    Create,
    /// All must be there, with those that the sink keeps for itself.
    Check,
}

/// What is written together: one transaction.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Batch {
    /// Events, at most.
    #[schemars(range(min = 1, max = 10000))]
    pub(crate) rows: u32,
    /// How long the first event waits for others.
    pub(crate) wait: LengthOrZero,
}

impl Default for Batch {
    fn default() -> Self {
        Self { rows: count(sink::BATCH_ROWS_MAX.get()), wait: LengthOrZero(sink::BATCH_WAIT) }
    }
}

/// A topic's way into a table.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["topic", "columns", "key"]))]
pub(crate) struct SinkTable {
    /// The table's name in the database, as `orders` or `shop.orders`. Without this key: the name
    /// of this table of the file.
    #[schemars(length(min = 1, max = 127))]
    pub(crate) into: Option<String>,
    /// The topic.
    pub(crate) topic: Option<TopicName>,
    /// Types of the events that are written; others are passed over. Without this key: all.
    #[schemars(length(max = 64))]
    pub(crate) types: Vec<EventType>,
    /// The columns by name.
    #[schemars(extend("propertyNames" = { "x-syntax": "name" }, "maxProperties" = 200))]
    pub(crate) columns: BTreeMap<String, Column>,
    /// The columns that name a row: its primary key, where the sink makes the table.
    #[schemars(length(min = 1, max = 16))]
    pub(crate) key: Vec<Name>,
    /// A whole number in the event by which the later of two events of a row is told. Without this
    /// key: the place in the log, which tells it as long as all events of a row have one key.
    pub(crate) sequence: Option<Part>,
}

/// A column, and what it gets.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["type", "from"]))]
pub(crate) struct Column {
    /// The type in the database.
    #[serde(rename = "type")]
    pub(crate) kind: Option<ColumnType>,
    /// What it gets of an event: an attribute, `data`, or a part of it as `data.NAME`. What an
    /// event does not have is null.
    pub(crate) from: Option<Part>,
}
