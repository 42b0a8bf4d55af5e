//! Which exchanges somebody wants to see: `route==home && outcome!=ok && duration>=500ms`.
//!
//! Conditions on the members of an access line, all of which must hold. A value is a bare word, or
//! any text in single quotes. Texts take `==`, `!=`, `contains` and `~` with a regular expression;
//! counts and lengths `==`, `!=`, `>=`, `>`, `<=` and `<`.

use std::{borrow::Cow, cmp::Ordering};

use headgate_types::parse_duration;

use crate::{
    ParseError,
    text::{self, Piece},
    value::Test,
};

/// Bytes of a filter at most: longer than anybody types.
const FILTER_BYTES_MAX: usize = 1_024;
/// Conditions of a filter at most, since each line is asked about all of them.
pub const CONDITIONS_MAX: usize = 16;

/// Conditions, all of which must hold. None holds for everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(Vec<Condition>);

/// The members that a filter may name.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Those that are texts.
    pub texts: &'static [&'static str],
    /// Those that are whole numbers.
    pub counts: &'static [&'static str],
    /// Those that are lengths of time, told in microseconds.
    pub lengths: &'static [&'static str],
}

/// The members of one line.
pub trait Members {
    /// The text of a member. None: the line does not have it.
    fn text(&self, name: &str) -> Option<&str>;

    /// The number of a member; of a length, its microseconds. None: the line does not have it.
    fn number(&self, name: &str) -> Option<u64>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    member: Box<str>,
    test: Demand,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Demand {
    Text(Test),
    /// Any text but this one, or none.
    NotText(Box<str>),
    Number(Operator, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Is,
    IsNot,
    AtLeast,
    Above,
    AtMost,
    Below,
    Contains,
    Matches,
}

/// The longer ones first, which begin as the shorter ones.
const OPERATORS: [(&str, Operator); 8] = [
    ("==", Operator::Is),
    ("!=", Operator::IsNot),
    (">=", Operator::AtLeast),
    (">", Operator::Above),
    ("<=", Operator::AtMost),
    ("<", Operator::Below),
    ("contains", Operator::Contains),
    ("~", Operator::Matches),
];

const OF_TEXTS: &str = "==, !=, contains or ~ behind a text";
const OF_NUMBERS: &str = "==, !=, >=, >, <= or < behind a number";

impl Operator {
    /// Whether a number passes that compares so with the wanted one.
    const fn takes(self, ordering: Ordering) -> bool {
        match self {
            Self::Is => ordering.is_eq(),
            Self::IsNot => ordering.is_ne(),
            Self::AtLeast => ordering.is_ge(),
            Self::Above => ordering.is_gt(),
            Self::AtMost => ordering.is_le(),
            Self::Below => ordering.is_lt(),
            Self::Contains | Self::Matches => false,
        }
    }
}

impl Filter {
    /// Reads a filter. An empty text holds for everything.
    ///
    /// # Errors
    ///
    /// [`ParseError`] with the place of what is wrong.
    pub fn parse(text: &str, known: &Known) -> Result<Self, ParseError> {
        let whole = Piece::whole(text);
        if text.len() > FILTER_BYTES_MAX {
            let allowed = format!("at most {FILTER_BYTES_MAX} bytes");
            return Err(whole.fault("the filter is too long", allowed));
        }
        let mut conditions = Vec::new();
        let mut rest = whole.trimmed();
        if rest.text.is_empty() {
            return Ok(Self(conditions));
        }
        loop {
            if conditions.len() == CONDITIONS_MAX {
                let allowed = format!("at most {CONDITIONS_MAX} conditions");
                return Err(rest.fault("too many conditions", allowed));
            }
            let (condition, after) = condition(&rest, known)?;
            conditions.push(condition);
            let after = after.trimmed();
            if after.text.is_empty() {
                return Ok(Self(conditions));
            }
            let next = after.after("&&");
            let faulty = || after.fault("text behind the condition", "&& and another one");
            rest = next.ok_or_else(faulty)?.trimmed();
        }
    }

    /// Whether all conditions hold for a line. A member that it does not have is not equal to
    /// anything.
    pub fn holds(&self, line: &impl Members) -> bool {
        self.0.iter().all(|condition| {
            let member = &*condition.member;
            match &condition.test {
                Demand::Text(test) => {
                    line.text(member).is_some_and(|text| test.accepts(text.as_bytes()))
                }
                Demand::NotText(unwanted) => line.text(member) != Some(&**unwanted),
                Demand::Number(operator, wanted) => match line.number(member) {
                    Some(number) => operator.takes(number.cmp(wanted)),
                    None => *operator == Operator::IsNot,
                },
            }
        })
    }
}

fn condition<'a>(piece: &Piece<'a>, known: &Known) -> Result<(Condition, Piece<'a>), ParseError> {
    let is_end = |character: char| !(character.is_ascii_alphanumeric() || character == '_');
    let (member, rest) = piece.divide_before(is_end);
    let rest = rest.trimmed();
    let is_text = known.texts.contains(&member.text);
    let is_count = known.counts.contains(&member.text);
    if !(is_text || is_count || known.lengths.contains(&member.text)) {
        let allowed = [known.texts, known.counts, known.lengths].concat().join(", ");
        return Err(member.fault("no member of access lines", allowed));
    }
    let read = |(sign, operator): &(&str, Operator)| Some((*operator, rest.after(sign)?.trimmed()));
    let allowed = if is_text { OF_TEXTS } else { OF_NUMBERS };
    let (operator, value) =
        OPERATORS.iter().find_map(read).ok_or_else(|| rest.fault("no test", allowed))?;
    let (value, rest) = value_of(&value)?;
    let test = if is_text {
        of_text(operator, &value).unwrap_or_else(|| Err(rest.fault("no test of a text", OF_TEXTS)))
    } else {
        let number = number(&value, is_count)?;
        match operator {
            Operator::Contains | Operator::Matches => {
                Err(rest.fault("no test of a number", OF_NUMBERS))
            }
            operator => Ok(Demand::Number(operator, number)),
        }
    };
    Ok((Condition { member: member.text.into(), test: test? }, rest))
}

/// A value, and the piece that it was read from.
struct Value<'a> {
    text: Cow<'a, str>,
    piece: Piece<'a>,
}

fn value_of<'a>(piece: &Piece<'a>) -> Result<(Value<'a>, Piece<'a>), ParseError> {
    if piece.text.starts_with('\'') {
        let quoted = text::quoted(piece)?;
        return Ok((Value { text: quoted.text, piece: quoted.piece }, quoted.rest));
    }
    let (word, rest) =
        piece.divide_before(|character| character.is_ascii_whitespace() || character == '&');
    if word.text.is_empty() {
        return Err(word.fault("no value", "a word, or any text in single quotes"));
    }
    Ok((Value { text: word.text.into(), piece: word }, rest))
}

/// None for an operator that compares numbers.
fn of_text(operator: Operator, value: &Value<'_>) -> Option<Result<Demand, ParseError>> {
    let Value { text, piece } = value;
    Some(match operator {
        Operator::Is => Test::equals(piece, text).map(Demand::Text),
        Operator::Contains => Test::contains(piece, text).map(Demand::Text),
        Operator::Matches => Test::matches(piece, text).map(Demand::Text),
        Operator::IsNot => Ok(Demand::NotText(text.as_ref().into())),
        _ => return None,
    })
}

fn number(value: &Value<'_>, is_count: bool) -> Result<u64, ParseError> {
    let Value { text, piece } = value;
    if is_count {
        return text.parse().map_err(|_| piece.fault("no whole number", "such as 503"));
    }
    let length = parse_duration(text).map_err(|_| piece.fault("no length", "such as 500ms"))?;
    Ok(u64::try_from(length.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
