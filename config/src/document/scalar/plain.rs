//! Names and numbers.

/// Bytes of a name: it goes into headers, metrics and logs.
const NAME_BYTES_MAX: usize = 64;

/// Whether it is a name of letters, digits, `-` and `_`.
pub(super) fn is_name(text: &str) -> bool {
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    begins_well && text.len() <= NAME_BYTES_MAX && text.bytes().all(is_plain)
}

/// Reads a number of nothing but digits.
pub(super) fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
