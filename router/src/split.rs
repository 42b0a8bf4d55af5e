//! Divides a route's requests between several upstreams, so that a unit keeps the one that it got.
//!
//! A unit is a device, a user or a trace. Its bucket is a number from 0 to 9,999, which anybody can
//! work out and which never changes:
//!
//! ```text
//! bucket = 10,000 × n / 2^32, rounded down
//! n      = the first 32 bits of SHA-256(salt ":" unit), the most significant bit first
//!
//! $ echo $((0x$(printf %s "tv/home:tv-4711" | sha256sum | cut -c1-8) * 10000 >> 32))
//! 4037
//! ```
//!
//! The buckets are cut into as many lanes of one width as there are arms. Arm `i` has the first
//! buckets of lane `i`, as many as its weight has parts; what is left of all lanes is the rest's.
//! Raising a weight therefore takes buckets from the rest and from nowhere else, in any order of
//! raises and without a memory of them. That is also why a weight ends at its lane: were three arms
//! free to grow as far as they like, two of them would have to start at the same bucket.
//!
//! A new salt draws all units anew. So do an arm more or less, which move the lanes. Equal salts
//! give a unit equal buckets on any route, so that a device that is among the first on one route is
//! among the first on the others.

use std::{fmt, ops::Range, str::FromStr, sync::Arc};

use sha2::{Digest as _, Sha256};

/// Buckets in all, and parts in a weight of 100 %.
pub const PARTS: u16 = 10_000;

/// Arms beside the rest: with more of them a lane is too narrow for what a test can show.
pub const ARMS_MAX: usize = 16;

/// A share of units in parts per 10,000, written `"5%"` or `"0.25%"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u16);

/// Text that is no weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a weight from \"0%\" to \"100%\" in steps of \"0.01%\"")]
pub struct ParseWeightError;

impl Weight {
    /// Nobody.
    pub const NONE: Self = Self(0);
    /// Everybody.
    pub const ALL: Self = Self(PARTS);

    /// Takes parts per 10,000; none above that.
    pub const fn from_parts(parts: u16) -> Option<Self> {
        if parts <= PARTS { Some(Self(parts)) } else { None }
    }

    /// Parts per 10,000.
    pub const fn parts(self) -> u16 {
        self.0
    }

    /// What is missing to 100 %.
    #[must_use]
    pub const fn rest(self) -> Self {
        Self(PARTS - self.0)
    }
}

impl FromStr for Weight {
    type Err = ParseWeightError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_suffix('%').ok_or(ParseWeightError)?;
        let (whole, hundredths) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str, most: usize| {
            let is_plain = (1..=most).contains(&text.len());
            (is_plain && text.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| text.parse::<u16>().ok())?
        };
        let scale = if hundredths.len() == 1 { 10 } else { 1 };
        let parts = digits(whole, 3)
            .zip(digits(hundredths, 2))
            .map(|(whole, hundredths)| whole * 100 + hundredths * scale);
        parts.and_then(Self::from_parts).ok_or(ParseWeightError)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, hundredths) = (self.0 / 100, self.0 % 100);
        match hundredths {
            0 => write!(f, "{whole}%"),
            tenths if tenths % 10 == 0 => write!(f, "{whole}.{}%", tenths / 10),
            hundredths => write!(f, "{whole}.{hundredths:02}%"),
        }
    }
}

/// The bucket of a unit, below [`PARTS`].
pub fn bucket(salt: &str, unit: &[u8]) -> u16 {
    let hash = Sha256::new().chain_update(salt).chain_update(b":").chain_update(unit).finalize();
    let first = hash.first_chunk().copied().map_or(0, u32::from_be_bytes);
    let scaled = (u64::from(first) * u64::from(PARTS)) >> u32::BITS;
    // 32 bits times 10,000, divided by 2^32, is below 10,000.
    u16::try_from(scaled).unwrap_or(PARTS - 1)
}

/// The most that each of so many arms can weigh: an even share.
pub fn lane(arms_count: usize) -> Weight {
    Weight(u16::try_from(usize::from(PARTS) / arms_count.max(1)).unwrap_or(PARTS))
}

/// How units are divided between arms and the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    salt: Arc<str>,
    weights: Vec<Weight>,
    lane: Weight,
}

/// Why units can't be divided so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More arms than [`ARMS_MAX`].
    #[error("{arms_count} arms, at most {ARMS_MAX}")]
    TooMany {
        /// The number of arms.
        arms_count: usize,
    },
    /// An arm that weighs more than its lane.
    #[error("weight {weight} is above {lane}, an even share of all arms")]
    AboveLane {
        /// The arm's position.
        arm: usize,
        /// What it should weigh.
        weight: Weight,
        /// The most that it can.
        lane: Weight,
    },
}

/// Where a unit goes, and by which bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The arm's position. None is the rest.
    pub arm: Option<usize>,
    /// The unit's bucket. None for a request without a unit, which always is the rest's.
    pub bucket: Option<u16>,
}

impl Split {
    /// Divides units between arms of these weights and the rest. The order of the arms is a part of
    /// the division.
    ///
    /// # Errors
    ///
    /// [`Error`], which whoever reads weights from people rules out before.
    pub fn new(
        salt: impl Into<Arc<str>>,
        weights: impl IntoIterator<Item = Weight>,
    ) -> Result<Self, Error> {
        let weights: Vec<_> = weights.into_iter().collect();
        if weights.len() > ARMS_MAX {
            return Err(Error::TooMany { arms_count: weights.len() });
        }
        let lane = lane(weights.len());
        if let Some((arm, weight)) = weights.iter().enumerate().find(|(_, weight)| **weight > lane)
        {
            return Err(Error::AboveLane { arm, weight: *weight, lane });
        }
        Ok(Self { salt: salt.into(), weights, lane })
    }

    /// What is hashed before the unit.
    pub fn salt(&self) -> &str {
        &self.salt
    }

    /// The buckets of an arm; none for one that is not there.
    pub fn range(&self, arm: usize) -> Option<Range<u16>> {
        let weight = self.weights.get(arm)?;
        let start = u16::try_from(arm).ok()?.checked_mul(self.lane.parts())?;
        Some(start..start + weight.parts())
    }

    /// Says where a unit goes. The same unit goes to the same arm for as long as salt and number of
    /// arms stay and no weight is lowered.
    pub fn choose(&self, unit: Option<&[u8]>) -> Choice {
        let bucket = unit.map(|unit| bucket(&self.salt, unit));
        Choice { arm: bucket.and_then(|bucket| self.arm_of(bucket)), bucket }
    }

    fn arm_of(&self, bucket: u16) -> Option<usize> {
        let arm = usize::from(bucket / self.lane.parts());
        self.range(arm)?.contains(&bucket).then_some(arm)
    }
}

#[cfg(test)]
mod tests;
