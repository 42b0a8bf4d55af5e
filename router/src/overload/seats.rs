//! The permits that are out, counted per class in one atomic word.

use super::sync::{AtomicU64, Ordering};

/// Classes that are counted.
const CLASSES: usize = 4;
const LANE_BITS: usize = 16;
const LANE: u64 = 0xffff;

/// How many requests of each class are in flight.
///
/// The four counts share one word, so that taking a seat compares the sum with the limit and adds
/// one in a single compare-exchange: a check followed by an add lets two threads take the last seat
/// (Netflix concurrency-limits 234, Zuul 1892).
#[derive(Debug)]
pub struct Seats {
    word: AtomicU64,
}

/// What a class may take: bounds on sums of counts. Neither may exceed 65,535.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most seats taken by all classes together.
    pub total: u32,
    /// Most seats taken by this class and those below it together.
    pub own_and_lower: u32,
}

/// Which bound left no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// All seats are taken; so many.
    Total(u32),
    /// The seats left are kept for higher classes; so many are taken by this and lower classes.
    Reserve(u32),
}

impl Default for Seats {
    fn default() -> Self {
        Self { word: AtomicU64::new(0) }
    }
}

impl Seats {
    /// Takes a seat for a class (0 is the highest), or says which bound is reached.
    ///
    /// # Errors
    ///
    /// [`Full`] when no seat is left within the bounds; nothing was taken.
    pub fn take(&self, class: usize, bounds: Bounds) -> Result<u32, Full> {
        let mut word = self.word.load(Ordering::SeqCst);
        loop {
            let total = sum(word, 0);
            if total >= bounds.total.min(0xffff) {
                return Err(Full::Total(total));
            }
            let own_and_lower = sum(word, class);
            if own_and_lower >= bounds.own_and_lower {
                return Err(Full::Reserve(own_and_lower));
            }
            let taken = word + one(class);
            match self.word.compare_exchange(word, taken, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Ok(total + 1),
                Err(seen) => word = seen,
            }
        }
    }

    /// Gives back a seat that [`Seats::take`] gave to that class.
    pub fn give(&self, class: usize) {
        let before = self.word.fetch_sub(one(class), Ordering::SeqCst);
        debug_assert!(sum(before, class) > sum(before, class + 1), "a seat is given back once");
    }

    /// Seats taken by all classes.
    pub fn total(&self) -> u32 {
        sum(self.word.load(Ordering::SeqCst), 0)
    }

    /// Seats taken by the classes above this one.
    pub fn above(&self, class: usize) -> u32 {
        let word = self.word.load(Ordering::SeqCst);
        sum(word, 0) - sum(word, class)
    }

    /// Seats taken, per class.
    pub fn counts(&self) -> [u32; CLASSES] {
        let word = self.word.load(Ordering::SeqCst);
        std::array::from_fn(|class| sum(word, class) - sum(word, class + 1))
    }
}

fn one(class: usize) -> u64 {
    1 << (class.min(CLASSES - 1) * LANE_BITS)
}

/// The seats of a class and all below it.
fn sum(word: u64, from: usize) -> u32 {
    let lanes = (from..CLASSES).map(|class| (word >> (class * LANE_BITS)) & LANE);
    u32::try_from(lanes.sum::<u64>()).unwrap_or(u32::MAX)
}
