//! Where the key of a published event is in its request.

use std::{fmt, str::FromStr};

use http::{HeaderMap, HeaderName};
use serde_json::Value;

use crate::{ParseError, text::Piece};

/// Bytes of a key at most, as of any attribute of an event.
pub const KEY_BYTES_MAX: usize = 255;
/// Steps of a path into a body; a parser's depth is bounded far above.
const STEPS_MAX: usize = 16;

const ALLOWED: &str = "`body.PATH` such as `body.order_id`, `header.NAME`, `device_id` or `user`";
const STEP: &str = "names of members, or positions in lists, with one dot between them";

/// Where a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventKey(Place);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// A member of the JSON body, step by step.
    Body(Box<[Box<str>]>),
    /// A header.
    Header(HeaderName),
    /// The one device.
    DeviceId,
    /// The caller's subject.
    User,
}

/// A request as far as keys are looked for in it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The body.
    pub body: &'a Value,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The one device. None: nobody has proved anything.
    pub device_id: Option<&'a str>,
    /// The caller's subject. None: nobody has proved anything.
    pub user: Option<&'a str>,
}

/// Why a request has no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// Nothing is there.
    #[error("there is nothing where the event's key is expected")]
    Absent,
    /// Something else than a text or a whole number is there.
    #[error("the event's key is neither a text nor a whole number")]
    NoText,
    /// It has no character, or too many.
    #[error("the event's key is empty or longer than 255 bytes")]
    Length,
}

impl NoKey {
    /// What is wrong, for whoever may only pass on a constant.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "there is nothing where the event's key is expected",
            Self::NoText => "the event's key is neither a text nor a whole number",
            Self::Length => "the event's key is empty or longer than 255 bytes",
        }
    }
}

impl EventKey {
    /// Whether a caller must have proved who it is.
    pub const fn needs_caller(&self) -> bool {
        matches!(self.0, Place::DeviceId | Place::User)
    }

    /// The key of a request.
    ///
    /// # Errors
    ///
    /// [`NoKey`].
    pub fn find(&self, asked: &Asked<'_>) -> Result<String, NoKey> {
        let key = match &self.0 {
            Place::Body(steps) => text(step_down(asked.body, steps)?)?,
            Place::Header(name) => {
                let value = asked.headers.get(name).ok_or(NoKey::Absent)?;
                value.to_str().map_err(|_| NoKey::NoText)?.to_owned()
            }
            Place::DeviceId => asked.device_id.ok_or(NoKey::Absent)?.to_owned(),
            Place::User => asked.user.ok_or(NoKey::Absent)?.to_owned(),
        };
        if (1..=KEY_BYTES_MAX).contains(&key.len()) { Ok(key) } else { Err(NoKey::Length) }
    }
}

fn step_down<'v>(body: &'v Value, steps: &[Box<str>]) -> Result<&'v Value, NoKey> {
    let step = |value: &'v Value, step: &str| match value {
        Value::Object(members) => members.get(step),
        Value::Array(list) => list.get(step.parse::<usize>().ok()?),
        _ => None,
    };
    let found =
        steps.iter().try_fold(body, |value, name| step(value, name)).ok_or(NoKey::Absent)?;
    if found.is_null() { Err(NoKey::Absent) } else { Ok(found) }
}

fn text(value: &Value) -> Result<String, NoKey> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        _ => Err(NoKey::NoText),
    }
}

impl FromStr for EventKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let whole = Piece::whole(text);
        if let Some(path) = whole.after("body.") {
            let steps: Vec<_> = path.split('.').collect();
            if steps.len() > STEPS_MAX {
                let what = format!("{} steps are too many", steps.len());
                return Err(path.fault(what, format!("at most {STEPS_MAX} steps")));
            }
            let is_plain = |step: &Piece<'_>| {
                let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                !step.text.is_empty() && step.text.chars().all(is_plain)
            };
            if let Some(step) = steps.iter().find(|step| !is_plain(step)) {
                return Err(step.fault("no name of a member", STEP));
            }
            return Ok(Self(Place::Body(steps.iter().map(|step| step.text.into()).collect())));
        }
        if let Some(name) = whole.after("header.") {
            let header = HeaderName::try_from(name.text);
            let header =
                header.map_err(|_| name.fault("no name of a header", "a header's name"))?;
            return Ok(Self(Place::Header(header)));
        }
        match text {
            "device_id" => Ok(Self(Place::DeviceId)),
            "user" => Ok(Self(Place::User)),
            _ => Err(whole.fault("no place of a key in a request", ALLOWED)),
        }
    }
}

/// As it is written.
impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Body(steps) => write!(f, "body.{}", steps.join(".")),
            Place::Header(name) => write!(f, "header.{name}"),
            Place::DeviceId => f.write_str("device_id"),
            Place::User => f.write_str("user"),
        }
    }
}

#[cfg(test)]
mod tests;
