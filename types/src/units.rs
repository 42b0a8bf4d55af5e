//! Values that carry their unit: sizes, lengths of time, ratios.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Text that is no value with a unit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct ParseUnitError {
    expected: &'static str,
}

const A_SIZE: ParseUnitError =
    ParseUnitError { expected: "a size such as \"512B\", \"64KiB\" or \"1MiB\"" };
const A_DURATION: ParseUnitError =
    ParseUnitError { expected: "a duration such as \"250ms\", \"30s\", \"5m\" or \"24h\"" };
const A_RATIO: ParseUnitError =
    ParseUnitError { expected: "a ratio such as \"10%\" or 0.1, from 0 to 1" };

/// A number of bytes, written `"512B"`, `"64KiB"`, `"1MiB"` or `"2GiB"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

const SIZE_UNITS: [(&str, u64); 4] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl ByteSize {
    /// That many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, factor) = SIZE_UNITS
            .iter()
            .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
            .ok_or(A_SIZE)?;
        let bytes = digits(number).and_then(|number| number.checked_mul(factor));
        bytes.map(Self).ok_or(A_SIZE)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole =
            |(_, factor): &&(&str, u64)| self.0 >= *factor && self.0.is_multiple_of(*factor);
        let (unit, factor) = SIZE_UNITS.iter().find(whole).copied().unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

/// Reads a length of time: a whole number and `ms`, `s`, `m`, `h` or `d`.
///
/// # Errors
///
/// [`ParseUnitError`] when the number or the unit is missing, or the length overflows.
pub fn parse_duration(text: &str) -> Result<Duration, ParseUnitError> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or(A_DURATION)?;
    let (number, unit) = text.split_at_checked(unit_at).ok_or(A_DURATION)?;
    let number = digits(number).ok_or(A_DURATION)?;
    let millis_each = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(A_DURATION),
    };
    number.checked_mul(millis_each).map(Duration::from_millis).ok_or(A_DURATION)
}

/// Writes a length of time as [`parse_duration`] reads it, in the largest unit that loses nothing.
/// Parts of a millisecond are dropped.
pub fn format_duration(length: Duration) -> String {
    let millis = length.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let whole = units.iter().find(|(_, each)| millis >= *each && millis.is_multiple_of(*each));
    whole.map_or_else(|| format!("{millis}ms"), |(unit, each)| format!("{}{unit}", millis / each))
}

/// A share from 0 to 1, written `"10%"` or `0.1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Ratio(f64);

impl Ratio {
    /// Takes a share from 0 to 1; none for anything else.
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    /// The share, from 0 to 1.
    pub const fn as_f64(self) -> f64 {
        self.0
    }
}

impl FromStr for Ratio {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let share = match text.strip_suffix('%') {
            Some(percent) => percent.parse::<f64>().map(|percent| percent / 100.0),
            None => text.parse(),
        };
        share.ok().and_then(Self::new).ok_or(A_RATIO)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0 * 100.0)
    }
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

macro_rules! text_in_documents {
    ($name:ident, $schema:literal, $pattern:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $schema.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

text_in_documents!(ByteSize, "ByteSize", "^[0-9]+(B|KiB|MiB|GiB)$");
text_in_documents!(Ratio, "Ratio", "^[0-9]+(\\.[0-9]+)?%?$");

#[cfg(test)]
mod tests;
