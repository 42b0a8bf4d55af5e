//! What a client says on a WebSocket that it only listens to: signs of life, and goodbye.

use std::io;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// A control frame's payload at most (RFC 6455, 5.5).
const CONTROL_BYTES_MAX: u64 = 125;
/// Bytes that are read at once.
const READ_BYTES: usize = 512;

const PING: u8 = 0x9;
const CLOSE: u8 = 0x8;

/// What a client said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It wants an answer with the same payload.
    Ping(Vec<u8>),
    /// It leaves.
    Close,
    /// What no client may send.
    Nonsense,
    /// Anything else, which nobody here waits for.
    Other,
}

/// Reads frames and keeps none.
#[derive(Debug)]
pub(super) struct Listener<R> {
    read: R,
    buffer: BytesMut,
    /// Bytes of a frame's payload that nobody wants.
    skip: u64,
}

impl<R: AsyncRead + Unpin> Listener<R> {
    pub(super) fn new(read: R) -> Self {
        Self { read, buffer: BytesMut::new(), skip: 0 }
    }

    /// Waits for what the client says next.
    ///
    /// # Cancel safety
    ///
    /// A wait that is given up takes nothing with it.
    pub(super) async fn next(&mut self) -> io::Result<Heard> {
        loop {
            if let Some(heard) = self.take() {
                return Ok(heard);
            }
            self.buffer.reserve(READ_BYTES);
            let mut limited = (&mut self.read).take(READ_BYTES as u64);
            if limited.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Takes a frame from what was read. None: it is not there as a whole.
    fn take(&mut self) -> Option<Heard> {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(self.buffer.len());
        self.buffer.advance(skipped);
        self.skip -= skipped as u64;
        let (first, second) = (*self.buffer.first()?, *self.buffer.get(1)?);
        let (opcode, is_masked) = (first & 0x0f, second & 0x80 != 0);
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask_at = 2 + extended;
        let mask: [u8; 4] = self.buffer.get(mask_at..mask_at + 4)?.try_into().ok()?;
        let length = match self.buffer.get(2..mask_at)? {
            [] => u64::from(second & 0x7f),
            long => long.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        if !is_masked || opcode >= CLOSE && length > CONTROL_BYTES_MAX {
            return Some(Heard::Nonsense);
        }
        if opcode < CLOSE {
            self.buffer.advance(mask_at + 4);
            self.skip = length;
            return Some(Heard::Other);
        }
        let end = mask_at + 4 + usize::try_from(length).unwrap_or(usize::MAX);
        let payload = self.buffer.get(mask_at + 4..end)?;
        let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        let payload = payload.collect();
        self.buffer.advance(end);
        Some(match opcode {
            PING => Heard::Ping(payload),
            CLOSE => Heard::Close,
            _ => Heard::Other,
        })
    }
}

#[cfg(test)]
mod tests;
