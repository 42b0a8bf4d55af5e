//! The version of a client's app, as far as versions can be compared.

use std::fmt;

/// Numbers of a version that count; what follows them is not looked at.
const PARTS: usize = 4;

/// A dotted version number such as `7.2.1`. Numbers that are not written are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version([u32; PARTS]);

impl Version {
    /// Reads up to four numbers with dots between them from the start of a text, and tells how many
    /// bytes they take. None where no number begins the text, or one is above 4,294,967,295.
    pub fn leading(text: &[u8]) -> Option<(Self, usize)> {
        let mut version = Self::default();
        let (mut at, mut parts) = (0, version.0.iter_mut());
        for part in &mut parts {
            let rest = text.get(at..)?;
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                // A dot that no number follows is not the version's.
                return (at > 0).then(|| (version, at - 1));
            }
            for byte in rest.iter().take(digits) {
                *part = part.checked_mul(10)?.checked_add(u32::from(byte - b'0'))?;
            }
            at += digits;
            if text.get(at) != Some(&b'.') {
                return Some((version, at));
            }
            at += 1;
        }
        Some((version, at - 1))
    }

    /// Reads a text that is a version and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let (version, bytes) = Self::leading(text.as_bytes())?;
        (bytes == text.len()).then_some(version)
    }

    /// The least version above this one; none above the greatest.
    pub fn next(mut self) -> Option<Self> {
        for part in self.0.iter_mut().rev() {
            if let Some(next) = part.checked_add(1) {
                *part = next;
                return Some(self);
            }
            *part = 0;
        }
        None
    }
}

/// Without the zeros at its end: `7.2.0` is `7.2`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.iter().rposition(|part| *part > 0).map_or(1, |last| last + 1);
        for (at, part) in self.0.iter().take(count).enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            write!(f, "{part}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
