//! A text with names for its places, and the tree of keys and values that it holds.

use std::{collections::HashMap, ops::Range, sync::Arc};

use sha2::{Digest as _, Sha256};
use toml::de::{DeTable, DeValue};

use crate::fault::{Code, Draft, Location, Report};

mod key;

pub(crate) use key::{Step, key_path, parse_key};

/// A text and its digest, made once and passed around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: Arc<str>,
    pub(crate) sha256: [u8; 32],
}

impl Text {
    pub(crate) fn new(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let sha256 = Sha256::digest(text.as_bytes()).into();
        Self { text, sha256 }
    }
}

/// A text that faults can point into: a file, the value of an environment variable or of an
/// overlay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) id: SourceId,
    pub(crate) name: String,
    pub(crate) text: Arc<str>,
    /// Where each line after the first begins.
    line_starts: Vec<usize>,
}

/// Names a text among all others, by its name and what it holds: places in a tree stay good in
/// every load that has the same file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SourceId(u64);

/// Texts by what names them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(HashMap<SourceId, Arc<Source>>);

impl Sources {
    pub(crate) fn insert(&mut self, source: Arc<Source>) -> SourceId {
        let id = source.id;
        self.0.insert(id, source);
        id
    }

    pub(crate) fn get(&self, id: SourceId) -> Option<&Arc<Source>> {
        self.0.get(&id)
    }
}

impl Source {
    pub(crate) fn new(name: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Self::of(name, &Text::new(text))
    }

    pub(crate) fn of(name: impl Into<String>, text: &Text) -> Self {
        let name = name.into();
        let id = Self::id_of(&name, text);
        let text = Arc::clone(&text.text);
        let line_starts = text.match_indices('\n').map(|(newline, _)| newline + 1).collect();
        Self { id, name, text, line_starts }
    }

    /// What names a text of that name.
    pub(crate) fn id_of(name: &str, text: &Text) -> SourceId {
        let named = Sha256::new().chain_update(text.sha256).chain_update(name).finalize();
        SourceId(named.iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte)))
    }

    pub(crate) fn locate(&self, at: &Place) -> Location {
        let span = at.span();
        let start = floor(&self.text, span.start);
        let end = floor(&self.text, span.end).max(start);
        let newlines = self.line_starts.partition_point(|line_start| *line_start <= start);
        let before = newlines.checked_sub(1).and_then(|index| self.line_starts.get(index));
        let line_start = before.copied().unwrap_or(0);
        let column = self.text.get(line_start..start).unwrap_or_default().chars().count() + 1;
        Location { file: self.name.clone(), line: newlines + 1, column, start, end }
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A stretch of one source, in bytes. Trees of large configurations hold a million of them, so
/// they are small; no text that is read comes near what they can count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) source: SourceId,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Place {
    pub(crate) fn new(source: SourceId, span: Range<usize>) -> Self {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { source, start: offset(span.start), end: offset(span.end) }
    }

    /// The stretch as a text is indexed.
    pub(crate) fn span(&self) -> Range<usize> {
        let offset = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        offset(self.start)..offset(self.end)
    }
}

/// A value with its places.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// The key that holds it, or the value itself in a list.
    pub(crate) key_at: Place,
    /// The value; the header for a table that has one.
    pub(crate) at: Place,
    /// What a higher layer has put this value over.
    pub(crate) under: Option<Box<Self>>,
}

/// What a document can hold.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Table(Table),
    List(Vec<Node>),
    Text(String),
    Integer(i64),
    Float,
    Boolean(bool),
    Date(String),
}

/// Entries in the order of their keys, in no more space than they need.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table(Vec<(Box<str>, Node)>);

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.0.get(self.position(key).ok()?).map(|(_, node)| node)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let position = self.position(key).ok()?;
        self.0.get_mut(position).map(|(_, node)| node)
    }

    /// Adds an entry that is not there; one that is stays as it is.
    pub(crate) fn add(&mut self, key: &str, node: Node) {
        if let Err(position) = self.position(key) {
            self.0.insert(position, (key.into(), node));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(key, node)| (key.as_ref(), node))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(one, _)| one.as_ref().cmp(key))
    }
}

impl FromIterator<(Box<str>, Node)> for Table {
    fn from_iter<I: IntoIterator<Item = (Box<str>, Node)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self(entries)
    }
}

impl Value {
    /// The word for its type.
    pub(crate) const fn noun(&self) -> &'static str {
        match self {
            Self::Table(_) => "a table",
            Self::List(_) => "a list",
            Self::Text(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Float => "a number",
            Self::Boolean(_) => "a boolean",
            Self::Date(_) => "a date",
        }
    }
}

impl Node {
    /// An empty table at the start of a source.
    pub(crate) fn root(source: SourceId) -> Self {
        let at = Place::new(source, 0..0);
        Self::new(Value::Table(Table::default()), at.clone(), at)
    }

    pub(crate) const fn new(value: Value, key_at: Place, at: Place) -> Self {
        Self { value, key_at, at, under: None }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(table) => table.get(key),
            _ => None,
        }
    }

    /// The keys of a table, none for anything else.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let table = if let Value::Table(table) = &self.value { Some(table) } else { None };
        table.into_iter().flat_map(Table::iter).map(|(key, _)| key)
    }

    pub(crate) fn is_empty_list(&self) -> bool {
        matches!(&self.value, Value::List(list) if list.is_empty())
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The node at a path, or the last one on the way there.
    pub(crate) fn nearest(&self, path: &[Step<'_>]) -> &Self {
        let mut node = self;
        for step in path {
            let next = match (step, &node.value) {
                (Step::Key(key), Value::Table(table)) => table.get(key),
                (Step::Index(index), Value::List(list)) => list.get(*index),
                _ => None,
            };
            let Some(next) = next else { return node };
            node = next;
        }
        node
    }
}

/// A tree, and whether the text was read whole.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) root: Node,
    /// False when the syntax was broken somewhere: keys may then be missing from the tree.
    pub(crate) is_whole: bool,
}

/// Reads TOML, and reports every place where the syntax is broken, one a line.
pub(crate) fn parse(report: &mut Report, source: SourceId) -> Parsed {
    let text: Arc<str> =
        report.sources.get(source).map_or_else(|| "".into(), |source| Arc::clone(&source.text));
    let (table, errors) = DeTable::parse_recoverable(&text);
    let is_whole = errors.is_empty();
    let mut last_line = 0;
    let mut errors: Vec<_> =
        errors.iter().map(|error| (error.span().unwrap_or(0..0), error.message())).collect();
    errors.sort_by_key(|(span, _)| span.start);
    for (span, message) in errors {
        let at = Place::new(source, span);
        let line = report.location(&at).line;
        // What follows on a broken line is mostly a consequence of its first fault.
        if line == last_line {
            continue;
        }
        last_line = line;
        report.push(Draft::new(Code::Syntax, at, message.to_owned()));
    }
    let root = Node { value: read_table(table.get_ref(), source, &text), ..Node::root(source) };
    Parsed { root, is_whole }
}

fn read_table(table: &DeTable<'_>, source: SourceId, text: &str) -> Value {
    let node = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let (key_at, at) = (Place::new(source, key.span()), Place::new(source, value.span()));
        Node::new(read_value(value.get_ref(), source, text), key_at, at)
    };
    Value::Table(
        table.iter().map(|entry| (entry.0.get_ref().as_ref().into(), node(entry))).collect(),
    )
}

fn read_value(value: &DeValue<'_>, source: SourceId, text: &str) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
            .map_or_else(|_| Value::Integer(beyond(digits.as_str())), Value::Integer),
        DeValue::Float(_) => Value::Float,
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(list) => Value::List(
            list.iter()
                .map(|item| {
                    let at = Place::new(source, item.span());
                    let value = read_value(item.get_ref(), source, text);
                    Node::new(value, at.clone(), at)
                })
                .collect(),
        ),
        DeValue::Table(table) => read_table(table, source, text),
    }
}

/// What stands for a number that no key takes: out of range either way.
fn beyond(digits: &str) -> i64 {
    if digits.starts_with('-') { i64::MIN } else { i64::MAX }
}

/// Maps a stretch of a text's value to the file: escapes make the two differ.
pub(crate) fn inside(report: &Report, at: &Place, part: Range<usize>) -> Place {
    let text = report.sources.get(at.source).map_or("", |source| source.text.as_ref());
    let place = at.span();
    let Some(raw) = text.get(place.clone()) else { return at.clone() };
    let delimiter = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| raw.starts_with(quote));
    let Some(delimiter) = delimiter else {
        // The value of an environment variable has neither quotes nor escapes.
        let end = raw.len();
        let span = place.start + part.start.min(end)..place.start + part.end.min(end);
        return Place::new(at.source, span);
    };
    let opening = delimiter.len();
    let body = raw.get(opening..raw.len().saturating_sub(opening)).unwrap_or_default();
    let offsets = Offsets { body, has_escapes: delimiter.starts_with('"') };
    let start = place.start + opening + offsets.raw_start(part.start);
    let end = place.start + opening + offsets.raw(part.end);
    Place::new(at.source, start..end.max(start))
}

struct Offsets<'a> {
    body: &'a str,
    has_escapes: bool,
}

impl Offsets<'_> {
    /// Where the character at an offset in the value begins in the file's spelling.
    fn raw_start(&self, wanted: usize) -> usize {
        let mut raw = self.raw(wanted);
        // An escaped line break stands for nothing, so it is not where a character begins.
        while let Some(rest) = self.body.get(raw..).filter(|rest| rest.starts_with('\\')) {
            let (length, 0) = escape(rest) else { break };
            raw += length;
        }
        raw
    }

    /// The offset in the file's spelling right behind that many bytes of the value.
    fn raw(&self, wanted: usize) -> usize {
        let (mut raw, mut value) = (0, 0);
        // TOML drops a newline right after the opening delimiter of a multi-line text.
        for skipped in ["\r\n", "\n"] {
            if self.body.starts_with(skipped) {
                raw = skipped.len();
                break;
            }
        }
        let mut rest = self.body.get(raw..).unwrap_or_default();
        while value < wanted {
            let Some(first) = rest.chars().next() else { break };
            let (step_raw, step_value) = if first == '\\' && self.has_escapes {
                escape(rest)
            } else {
                (first.len_utf8(), first.len_utf8())
            };
            raw += step_raw;
            value += step_value;
            rest = rest.get(step_raw..).unwrap_or_default();
        }
        raw
    }
}

/// Bytes of an escape sequence in the file, and of what it stands for.
fn escape(rest: &str) -> (usize, usize) {
    let digits = match rest.as_bytes().get(1) {
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        Some(byte) if byte.is_ascii_whitespace() => {
            let body = rest.get(1..).unwrap_or_default();
            return (1 + body.len() - body.trim_start().len(), 0);
        }
        _ => return (2.min(rest.len()), 1),
    };
    let code = rest.get(2..2 + digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let bytes = code.and_then(char::from_u32).map_or(1, char::len_utf8);
    ((2 + digits).min(rest.len()), bytes)
}

#[cfg(test)]
mod tests;
