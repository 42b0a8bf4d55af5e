//! Joins what an edge keeps itself with what the log has of the other edges, by time.

use std::cmp::Ordering;

use headgate_admin::{HistoryEntry, HistoryPlace};
use headgate_types::UnixTime;

/// Entries of one moment in one of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) time: UnixTime,
    /// Where reading goes on behind it.
    pub(super) next: u64,
    /// Those that are to be told; maybe none.
    pub(super) entries: Vec<HistoryEntry>,
}

/// What was read of one of the two, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) pieces: Vec<Piece>,
    /// Whether there may be more behind; never where nothing was read.
    pub(super) is_more: bool,
}

/// Entries of both in the order of their times, and where the next page begins; none at the end.
///
/// Where one of them is read to its end while it has more behind, the page ends: what comes there
/// may be older than what is left of the other.
pub(super) fn joined(
    (own, shared): (Side, Side),
    from: HistoryPlace,
) -> (Vec<HistoryEntry>, Option<HistoryPlace>) {
    let mut place = from;
    let mut entries = Vec::new();
    let is_more = (own.is_more, shared.is_more);
    let (mut own, mut shared) =
        (own.pieces.into_iter().peekable(), shared.pieces.into_iter().peekable());
    let is_next = loop {
        let first = match (own.peek(), shared.peek()) {
            (None, _) if is_more.0 => break true,
            (_, None) if is_more.1 => break true,
            (None, None) => break false,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(own), Some(shared)) => own.time.cmp(&shared.time),
        };
        let piece = if first == Ordering::Greater { shared.next() } else { own.next() };
        let Some(piece) = piece else { break false };
        match first {
            Ordering::Greater => place.shared = Some(piece.next),
            _ => place.own = piece.next,
        }
        entries.extend(piece.entries);
    };
    (entries, is_next.then_some(place))
}

#[cfg(test)]
mod tests;
