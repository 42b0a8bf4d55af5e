//! Which topics go into which tables, and what can be tuned.

use std::{collections::BTreeSet, fmt, num::NonZeroUsize, str::FromStr, time::Duration};

use super::error::SinkError;

/// Events of one transaction at most.
pub const BATCH_ROWS_MAX: NonZeroUsize = NonZeroUsize::new(1_000).expect("it is not zero");

/// How long the first event of a transaction waits for others.
pub const BATCH_WAIT: Duration = Duration::from_millis(50);

/// How long a transaction may take before the connection is given up.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Columns of a table at most: far below the database's own limit.
const COLUMNS_MAX: usize = 200;

/// Bytes of a name at most: the database would cut longer ones short.
const NAME_BYTES_MAX: usize = 63;

/// The column that tells which of two events of a row is the later one.
pub(super) const SEQUENCE: &str = "hg_seq";

/// Topics that go into tables of one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The sink's name: with a table's, the name of its group. It never changes.
    pub name: String,
    /// The database, as `postgres://user:password@host/database?sslmode=verify-full`.
    pub url: Url,
    /// Whether tables are made.
    pub schema: Schema,
    /// The tables.
    pub tables: Vec<Table>,
    /// Events of one transaction at most.
    pub batch_rows_max: NonZeroUsize,
    /// How long the first event of a transaction waits for others. Zero: not at all.
    pub batch_wait: Duration,
    /// How long a transaction may take before the connection is given up.
    pub timeout: Duration,
}

/// An address that may hold a password, and is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(pub String);

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://***")
    }
}

/// Whether tables are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schema {
    /// Tables that are not there are made; others are checked.
    #[default]
    Create,
    /// All must be there, with those that the sink keeps for itself.
    Check,
}

/// A topic's way into a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The table's name. With a schema in front, as `shop.orders`.
    pub name: String,
    /// The topic.
    pub topic: String,
    /// Types of the events that are written; others are passed over. None: all.
    pub kinds: Vec<String>,
    /// The columns, one at least.
    pub columns: Vec<Column>,
    /// The columns that name a row, one at least: its primary key, where the sink makes the table.
    pub key: Vec<String>,
    /// A whole number by which the later one of two events of a row is told. None: the place in the
    /// log, which tells it as long as all events of a row have one partition key.
    pub sequence: Option<Value>,
}

/// A column, and what it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The name.
    pub name: String,
    /// The type.
    pub kind: Kind,
    /// What it gets of an event. Without it there: null.
    pub value: Value,
}

/// A column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `text`
    Text,
    /// `bigint`
    Bigint,
    /// `double precision`
    Double,
    /// `numeric`
    Numeric,
    /// `boolean`
    Boolean,
    /// `timestamptz`
    Timestamp,
    /// `jsonb`
    Json,
    /// `uuid`
    Uuid,
}

impl Kind {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Text, "text"),
        (Self::Bigint, "bigint"),
        (Self::Double, "double precision"),
        (Self::Numeric, "numeric"),
        (Self::Boolean, "boolean"),
        (Self::Timestamp, "timestamptz"),
        (Self::Json, "jsonb"),
        (Self::Uuid, "uuid"),
    ];

    /// The type as the database writes it.
    pub fn sql(self) -> &'static str {
        let found = Self::ALL.iter().find(|(kind, _)| *kind == self);
        found.map_or("text", |(_, name)| name)
    }
}

/// Text that names no type or no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is none of {allowed}")]
pub struct ParseFromError {
    given: String,
    allowed: String,
}

impl FromStr for Kind {
    type Err = ParseFromError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(kind, _)| *kind).ok_or_else(|| ParseFromError {
            given: text.to_owned(),
            allowed: Self::ALL.map(|(_, name)| name).join(", "),
        })
    }
}

/// What a column gets of an event: an attribute, the data, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An attribute by the name that `CloudEvents` gives it.
    Attribute(&'static str),
    /// A part of the data, by the names on the way to it. None: all of it.
    Data(Vec<String>),
}

/// Attributes that a column may get.
const ATTRIBUTES: [&str; 9] = [
    "causationid",
    "correlationid",
    "expirytime",
    "hgkey",
    "id",
    "partitionkey",
    "source",
    "subject",
    "time",
];
/// The one whose name is also a word of the language.
const TYPE: &str = "type";

/// Reads `id`, `type`, `data` or `data.customer.name`.
impl FromStr for Value {
    type Err = ParseFromError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = ATTRIBUTES.iter().chain([&TYPE]).find(|name| **name == text);
        if let Some(name) = known {
            return Ok(Self::Attribute(name));
        }
        let mut parts = text.split('.');
        let is_data = parts.next() == Some("data");
        let path: Vec<_> = parts.map(str::to_owned).collect();
        if is_data && path.iter().all(|part| !part.is_empty()) {
            return Ok(Self::Data(path));
        }
        let allowed = format!("{}, {TYPE}, data, data.NAME", ATTRIBUTES.join(", "));
        Err(ParseFromError { given: text.to_owned(), allowed })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(name) => f.write_str(name),
            Self::Data(path) => {
                f.write_str("data")?;
                path.iter().try_for_each(|part| write!(f, ".{part}"))
            }
        }
    }
}

impl Settings {
    /// Tables of a database, with everything else as it is by default.
    pub fn new(name: impl Into<String>, url: impl Into<String>, tables: Vec<Table>) -> Self {
        Self {
            name: name.into(),
            url: Url(url.into()),
            schema: Schema::default(),
            tables,
            batch_rows_max: BATCH_ROWS_MAX,
            batch_wait: BATCH_WAIT,
            timeout: TIMEOUT,
        }
    }

    /// The group that reads for a table.
    #[cfg(feature = "sink")]
    pub(super) fn group(&self, table: &Table) -> String {
        format!("{}.{}", self.name, table.name)
    }

    /// Finds what contradicts itself.
    ///
    /// # Errors
    ///
    /// [`SinkError::Invalid`].
    pub fn validate(&self) -> Result<(), SinkError> {
        let mut names = BTreeSet::new();
        let fault = self.tables.iter().find_map(|table| {
            let fault = table.fault();
            let twice = || format!("the table {} is named twice", table.name);
            fault.or_else(|| (!names.insert(&table.name)).then(twice))
        });
        let fault =
            fault.or_else(|| self.name.is_empty().then(|| "the sink has no name".to_owned()));
        let late = || self.timeout.is_zero().then(|| "the timeout is zero".to_owned());
        fault.or_else(late).map_or(Ok(()), |fault| Err(SinkError::Invalid(fault)))
    }
}

impl Table {
    fn fault(&self) -> Option<String> {
        let name = &self.name;
        let names = || self.columns.iter().map(|column| column.name.as_str());
        let missing = self.key.iter().find(|key| !names().any(|name| name == key.as_str()));
        let parts = name.split('.').chain(names());
        let odd = parts.clone().find(|part| part.is_empty() || part.len() > NAME_BYTES_MAX);
        let mut seen = BTreeSet::new();
        let twice = names().find(|name| !seen.insert(*name));
        if name.split('.').count() > 2 {
            Some(format!("{name:?} is not TABLE or SCHEMA.TABLE"))
        } else if let Some(odd) = odd {
            Some(format!("{odd:?} of the table {name} is no name: 1 to {NAME_BYTES_MAX} bytes"))
        } else if parts.into_iter().any(|part| part.contains('\0')) {
            Some(format!("a name of the table {name} has a null in it"))
        } else if self.columns.is_empty() || self.columns.len() > COLUMNS_MAX {
            Some(format!("the table {name} has no columns, or more than {COLUMNS_MAX}"))
        } else if let Some(twice) = twice {
            Some(format!("the table {name} has the column {twice} twice"))
        } else if names().any(|name| name == SEQUENCE) {
            Some(format!("the column {SEQUENCE} of the table {name} is the sink's own"))
        } else if self.key.is_empty() {
            Some(format!("the table {name} has no key"))
        } else {
            missing.map(|key| format!("the key {key} is no column of the table {name}"))
        }
    }
}

#[cfg(test)]
mod tests;
