//! Checks a tree of keys and values against its schema, and keeps what is good of it.

use serde_json::{Map, Value as Json};

use crate::{
    document::scalar::{self, SYNTAX},
    fault::{Code, Draft, Report},
    source::{Node, Place, Step, Value, inside, key_path},
};

/// How alike a misspelt word must be to one that exists, from 0 to 1.
const LIKENESS_MIN: f64 = 0.6;

/// Bytes of a word that a likeness is looked for: comparing takes time and space by its length.
const WORD_BYTES_MAX: usize = 64;

/// Keys that the design knows and this version does not, as paths with `*` for a name.
const LATER: &[&str] = &["route.*.cache", "route.*.breaker"];

/// Walks a document and its schema side by side.
///
/// Reports every fault, and returns the document without the values that are at fault, so that what
/// depends on the others can still be checked.
pub(crate) fn check(report: &mut Report, root: &Node, schema: &Json) -> Json {
    let mut walk = Walk { report, path: Vec::new() };
    walk.value(root, schema).unwrap_or_else(|| Json::Object(Map::new()))
}

struct Walk<'n, 'r> {
    report: &'r mut Report,
    path: Vec<Step<'n>>,
}

impl<'n> Walk<'n, '_> {
    fn value(&mut self, node: &'n Node, schema: &Json) -> Option<Json> {
        if let Some(form) = schema.get(SYNTAX).and_then(Json::as_str) {
            return self.form(node, form);
        }
        let words = words(schema);
        if !words.is_empty() {
            return self.word(node, &words);
        }
        let is_of_type = types(schema).any(|kind| kind == node.value.kind());
        match &node.value {
            value if !is_of_type || matches!(value, Value::Float | Value::Date(_)) => {
                let noun = schema.get("x-noun").and_then(Json::as_str);
                self.wrong_type(node, noun.or_else(|| types(schema).next().map(noun_of)))
            }
            Value::Table(_) => self.table(node, schema),
            Value::List(list) => self.list(node, list, schema),
            Value::Text(text) => {
                let count = text.chars().count();
                self.count(
                    node,
                    Bounds::of(schema, "minLength", "maxLength"),
                    count,
                    "characters",
                )?;
                Some(text.clone().into())
            }
            Value::Integer(number) => self.number(node, *number, schema),
            Value::Boolean(boolean) => Some((*boolean).into()),
            Value::Float | Value::Date(_) => None,
        }
    }

    fn form(&mut self, node: &'n Node, form: &str) -> Option<Json> {
        let text = match &node.value {
            Value::Text(text) => text,
            Value::Date(text) if matches!(form, "date" | "last-day") => text,
            _ => return self.wrong_type(node, Some("a text")),
        };
        match scalar::check(form, text) {
            Ok(()) => Some(text.clone().into()),
            Err(misfit) => {
                let at = match misfit.part {
                    Some(part) => inside(self.report, &node.at, part),
                    None => node.at.clone(),
                };
                let mut draft = self.draft(misfit.code, at, misfit.message);
                if let Some(help) = misfit.help {
                    draft = draft.help(help);
                }
                self.report.push(draft);
                None
            }
        }
    }

    fn word(&mut self, node: &'n Node, words: &[&str]) -> Option<Json> {
        let Value::Text(text) = &node.value else {
            return self.wrong_type(node, Some("a text"));
        };
        if words.contains(&text.as_str()) {
            return Some(text.clone().into());
        }
        let message = format!("{text:?} is none of {}", words.join(", "));
        let draft = self.draft(Code::BadValue, node.at.clone(), message);
        self.report.push(match nearest(text, words.iter().copied()) {
            Some(word) => draft.help(format!("did you mean {word:?}?")),
            None => draft,
        });
        None
    }

    fn number(&mut self, node: &'n Node, number: i64, schema: &Json) -> Option<Json> {
        let least = schema.get("minimum").and_then(Json::as_i64);
        let most = schema.get("maximum").and_then(Json::as_i64).unwrap_or(u32::MAX.into());
        if least.is_some_and(|least| number < least) || number > most {
            let least = least.unwrap_or(i64::MIN);
            let message = format!("{number} is outside {least} to {most}");
            self.report.push(self.draft(Code::OutOfRange, node.at.clone(), message));
            return None;
        }
        Some(number.into())
    }

    fn list(&mut self, node: &'n Node, list: &'n [Node], schema: &Json) -> Option<Json> {
        self.count(node, Bounds::of(schema, "minItems", "maxItems"), list.len(), "entries")?;
        let items = schema.get("items")?;
        let mut good = Vec::with_capacity(list.len());
        for (index, item) in list.iter().enumerate() {
            self.path.push(Step::Index(index));
            // A place for every entry, so that positions in the document stay what they are.
            let value = self.value(item, items);
            good.push(value.unwrap_or_else(|| empty(items)));
            self.path.pop();
        }
        // A text at fault has no stand-in that its key would accept.
        good.retain(|item| !item.is_null());
        Some(Json::Array(good))
    }

    fn table(&mut self, node: &'n Node, schema: &Json) -> Option<Json> {
        let Value::Table(table) = &node.value else { return None };
        let bounds = Bounds::of(schema, "minProperties", "maxProperties");
        self.count(node, bounds, table.len(), "entries")?;
        let properties = schema.get("properties").and_then(Json::as_object);
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        let names = schema.get("propertyNames").and_then(|names| names.get(SYNTAX)?.as_str());
        let mut good = Map::new();
        for (key, child) in table.iter() {
            self.path.push(Step::Key(key));
            match properties.and_then(|properties| properties.get(key)).or(others) {
                Some(schema) => {
                    self.name(key, names, child);
                    let value = self.value(child, schema);
                    good.extend(value.map(|value| (key.to_owned(), value)));
                }
                None => self.unknown(key, child, properties),
            }
            self.path.pop();
        }
        let required = schema.get("required").and_then(Json::as_array);
        for key in required.into_iter().flatten().filter_map(Json::as_str) {
            if table.get(key).is_none() {
                let message = format!("missing key `{key}`");
                let doc = properties.and_then(|all| all.get(key)?.get("description")?.as_str());
                let draft = self.draft(Code::MissingKey, node.at.clone(), message);
                self.report.push(match doc {
                    Some(doc) => draft.help(format!("`{key}`: {}", first_sentence(doc))),
                    None => draft,
                });
            }
        }
        Some(Json::Object(good))
    }

    fn name(&mut self, key: &str, form: Option<&str>, child: &'n Node) {
        if let Some(Err(misfit)) = form.map(|form| scalar::check(form, key)) {
            let draft = self.draft(misfit.code, child.key_at.clone(), misfit.message);
            self.report.push(draft);
        }
    }

    fn unknown(&mut self, key: &str, child: &Node, properties: Option<&Map<String, Json>>) {
        let known: Vec<_> =
            properties.into_iter().flat_map(Map::keys).map(String::as_str).collect();
        let hint = if self.is_later() {
            format!("`{key}` is not in this version; ")
        } else {
            nearest(key, known.iter().copied())
                .map_or_else(String::new, |word| format!("did you mean `{word}`? "))
        };
        let message = format!("unknown key `{key}`");
        let help = format!("{hint}keys here are {}", known.join(", "));
        self.report.push(self.draft(Code::UnknownKey, child.key_at.clone(), message).help(help));
    }

    fn is_later(&self) -> bool {
        LATER.iter().any(|later| {
            let later: Vec<_> = later.split('.').collect();
            later.len() == self.path.len()
                && later.iter().zip(&self.path).all(|(part, step)| match step {
                    Step::Key(key) => *part == "*" || part == key,
                    Step::Index(_) => false,
                })
        })
    }

    fn count(&mut self, node: &Node, bounds: Bounds, count: usize, of: &str) -> Option<()> {
        if bounds.least <= count && count <= bounds.most {
            return Some(());
        }
        let message = if count < bounds.least {
            format!("{count} {of}, at least {} needed", bounds.least)
        } else {
            format!("{count} {of}, at most {} allowed", bounds.most)
        };
        self.report.push(self.draft(Code::OutOfRange, node.at.clone(), message));
        None
    }

    fn wrong_type(&mut self, node: &Node, expected: Option<&str>) -> Option<Json> {
        let message =
            format!("expected {}, found {}", expected.unwrap_or("a value"), node.value.noun());
        self.report.push(self.draft(Code::WrongType, node.at.clone(), message));
        None
    }

    fn draft(&self, code: Code, at: Place, message: String) -> Draft {
        Draft::new(code, at, message).key(key_path(&self.path))
    }
}

impl Value {
    /// The word of JSON Schema for its type.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Table(_) => "object",
            Self::List(_) => "array",
            Self::Text(_) | Self::Date(_) => "string",
            Self::Integer(_) => "integer",
            Self::Float => "number",
            Self::Boolean(_) => "boolean",
        }
    }
}

fn noun_of(kind: &str) -> &'static str {
    match kind {
        "object" => "a table",
        "array" => "a list",
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        _ => "a boolean",
    }
}

#[derive(Clone, Copy)]
struct Bounds {
    least: usize,
    most: usize,
}

impl Bounds {
    fn of(schema: &Json, least: &str, most: &str) -> Self {
        let bound = |key| schema.get(key)?.as_u64().and_then(|bound| usize::try_from(bound).ok());
        Self { least: bound(least).unwrap_or(0), most: bound(most).unwrap_or(usize::MAX) }
    }
}

/// What stands for an entry that is at fault: an empty table, or null where there is none.
fn empty(schema: &Json) -> Json {
    let is_table = schema.get("type").is_some_and(|kind| kind == "object");
    if is_table { Json::Object(Map::new()) } else { Json::Null }
}

/// The words that a schema allows; none when it is no choice of words.
fn words(schema: &Json) -> Vec<&str> {
    if let Some(Json::Array(words)) = schema.get("enum") {
        return words.iter().filter_map(Json::as_str).collect();
    }
    let Some(Json::Array(branches)) = schema.get("oneOf") else { return Vec::new() };
    branches.iter().filter_map(|branch| branch.get("const")?.as_str()).collect()
}

/// The types that a schema allows.
fn types(schema: &Json) -> impl Iterator<Item = &str> {
    let (of_one, several) = match schema.get("type") {
        Some(Json::Array(several)) => (None, several.as_slice()),
        Some(one) => (one.as_str(), [].as_slice()),
        None => (None, [].as_slice()),
    };
    let branches = if schema.get("type").is_none() { schema.get("anyOf") } else { None };
    let branches = branches.and_then(Json::as_array).into_iter().flatten();
    let named = branches.filter_map(|branch| branch.get("type")?.as_str());
    of_one.into_iter().chain(several.iter().filter_map(Json::as_str)).chain(named)
}

/// The word that a misspelt one is nearest to.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    known
        .map(|other| (strsim::normalized_damerau_levenshtein(word, other), other))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, other)| other)
}

fn first_sentence(text: &str) -> String {
    let sentence = text.split_once(". ").map_or(text, |(sentence, _)| sentence);
    let sentence = sentence.trim_end_matches('.').replace('\n', " ");
    let mut rest = sentence.chars();
    let first = rest.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    first + rest.as_str()
}
