//! Whose turn it is, where classes share what they can't all have at once.
//!
//! Start-time fair queueing over the four classes (Goyal, Vin, Cheng, 1996): while all wait, each
//! has three turns where the next less important one has one. What a class leaves is the others',
//! and one that had nothing waiting has saved nothing up. So a class that stays within its share
//! hardly waits, however much of the others' waits, and none of them stands still.

use headgate_types::Class;

/// What a turn costs, by [`Class::ALL`]: of 40 turns 27, 9, 3 and 1 while all wait.
const COSTS: [u64; 4] = [1, 3, 9, 27];

/// The turns of the four classes.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// When the last turn began, in costs.
    now: u64,
    /// From when on each class may have its next turn.
    next: [u64; 4],
}

impl Turns {
    /// Whose turn it is among those of whom something waits; of equals the more important. None:
    /// nobody waits.
    pub fn next(&self, waits: impl Fn(Class) -> bool) -> Option<Class> {
        Class::ALL.into_iter().filter(|class| waits(*class)).min_by_key(|class| self.start(*class))
    }

    /// A class has had its turn.
    pub fn took(&mut self, class: Class) {
        self.now = self.start(class);
        if let (Some(next), Some(cost)) =
            (self.next.get_mut(class.index()), COSTS.get(class.index()))
        {
            *next = self.now.saturating_add(*cost);
        }
    }

    fn start(&self, class: Class) -> u64 {
        self.next.get(class.index()).copied().unwrap_or_default().max(self.now)
    }
}

#[cfg(test)]
mod tests;
