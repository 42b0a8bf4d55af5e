//! One test of a request that tells a device class.

use std::{fmt, str::FromStr};

use headgate_types::Version;
use http::{HeaderName, header::USER_AGENT};
use serde_json::Value;

use super::{ParseConditionError, hint::Hint};
use crate::{
    ParseError,
    facts::Facts,
    reads,
    text::{self, Piece},
    value::Test,
};

/// One test of a request, as the module [`super`] describes.
///
/// Its text form is canonical and is the reason that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    subject: Subject,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Everything,
    Header(HeaderName),
    UserAgent,
    Hint(Hint),
    Claim(Box<str>),
}

/// Longer than any condition that a reader takes in.
const CONDITION_BYTES_MAX: usize = 1024;
const SUBJECTS: &str = "*, header NAME, ua, hint NAME or claim NAME";
const OPERATORS: &str = "nothing, == 'text', contains 'text' or ~ 'expression'";

impl Condition {
    /// Whether it reads the caller's claims.
    pub const fn reads_claims(&self) -> bool {
        matches!(self.subject, Subject::Claim(_))
    }

    /// Whether it finds the version of the device's app.
    pub const fn finds_version(&self) -> bool {
        self.test.finds_version()
    }

    /// The part of the request that it reads, how much of it, and the text that it is compared
    /// with. None for a test of everything.
    pub(crate) fn subject(&self) -> Option<(reads::Subject, reads::Need, Option<&str>)> {
        let (need, text) = reads::need(&self.test);
        Some(match &self.subject {
            Subject::Everything => return None,
            Subject::Header(name) => (reads::header(name), need, text),
            Subject::UserAgent => (reads::header(&USER_AGENT), need, text),
            // The value is a structured field, of which a part is compared.
            Subject::Hint(hint) => {
                let is_presence = need == reads::Need::Presence && *hint != Hint::Mobile;
                let need = if is_presence { need } else { reads::Need::Text };
                (reads::header(hint.header()), need, None)
            }
            Subject::Claim(name) => (reads::Subject::Claim(name.clone()), need, text),
        })
    }

    /// Whether it holds for a request; the facts' own device class is not read.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        let header = |name: &HeaderName| {
            facts.headers.get(name).is_some_and(|value| self.test.accepts(value.as_bytes()))
        };
        match &self.subject {
            Subject::Everything => true,
            Subject::Header(name) => header(name),
            Subject::UserAgent => header(&USER_AGENT),
            Subject::Hint(hint) => hint.holds(facts.headers, &self.test),
            Subject::Claim(name) => {
                facts.claim(name).is_some_and(|claim| self.test.accepts_claim(claim))
            }
        }
    }

    /// The version of the device's app: what a group `ver` of the expression finds in a header or
    /// in a claim that is a text.
    pub(crate) fn version(&self, facts: &Facts<'_>) -> Option<Version> {
        if !self.test.finds_version() {
            return None;
        }
        let header = |name: &HeaderName| facts.headers.get(name).map(http::HeaderValue::as_bytes);
        let value = match &self.subject {
            Subject::Everything | Subject::Hint(_) => None,
            Subject::Header(name) => header(name),
            Subject::UserAgent => header(&USER_AGENT),
            Subject::Claim(name) => facts.claim(name).and_then(Value::as_str).map(str::as_bytes),
        };
        self.test.version(value?)
    }
}

impl FromStr for Condition {
    type Err = ParseConditionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let whole = Piece::whole(text);
        if text.len() > CONDITION_BYTES_MAX {
            let allowed = format!("at most {CONDITION_BYTES_MAX} bytes");
            return Err(whole.fault("the condition is too long", allowed));
        }
        let (subject, rest) = subject(&whole.trimmed())?;
        let rest = rest.trimmed();
        if subject == Subject::Everything && !rest.text.is_empty() {
            return Err(rest.fault("a test of everything", "* alone"));
        }
        let (test, rest) = test(&rest)?;
        let rest = rest.trimmed();
        if !rest.text.is_empty() {
            return Err(rest.fault("text behind the condition", "one condition a text"));
        }
        Ok(Self { subject, test })
    }
}

fn word<'a>(piece: &Piece<'a>) -> (Piece<'a>, Piece<'a>) {
    piece.divide_before(|character| character.is_ascii_whitespace())
}

fn subject<'a>(piece: &Piece<'a>) -> Result<(Subject, Piece<'a>), ParseError> {
    let (kind, rest) = word(piece);
    match kind.text {
        "*" => return Ok((Subject::Everything, rest)),
        "ua" => return Ok((Subject::UserAgent, rest)),
        "header" | "hint" | "claim" => {}
        "" => return Err(kind.fault("an empty condition", SUBJECTS)),
        _ => return Err(kind.fault("no condition", SUBJECTS)),
    }
    let (name, rest) = word(&rest.trimmed());
    if name.text.is_empty() || matches!(name.text, "==" | "~") {
        return Err(name.fault(format!("{} without a name", kind.text), SUBJECTS));
    }
    let subject = match kind.text {
        "header" => HeaderName::from_bytes(name.text.as_bytes())
            .map(Subject::Header)
            .map_err(|_| name.fault("no header name", "a header's name"))?,
        "hint" => Hint::parse(name.text)
            .map(Subject::Hint)
            .ok_or_else(|| name.fault("no client hint", "platform, mobile, model or brand"))?,
        _ => Subject::Claim(name.text.into()),
    };
    Ok((subject, rest))
}

type Make = fn(&Piece<'_>, &str) -> Result<Test, ParseError>;

const TESTS: [(&str, Make); 3] =
    [("==", Test::equals), ("contains", Test::contains), ("~", Test::matches)];

fn test<'a>(piece: &Piece<'a>) -> Result<(Test, Piece<'a>), ParseError> {
    if piece.text.is_empty() {
        return Ok((Test::Present, *piece));
    }
    let read = |(operator, make): &(&str, Make)| Some((piece.after(operator)?.trimmed(), *make));
    let (value, make) =
        TESTS.iter().find_map(read).ok_or_else(|| word(piece).0.fault("no test", OPERATORS))?;
    if !value.text.starts_with('\'') {
        return Err(word(&value).0.fault("no quoted text behind the test", OPERATORS));
    }
    let quoted = text::quoted(&value)?;
    Ok((make(&quoted.piece, &quoted.text)?, quoted.rest))
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Everything => f.write_str("*"),
            Subject::Header(name) => write!(f, "header {name}{}", self.test),
            Subject::UserAgent => write!(f, "ua{}", self.test),
            Subject::Hint(hint) => write!(f, "hint {}{}", hint.as_str(), self.test),
            Subject::Claim(name) => write!(f, "claim {name}{}", self.test),
        }
    }
}
