//! Shuffle sharding: each tenant has a few places of many, and hardly two have the same.

/// Most cards of a hand.
pub const HAND_MAX: usize = 8;

/// The places that a key may use: a few different ones of many, the same each time.
///
/// With hands of 2 of 8 workers there are 28 hands, so a tenant that wrecks its workers takes
/// everything from one other tenant in 28, and half from most; with hands of 6 of 256 queues,
/// sixteen flooding tenants squash a seventeenth with a probability of 9e-4 (Amazon Builders'
/// Library, "Workload isolation using shuffle-sharding"; dealt as in Kubernetes' API Priority and
/// Fairness).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hand {
    cards: [usize; HAND_MAX],
    len: usize,
}

impl Hand {
    /// Deals `size` different places below `count`: [`HAND_MAX`] at most, and all where there are
    /// no more.
    ///
    /// Takes one number after the other from the key's bits by division with remainder, so every
    /// hand is as likely as any other as long as the number of hands is far below 2^64.
    pub fn deal(key: u64, count: usize, size: usize) -> Self {
        let len = size.min(HAND_MAX).min(count);
        let mut hand = Self { cards: [0; HAND_MAX], len };
        let mut bits = super::num::mix(key);
        for dealt in 0..len {
            let left = u64::try_from(count - dealt).unwrap_or(u64::MAX);
            let mut card = usize::try_from(bits % left).unwrap_or(0);
            bits /= left;
            // The card's place among those that are left. The first `dealt` ones are ascending.
            let mut place = 0;
            for taken in hand.cards.iter().take(dealt) {
                if card < *taken {
                    break;
                }
                card += 1;
                place += 1;
            }
            if let Some(rest) = hand.cards.get_mut(place..=dealt) {
                rest.rotate_right(1);
            }
            if let Some(slot) = hand.cards.get_mut(place) {
                *slot = card;
            }
        }
        hand
    }

    /// The places, ascending.
    pub fn places(&self) -> &[usize] {
        self.cards.get(..self.len).unwrap_or_default()
    }

    /// The place with the least load; none of an empty hand.
    pub fn lightest<L: PartialOrd>(&self, load: impl Fn(usize) -> L) -> Option<usize> {
        let mut places = self.places().iter().map(|place| (*place, load(*place)));
        let first = places.next()?;
        let lighter =
            |best: (usize, L), next: (usize, L)| if next.1 < best.1 { next } else { best };
        Some(places.fold(first, lighter).0)
    }
}

#[cfg(test)]
mod tests;
