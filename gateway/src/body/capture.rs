//! A body that is kept while it passes by.

use bytes::{Bytes, BytesMut};

/// Pieces of one body that are kept. A body in more of them is given up: each costs its handle,
/// however few bytes it has.
const PIECES_MAX: usize = 1_024;

/// Keeps a body that passes by, without a copy, up to a limit.
#[derive(Debug)]
pub(crate) struct Capture {
    pieces: Vec<Bytes>,
    bytes_max: usize,
    bytes: usize,
    is_over: bool,
}

impl Capture {
    /// Keeps up to so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { pieces: Vec::new(), bytes_max, bytes: 0, is_over: false }
    }

    /// Keeps a piece; above the limit everything is let go.
    pub(crate) fn keep(&mut self, piece: &Bytes) {
        if self.is_over {
            return;
        }
        self.bytes = self.bytes.saturating_add(piece.len());
        if self.bytes > self.bytes_max || self.pieces.len() == PIECES_MAX {
            self.is_over = true;
            self.pieces = Vec::new();
        } else {
            self.pieces.push(piece.clone());
        }
    }

    /// The body; none when it was above the limit. Only right once all of it has passed.
    pub(crate) fn whole(self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let mut pieces = self.pieces.into_iter();
        Some(match (pieces.next(), pieces.len()) {
            (None, _) => Bytes::new(),
            (Some(only), 0) => only,
            (Some(first), _) => {
                let mut all = BytesMut::from(first);
                pieces.for_each(|piece| all.extend_from_slice(&piece));
                all.freeze()
            }
        })
    }
}

#[cfg(test)]
mod tests;
