//! Picks by a key: calls with one key go to one endpoint for as long as that can be.
//!
//! Each endpoint has a score for each key, drawn by a hash of both, and the one with the highest is
//! asked: highest random weight (Thaler, Ravishankar, "Using Name-Based Mappings to Increase Hit
//! Rates"), with score = -weight / ln(draw) for shares by weight (Schindelhauer, Schomaker). An
//! endpoint that leaves takes only its own keys along, and those spread over all others; one that
//! comes gets only what is its own share. There is no table that would have to be built anew, and
//! the next best of a key is known too, for retries and for endpoints that may not be asked.
//!
//! No endpoint gets more than [`LOAD_MAX`] times its share of the calls in flight; beyond that, a
//! key's next best is asked (Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded
//! Loads"). So a key that everybody asks for does not bring its endpoint down.

use headgate_types::Moment;
use sha2::{Digest as _, Sha256};

use super::{Balancer, Call, Slot};

/// The most calls in flight at one endpoint, as a multiple of its share of all: the paper's balance
/// of 1.25, as `HAProxy`'s `hash-balance-factor` and Envoy's docs suggest.
pub const LOAD_MAX: f64 = 1.25;

/// A text as a key, or as what an endpoint's scores are drawn by: the first 64 bits of its SHA-256.
/// Alike in all edges and for ever.
pub fn key_of(text: &[u8]) -> u64 {
    Sha256::digest(text).first_chunk().copied().map_or(0, u64::from_be_bytes)
}

impl Balancer {
    /// Picks the best endpoint of a key that is not left out and has room, and counts the call as in
    /// flight until it ends. None when all are left out.
    pub fn pick_for(
        &self,
        key: u64,
        now: Moment,
        is_left_out: impl Fn(usize) -> bool,
    ) -> Option<Call> {
        let open = || self.endpoints.iter().enumerate().filter(|(index, _)| !is_left_out(*index));
        let sums = open().fold((0.0, 0.0), |(calls, weights), (_, slot)| {
            (calls + slot.endpoint.calls() as f64, weights + slot.weight())
        });
        let (calls, weights) = sums;
        let has_room = |slot: &Slot| {
            let share = (calls + 1.0) * slot.weight() / weights;
            (slot.endpoint.calls() as f64) < (share * LOAD_MAX).ceil()
        };
        // Among equal weights the draws stand as the scores do, and cost no logarithm.
        let score = |slot: &Slot| match slot.draw(key) {
            draw if self.is_weighted => -slot.weight() / draw.ln(),
            draw => draw,
        };
        let scored = open().map(|(index, slot)| (score(slot), has_room(slot), index, slot));
        // Calls begin and end meanwhile: where nobody seems to have room, the best is asked.
        let (.., index, slot) = scored.max_by(|(score, room, ..), (other, other_room, ..)| {
            room.cmp(other_room).then(score.total_cmp(other))
        })?;
        Some(Call::start(index, slot.endpoint.clone(), now))
    }
}

impl Slot {
    fn weight(&self) -> f64 {
        f64::from(self.place.weight.get())
    }

    /// What is drawn for it by a key, above 0 and below 1.
    fn draw(&self, key: u64) -> f64 {
        // In the middle of each of 2^53 steps, so that it is neither.
        ((mixed(self.place.seed ^ mixed(key)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }
}

/// All bits of a number depend on all others: the finalizer of `SplitMix64` (Steele, Lea, Flood).
const fn mixed(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
