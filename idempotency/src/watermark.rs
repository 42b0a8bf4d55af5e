//! What is settled for ever: everything below a consumer group's offset.

/// A place in a log, as one consumer group counts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The consumer group.
    pub group: String,
    /// The topic. Where topics can be deleted and made again, with the topic's own id in it.
    pub topic: String,
    /// The partition.
    pub partition: u32,
}

/// The offset below which a group has settled every event of a partition.
///
/// It is a few bytes for each partition and never expires, so an event that comes again after its
/// record is gone, such as after a reset to the beginning, is still known as settled. To run events
/// again on purpose, use [`Scope::replay`](crate::Scope::replay) and a group of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermark(u64);

impl Watermark {
    /// Starts from the group's committed offset: the next one to read. None: nothing is settled.
    pub fn at(offset: Option<u64>) -> Self {
        Self(offset.unwrap_or_default())
    }

    /// Whether the event at an offset is settled already.
    pub const fn is_settled(self, offset: u64) -> bool {
        offset < self.0
    }

    /// Moves on once an offset is committed, and never back.
    pub fn advance(&mut self, next: u64) {
        self.0 = self.0.max(next);
    }

    /// The next offset to read.
    pub const fn next(self) -> u64 {
        self.0
    }
}
