//! The one spelling of a path that routes match and endpoints receive.
//!
//! A gateway whose reading of a path differs from its origin's can be walked around: a request for
//! `/tv/%2e%2e/admin` would match what team tv owns and be served as `/admin`. So every path is
//! brought into one spelling before it is matched, that spelling is what goes on, and what
//! readers are known to read differently is refused.
//!
//! RFC 3986, 6.2.2 is the base; beyond it, in the direction of what origins do:
//!
//! * Escapes of letters, digits, `-._~` and of `!$&'()*+:@` are decoded. `,`, `;` and `=` can
//!   separate values inside a segment, so they and their escapes stay apart; a pattern's literals
//!   can't hold them, and are compared with a segment up to its first semicolon.
//! * Whatever RFC 3986 does not allow in a path (quotes, braces, spaces, non-ASCII) is escaped, and
//!   all escapes are in upper case.
//! * `.` and `..` segments are resolved, also when they were escaped.
//! * Empty segments are merged, as nginx does (`merge_slashes`); an empty last one, the trailing
//!   slash, counts.
//!
//! Escapes are decoded once: `%252e` is the text `%2e`, and stays so.

use std::{borrow::Cow, fmt};

/// The prefix of the edge's own paths, which no route and no claim can take.
pub const RESERVED_PREFIX: &str = "/_headgate/";

/// Whether a normalized path belongs to the edge itself.
pub fn is_reserved(path: &str) -> bool {
    let first = path.strip_prefix('/').and_then(|path| path.split('/').next());
    first.is_some_and(|segment| name_of(segment) == RESERVED_SEGMENT)
}

const RESERVED_SEGMENT: &str = "_headgate";

/// A segment of a normalized path without its parameters (`;x=1`).
///
/// What literals are compared with: a servlet container serves `/tv/admin;x` as `/tv/admin`, so
/// the route for that must take it, and not one that is open to everybody.
pub fn name_of(segment: &str) -> &str {
    // Most segments have neither, and one look tells.
    let Some(at) = segment.find([';', '%']) else { return segment };
    let (before, after) = segment.split_at_checked(at).unwrap_or((segment, ""));
    if after.starts_with(';') {
        return before;
    }
    let parameters = segment.find(';').into_iter().chain(segment.find("%3B")).min();
    parameters.and_then(|at| segment.get(..at)).unwrap_or(segment)
}

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathFault {
    /// It does not start with a slash.
    NotAbsolute,
    /// A percent sign without two hexadecimal digits.
    MalformedEscape,
    /// An escaped slash or backslash, which some readers take for a separator.
    EscapedSeparator,
    /// A backslash, which some readers take for a slash.
    Backslash,
    /// A control character, a question mark or a number sign, escaped or not.
    ForbiddenCharacter,
    /// Escapes that are not UTF-8, among them overlong spellings of a slash or a dot.
    NotUtf8,
    /// A `..` that leaves the root.
    AboveRoot,
    /// An empty segment, `.` or `..` with parameters (`..;x`), which some readers resolve and some
    /// do not.
    BareParameters,
}

impl PathFault {
    /// The fault in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAbsolute => "path does not start with a slash",
            Self::MalformedEscape => "path has a percent sign without two hexadecimal digits",
            Self::EscapedSeparator => "path has an escaped slash or backslash",
            Self::Backslash => "path has a backslash",
            Self::ForbiddenCharacter => "path has a character that no path can have",
            Self::NotUtf8 => "path has escapes that are not utf-8",
            Self::AboveRoot => "path leaves the root",
            Self::BareParameters => "path has a segment of parameters alone",
        }
    }
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for PathFault {}

/// Brings a path into its one spelling; borrowed when it already has it, without allocation.
///
/// The result starts with a slash, has no empty segment but perhaps a last one, no dot segment,
/// and is its own normal form.
///
/// # Errors
///
/// [`PathFault`] for what different readers read differently; the request is to be refused.
pub fn normalize(path: &str) -> Result<Cow<'_, str>, PathFault> {
    if is_plainly_normal(path) {
        return Ok(Cow::Borrowed(path));
    }
    let segments = path.strip_prefix('/').ok_or(PathFault::NotAbsolute)?.split('/');
    let mut normal = String::with_capacity(path.len());
    let mut ends_with_slash = false;
    for segment in segments {
        let at = normal.len();
        normal.push('/');
        push_segment(&mut normal, segment)?;
        let pushed = normal.get(at + 1..).unwrap_or_default();
        refuse_bare_parameters(pushed)?;
        ends_with_slash = matches!(pushed, "" | "." | "..");
        let leaves = pushed == "..";
        if ends_with_slash {
            normal.truncate(at);
        }
        if leaves {
            let parent = normal.rfind('/').ok_or(PathFault::AboveRoot)?;
            normal.truncate(parent);
        }
    }
    if ends_with_slash {
        normal.push('/');
    }
    Ok(if normal == path { Cow::Borrowed(path) } else { Cow::Owned(normal) })
}

/// Whether no byte needs a second look. A dot or a semicolon after a slash does.
fn is_plainly_normal(path: &str) -> bool {
    let mut previous = 0;
    let is_plain = path.bytes().all(|byte| {
        let follows_slash = previous == b'/';
        previous = byte;
        match byte {
            b'/' | b'.' | b';' if follows_slash => false,
            b'/' => true,
            other => IS_PATH_CHARACTER.get(usize::from(other)).is_some_and(|is| *is),
        }
    });
    is_plain && path.starts_with('/')
}

/// [`is_path_character`] as a table: every request's path goes through it byte by byte.
const IS_PATH_CHARACTER: [bool; 256] = {
    let mut table = [false; 256];
    let (mut byte, mut index) = (0_u8, 0_usize);
    while index < table.len() {
        #[expect(clippy::indexing_slicing, reason = "checked by the compiler: this is a constant")]
        let entry = &mut table[index];
        *entry = is_path_character(byte);
        byte = byte.wrapping_add(1);
        index += 1;
    }
    table
};

/// RFC 3986's `pchar` without escapes.
const fn is_path_character(byte: u8) -> bool {
    is_decoded(byte) || matches!(byte, b',' | b';' | b'=')
}

/// What is never left as an escape.
const fn is_decoded(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~')
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b':' | b'@')
}

fn push_segment(normal: &mut String, segment: &str) -> Result<(), PathFault> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let is_escape = byte == b'%';
        let byte = if is_escape { unescape(&mut bytes)? } else { byte };
        match byte {
            b'/' | b'\\' if is_escape => return Err(PathFault::EscapedSeparator),
            b'\\' => return Err(PathFault::Backslash),
            b'?' | b'#' if !is_escape => return Err(PathFault::ForbiddenCharacter),
            control if control.is_ascii_control() => return Err(PathFault::ForbiddenCharacter),
            plain if is_decoded(plain) || (!is_escape && is_path_character(plain)) => {
                normal.push(char::from(plain));
            }
            other => push_escape(normal, other),
        }
        decoded.push(byte);
    }
    std::str::from_utf8(&decoded).map(|_| ()).map_err(|_| PathFault::NotUtf8)
}

fn unescape(bytes: &mut std::str::Bytes<'_>) -> Result<u8, PathFault> {
    let mut digit = || {
        let value = bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        value.and_then(|value| u8::try_from(value).ok()).ok_or(PathFault::MalformedEscape)
    };
    Ok(digit()? << 4 | digit()?)
}

fn push_escape(normal: &mut String, byte: u8) {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    normal.push('%');
    normal.push(digit(byte >> 4).to_ascii_uppercase());
    normal.push(digit(byte & 0xF).to_ascii_uppercase());
}

/// Servlet containers cut a segment at its semicolon before they merge slashes and resolve dots.
fn refuse_bare_parameters(segment: &str) -> Result<(), PathFault> {
    let name = name_of(segment);
    let is_bare = matches!(name, "" | "." | "..") && name != segment;
    if is_bare { Err(PathFault::BareParameters) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
