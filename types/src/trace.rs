//! The two ids of W3C Trace Context.

use std::{fmt, str::FromStr};

/// Text that is no id: not lowercase hexadecimal of the right length, or all zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {digits} lowercase hexadecimal digits, not all zero")]
pub struct ParseIdError {
    digits: usize,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $digits:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Takes the bytes as they are, or none when all are zero, which W3C forbids.
            pub fn from_bytes(bytes: [u8; $bytes]) -> Option<Self> {
                (bytes != [0; $bytes]).then_some(Self(bytes))
            }

            /// The bytes, most significant first.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// The lowercase hexadecimal digits, without allocating.
            pub fn to_hex(&self) -> [u8; $digits] {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let mut hex = [b'0'; $digits];
                for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
                    let nibbles = [byte >> 4, byte & 15];
                    for (digit, nibble) in pair.iter_mut().zip(nibbles) {
                        *digit = DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
                    }
                }
                hex
            }

            /// Reads exactly the digits that [`Self::to_hex`] writes.
            ///
            /// # Errors
            ///
            /// [`ParseIdError`] for another length, for uppercase or other characters, for zeros.
            pub fn from_hex(hex: &[u8]) -> Result<Self, ParseIdError> {
                let error = ParseIdError { digits: $digits };
                if hex.len() != $digits {
                    return Err(error);
                }
                let mut bytes = [0; $bytes];
                for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
                    for digit in pair {
                        *byte = *byte << 4 | nibble(*digit).ok_or(error)?;
                    }
                }
                Self::from_bytes(bytes).ok_or(error)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(str::from_utf8(&self.to_hex()).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(hex: &str) -> Result<Self, Self::Err> {
                Self::from_hex(hex.as_bytes())
            }
        }
    };
}

id! {
    /// Names a series: the first exchange and everything that follows from it.
    TraceId, 16, 32
}

id! {
    /// Names one step of a series.
    SpanId, 8, 16
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
