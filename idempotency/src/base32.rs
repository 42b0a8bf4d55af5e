//! Bytes as lowercase letters and digits, for keys that people read and stores sort.

const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// RFC 4648 section 6 in lowercase, without padding: 8 digits for 5 bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity((bytes.len() * 8).div_ceil(5));
    let (mut bits, mut count) = (0_u32, 0);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(digit(bits >> count));
        }
    }
    if count > 0 {
        text.push(digit(bits << (5 - count)));
    }
    text
}

fn digit(bits: u32) -> char {
    DIGITS.get(bits as usize & 31).copied().map_or('a', char::from)
}

#[cfg(test)]
mod tests;
