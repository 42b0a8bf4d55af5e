//! What is compared of two answers to one request.

use std::{fmt, str::FromStr};

use serde_json::Value;

use crate::{ParseError, text::Piece};

/// What stands before a pointer.
const JSON: &str = "json:";
/// What is said of a text that is no field.
const ALLOWED: &str = "`status`, or `json:` and a JSON pointer such as `/rows/*/id`";

/// A part of an answer.
///
/// Written `status`, or `json:` and a JSON pointer (RFC 6901) into the body, in which `*` stands for
/// every element of a list and every member of an object: `json:/rows/*/id`. `json:` alone is the
/// whole body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// The status.
    Status,
    /// What a pointer leads to.
    Json(Pointer),
}

/// A JSON pointer with `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A member's name, or an element's index.
    One(String),
    /// All of them.
    All,
}

/// An answer, as far as it is compared.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Its body. None when it is no JSON, or not there as a whole.
    pub json: Option<&'a Value>,
}

impl Field {
    /// Whether two answers agree in it. None when that can't be said: a body is no JSON.
    pub fn agrees(&self, one: &Answer<'_>, other: &Answer<'_>) -> Option<bool> {
        match self {
            Self::Status => Some(one.status == other.status),
            Self::Json(pointer) => Some(pointer.find(one.json?) == pointer.find(other.json?)),
        }
    }

    /// Whether it is read from the body.
    pub const fn is_in_body(&self) -> bool {
        matches!(self, Self::Json(_))
    }
}

impl FromStr for Field {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let whole = Piece::whole(text);
        if text == "status" {
            return Ok(Self::Status);
        }
        let Some(pointer) = whole.after(JSON) else {
            return Err(whole.fault(format!("{text:?} is nothing to compare"), ALLOWED));
        };
        let Some(rest) = pointer.after("/") else {
            return if pointer.text.is_empty() {
                Ok(Self::Json(Pointer { steps: Vec::new() }))
            } else {
                Err(pointer.fault("a pointer begins with a slash", ALLOWED))
            };
        };
        let steps = rest.split('/').map(|step| match step.text {
            "*" => Ok(Step::All),
            name => unescaped(name)
                .map(Step::One)
                .ok_or_else(|| step.fault("`~` stands before 0 or 1 only", "`~0` is ~, `~1` is /")),
        });
        Ok(Self::Json(Pointer { steps: steps.collect::<Result<_, _>>()? }))
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Json(pointer) = self else { return f.write_str("status") };
        f.write_str(JSON)?;
        pointer.steps.iter().try_for_each(|step| match step {
            Step::All => f.write_str("/*"),
            Step::One(name) => write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")),
        })
    }
}

/// RFC 6901, section 4.
fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split('~');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let tilde = part.strip_prefix('0').map(|rest| ('~', rest));
        let (sign, rest) = tilde.or_else(|| Some(('/', part.strip_prefix('1')?)))?;
        text.push(sign);
        text.push_str(rest);
    }
    Some(text)
}

impl Pointer {
    /// What it leads to, in the order of the document; empty where there is nothing.
    ///
    /// Costs what the parts that it passes hold.
    pub fn find<'v>(&self, document: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![document];
        for step in &self.steps {
            found = found.into_iter().flat_map(|value| below(value, step)).collect();
        }
        found
    }
}

fn below<'v>(value: &'v Value, step: &Step) -> Vec<&'v Value> {
    match (step, value) {
        (Step::All, Value::Array(list)) => list.iter().collect(),
        (Step::All, Value::Object(members)) => members.values().collect(),
        (Step::One(name), Value::Object(members)) => members.get(name).into_iter().collect(),
        (Step::One(index), Value::Array(list)) => {
            index.parse::<usize>().ok().and_then(|index| list.get(index)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
