//! A text with names for its places, and the tree of keys and values that it holds.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::Arc,
};

use sha2::{Digest as _, Sha256};
use toml::de::{DeTable, DeValue};

use crate::fault::{Code, Draft, Location, Report};

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
        let start = floor(&self.text, at.start);
        let end = floor(&self.text, at.end).max(start);
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

/// A stretch of one source, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) source: SourceId,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Place {
    pub(crate) const fn new(source: SourceId, span: Range<usize>) -> Self {
        Self { source, start: span.start, end: span.end }
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
    Table(BTreeMap<String, Node>),
    List(Vec<Node>),
    Text(String),
    Integer(i64),
    Float,
    Boolean(bool),
    Date(String),
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
        Self::new(Value::Table(BTreeMap::new()), at.clone(), at)
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
        table.into_iter().flatten().map(|(key, _)| key.as_str())
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
                (Step::Key(key), Value::Table(table)) => table.get(*key),
                (Step::Index(index), Value::List(list)) => list.get(*index),
                _ => None,
            };
            let Some(next) = next else { return node };
            node = next;
        }
        node
    }
}

/// One step down into a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> From<&'a str> for Step<'a> {
    fn from(key: &'a str) -> Self {
        Self::Key(key)
    }
}

impl From<usize> for Step<'_> {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// Writes a path as TOML spells it: `device[1].name`.
pub(crate) fn key_path(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                if is_bare(key) {
                    text.push_str(key);
                } else {
                    text.extend(["\"", key, "\""]);
                }
            }
            Step::Index(index) => {
                text.push('[');
                text.push_str(&index.to_string());
                text.push(']');
            }
        }
    }
    text
}

/// Whether TOML lets a key stand without quotes.
fn is_bare(key: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !key.is_empty() && key.bytes().all(is_plain)
}

/// Reads what [`key_path`] writes, but for places in lists: keys with dots between them, in quotes
/// where they are not plain. None when it is no such path.
pub(crate) fn parse_key(text: &str) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    let mut rest = text;
    loop {
        let (key, behind) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted.split_once('"')?
        } else {
            rest.split_at(rest.find('.').unwrap_or(rest.len()))
        };
        if key.is_empty() || (!rest.starts_with('"') && !is_bare(key)) {
            return None;
        }
        keys.push(key.to_owned());
        if behind.is_empty() {
            return Some(keys);
        }
        rest = behind.strip_prefix('.')?;
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
        table.iter().map(|entry| (entry.0.get_ref().clone().into_owned(), node(entry))).collect(),
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
    let Some(raw) = text.get(at.start..at.end) else { return at.clone() };
    let delimiter = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| raw.starts_with(quote));
    let Some(delimiter) = delimiter else {
        // The value of an environment variable has neither quotes nor escapes.
        let end = raw.len();
        let span = at.start + part.start.min(end)..at.start + part.end.min(end);
        return Place::new(at.source, span);
    };
    let opening = delimiter.len();
    let body = raw.get(opening..raw.len().saturating_sub(opening)).unwrap_or_default();
    let offsets = Offsets { body, has_escapes: delimiter.starts_with('"') };
    let start = at.start + opening + offsets.raw_start(part.start);
    let end = at.start + opening + offsets.raw(part.end);
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
