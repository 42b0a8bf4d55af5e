//! A table's database: one connection, one transaction at a time.

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use serde_json::Value as Json;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Row as _,
    error::DatabaseError,
    postgres::{PgConnectOptions, PgConnection},
};
use tokio::time::timeout;

use super::{
    error::SinkError,
    settings::{Schema, Settings, Table},
    sql,
};
use crate::log::Entry;

/// Characters of an error that are kept.
const TEXT_CHARS_MAX: usize = 300;

/// Classes of errors that are the rows' own fault: data, integrity, and two rows of one key.
const UNFIT: [&str; 3] = ["22", "23", "21"];

/// What a process that makes the same table at the same time runs into.
const MADE_ALREADY: [&str; 2] = ["23505", "42P07"];

/// The database of one table.
pub(super) struct Database {
    settings: Arc<Settings>,
    number: usize,
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    upsert: String,
    group: String,
}

/// What one transaction does.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// By partition: from which offset to which.
    pub(super) moves: BTreeMap<u32, (u64, u64)>,
    pub(super) rows: Vec<Json>,
    pub(super) rejected: Vec<(Entry, String)>,
}

/// Why a transaction was not carried out, or perhaps was.
#[derive(Debug)]
pub(super) enum Failure {
    /// A partition is not where it was seen: somebody has moved it.
    Moved,
    /// A row does not fit the table.
    Unfit(String),
    /// The database is not there.
    Down(String),
}

impl Database {
    /// Connects, and makes or checks the table.
    pub(super) async fn open(settings: Arc<Settings>, number: usize) -> Result<Self, SinkError> {
        // The error would show the address, and with it the password.
        let unread = |_| SinkError::Invalid("the database's address can't be read".to_owned());
        let options = PgConnectOptions::from_str(&settings.url.0).map_err(unread)?;
        let options = options.application_name("headgate").disable_statement_logging();
        let missing = || SinkError::Invalid("there are fewer tables".to_owned());
        let table = settings.tables.get(number).ok_or_else(missing)?;
        let (upsert, group) = (sql::upsert(table), settings.group(table));
        let mut opened = Self {
            settings: Arc::clone(&settings),
            number,
            options,
            connection: None,
            upsert,
            group,
        };
        let down = |failure| SinkError::Unavailable(text(failure));
        if settings.schema == Schema::Create {
            for sql in [sql::OFFSETS.to_owned(), sql::REJECTED.to_owned(), sql::create(table)] {
                let connection = opened.connect().await.map_err(down)?;
                let made = sqlx::query(AssertSqlSafe(sql)).execute(connection).await;
                made.map(drop).or_else(made_already).map_err(|error| differs(table, &error))?;
            }
        }
        opened.check(table).await?;
        Ok(opened)
    }

    /// Has the database plan what will be done: it finds missing tables, columns, keys and rights,
    /// and types that do not fit.
    async fn check(&mut self, table: &Table) -> Result<(), SinkError> {
        let plan = format!("explain {}", self.upsert.replace("$1", "'[]'"));
        let own = [
            "explain select next from headgate_offsets",
            "explain select at from headgate_rejected",
        ];
        let all = own.map(str::to_owned).into_iter().chain([plan]);
        for sql in all {
            let down = |failure| SinkError::Unavailable(text(failure));
            let connection = self.connect().await.map_err(down)?;
            let planned = sqlx::query(AssertSqlSafe(sql)).execute(connection).await;
            planned.map_err(|error| match &error {
                sqlx::Error::Database(_) => differs(table, &error),
                _ => SinkError::Unavailable(shorten(&error)),
            })?;
        }
        Ok(())
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn table(&self) -> Option<&Table> {
        self.settings.tables.get(self.number)
    }

    /// The group that reads for the table.
    pub(super) fn group(&self) -> &str {
        &self.group
    }

    fn topic(&self) -> &str {
        self.table().map_or("", |table| &table.topic)
    }

    /// How far a partition is. One that was never written begins where the log has it.
    pub(super) async fn next(&mut self, partition: u32, from: u64) -> Result<u64, Failure> {
        let (group, topic, partition) =
            (self.group.clone(), self.topic().to_owned(), number(partition.into()));
        let length = self.settings.timeout;
        let connection = self.connect().await?;
        let asked = timeout(length, async {
            let begun = sqlx::query(sql::BEGIN).bind(&group).bind(&topic);
            begun.bind(as_i32(partition)).bind(number(from)).execute(&mut *connection).await?;
            let row = sqlx::query(sql::NEXT).bind(&group).bind(&topic);
            let row = row.bind(as_i32(partition)).fetch_one(&mut *connection).await?;
            row.try_get::<i64, _>(0)
        });
        let found = asked.await.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut));
        found.map(|next| u64::try_from(next).unwrap_or_default()).map_err(|error| self.fail(&error))
    }

    /// Carries out one transaction: all of it, or nothing.
    pub(super) async fn write(&mut self, part: &Part) -> Result<(), Failure> {
        let (group, topic) = (self.group.clone(), self.topic().to_owned());
        let (length, upsert) = (self.settings.timeout, self.upsert.clone());
        let rows = serde_json::to_string(&part.rows).map_err(|error| {
            // They were read from JSON.
            Failure::Unfit(error.to_string())
        })?;
        let connection = self.connect().await?;
        let written = timeout(length, async {
            let mut transaction = connection.begin().await?;
            // First: whoever else writes the same partitions waits here, and then finds them moved.
            for (partition, (from, to)) in &part.moves {
                let moved = sqlx::query(sql::MOVE).bind(&group).bind(&topic);
                let moved = moved.bind(as_i32(number((*partition).into())));
                let moved = moved.bind(number(*from)).bind(number(*to));
                if moved.execute(&mut *transaction).await?.rows_affected() != 1 {
                    transaction.rollback().await?;
                    return Ok(false);
                }
            }
            if !part.rows.is_empty() {
                let written = sqlx::query(AssertSqlSafe(upsert)).bind(rows);
                written.execute(&mut *transaction).await?;
            }
            for (entry, why) in &part.rejected {
                let kept = sqlx::query(sql::REJECT).bind(&group).bind(&topic);
                let kept = kept.bind(as_i32(number(entry.partition.into())));
                let kept = kept.bind(number(entry.offset)).bind(without_nulls(why));
                let kept = kept.bind(headers(entry)).bind(entry.value.as_ref());
                kept.execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok(true)
        });
        match written.await.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Moved),
            Err(error) => Err(self.fail(&error)),
        }
    }

    async fn connect(&mut self) -> Result<&mut PgConnection, Failure> {
        if self.connection.is_none() {
            let connecting = timeout(self.settings.timeout, self.options.connect()).await;
            let connected = connecting.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut));
            self.connection = Some(connected.map_err(|error| Failure::Down(shorten(&error)))?);
        }
        // Just put there.
        self.connection.as_mut().ok_or_else(|| Failure::Down("no connection".to_owned()))
    }

    /// Sorts an error. Nothing is done on its connection any more: what it left there is not known.
    fn fail(&mut self, error: &sqlx::Error) -> Failure {
        self.connection = None;
        let code = error.as_database_error().and_then(DatabaseError::code);
        match code {
            Some(code) if UNFIT.iter().any(|class| code.starts_with(class)) => {
                Failure::Unfit(shorten(error))
            }
            _ => Failure::Down(shorten(error)),
        }
    }
}

fn made_already(error: sqlx::Error) -> Result<(), sqlx::Error> {
    let code = error.as_database_error().and_then(DatabaseError::code);
    let is_made = code.is_some_and(|code| MADE_ALREADY.contains(&code.as_ref()));
    if is_made { Ok(()) } else { Err(error) }
}

fn differs(table: &Table, error: &sqlx::Error) -> SinkError {
    SinkError::Differs { table: table.name.clone(), reason: shorten(error) }
}

fn text(failure: Failure) -> String {
    match failure {
        Failure::Moved => "somebody else moved on".to_owned(),
        Failure::Unfit(text) | Failure::Down(text) => text,
    }
}

fn shorten(error: &sqlx::Error) -> String {
    let text = match error.as_database_error() {
        Some(error) => error.message().to_owned(),
        None if matches!(error, sqlx::Error::PoolTimedOut) => "it takes too long".to_owned(),
        None => error.to_string(),
    };
    text.chars().take(TEXT_CHARS_MAX).collect()
}

/// Headers as JSON. Those that are no text are shown as far as they are.
fn headers(entry: &Entry) -> String {
    let text = |value: &[u8]| without_nulls(&String::from_utf8_lossy(value));
    let all = entry.headers.iter().map(|(name, value)| (without_nulls(name), text(value).into()));
    Json::Object(all.collect()).to_string()
}

/// The database's texts have no null.
fn without_nulls(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The database's largest number is beyond what any log will have.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn as_i32(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
