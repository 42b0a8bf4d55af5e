//! The methods of a pattern.

use std::fmt;

use http::Method;

use crate::{ParseError, text::Piece};

/// The methods that a pattern takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Methods {
    /// All.
    Any,
    /// These, in alphabetical order, and HEAD where GET is among them.
    Listed(Vec<Method>),
}

/// Twice what RFC 9110 defines; whoever needs more takes all.
const METHODS_MAX: usize = 16;
const ALLOWED: &str = "methods in upper case such as GET or GET|POST, or * for all";

impl Methods {
    pub(crate) fn parse(piece: Piece<'_>) -> Result<Self, ParseError> {
        if piece.text == "*" {
            return Ok(Self::Any);
        }
        let mut listed: Vec<Method> = Vec::new();
        for name in piece.split('|') {
            let method = read(&name)?;
            if listed.contains(&method) {
                return Err(name.fault(format!("{method} is named twice"), "each method once"));
            }
            listed.push(method);
        }
        if listed.len() > METHODS_MAX {
            return Err(piece.fault("too many methods", format!("at most {METHODS_MAX}, or *")));
        }
        listed.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        Ok(Self::Listed(listed))
    }

    pub(crate) fn contains(&self, method: &Method) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(listed) => {
                listed.contains(method) || (method == Method::HEAD && listed.contains(&Method::GET))
            }
        }
    }

    /// How many methods it takes: the fewer, the more specific. All count as more than any list.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Any => usize::MAX,
            Self::Listed(listed) => {
                let is_implied = self.contains(&Method::HEAD) && !listed.contains(&Method::HEAD);
                listed.len() + usize::from(is_implied)
            }
        }
    }

    /// A method that both take.
    pub(crate) fn common(&self, other: &Self) -> Option<Method> {
        let candidates = match (self, other) {
            (Self::Any, Self::Any) => return Some(Method::GET),
            (Self::Listed(listed), _) | (Self::Any, Self::Listed(listed)) => listed,
        };
        let is_common = |method: &&Method| self.contains(method) && other.contains(method);
        let head = [Method::HEAD];
        candidates.iter().chain(&head).find(is_common).cloned()
    }
}

fn read(name: &Piece<'_>) -> Result<Method, ParseError> {
    if name.text.is_empty() {
        return Err(name.fault("a method is missing", ALLOWED));
    }
    if name.text == "*" {
        return Err(name.fault("all methods beside named ones", "* alone"));
    }
    let is_name = |byte: u8| {
        byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
    };
    if !name.text.bytes().all(is_name) {
        return Err(name.fault("no method", ALLOWED));
    }
    Method::from_bytes(name.text.as_bytes()).map_err(|_| name.fault("no method", ALLOWED))
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Listed(listed) => listed.iter().enumerate().try_for_each(|(index, method)| {
                f.write_str(if index == 0 { "" } else { "|" })?;
                f.write_str(method.as_str())
            }),
        }
    }
}
