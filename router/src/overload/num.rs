//! Conversions between counts and the real numbers that the control laws are written in.

use std::time::Duration;

/// The nearest count, saturating; not-a-number becomes 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a saturating cast is what is wanted"
)]
pub fn count(real: f64) -> u32 {
    real.round() as u32
}

/// The whole part as an index, saturating.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a saturating cast is what is wanted"
)]
pub fn index(real: f64) -> usize {
    real as usize
}

/// A length of time from seconds; negative and not-a-number become zero, the huge an hour.
pub(crate) fn seconds(real: f64) -> Duration {
    const LONGEST: f64 = 3600.0;
    if real > 0.0 { Duration::from_secs_f64(real.min(LONGEST)) } else { Duration::ZERO }
}

/// Spreads the bits of a key (the finalizer of `MurmurHash3`, Austin Appleby), so that every bit of
/// the result depends on every bit of the key.
pub(crate) const fn mix(mut key: u64) -> u64 {
    key ^= key >> 33;
    key = key.wrapping_mul(0xff51_afd7_ed55_8ccd);
    key ^= key >> 33;
    key = key.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    key ^ (key >> 33)
}

/// A number in [0, 1) from a key's bits.
pub(crate) fn unit(key: u64) -> f64 {
    (mix(key) >> 11) as f64 / (1_u64 << 53) as f64
}
