//! Where one WebSocket frame ends and the next begins (RFC 6455, 5.2), so that the edge can say
//! goodbye between two of them.

/// Close with status 1001, "going away", as a server sends it.
pub(crate) const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xe9];

/// The longest frame header: two bytes, eight of length, four of mask.
const HEADER_MAX: usize = 14;

/// Follows the bytes of one direction.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    header: [u8; HEADER_MAX],
    header_read: usize,
    payload_left: u64,
}

impl Frames {
    /// Reads on; returns the offset in `bytes` just behind the last frame that ended in them.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut last_end = None;
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.payload_left > 0 {
                let skipped =
                    rest.len().min(usize::try_from(self.payload_left).unwrap_or(usize::MAX));
                self.payload_left -= skipped as u64;
                rest = rest.get(skipped..).unwrap_or_default();
            } else {
                let Some((byte, behind)) = rest.split_first() else { break };
                rest = behind;
                self.read_header(*byte);
            }
            if self.is_between_frames() {
                last_end = Some(bytes.len() - rest.len());
            }
        }
        last_end
    }

    /// Whether a frame may begin here.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.header_read == 0 && self.payload_left == 0
    }

    fn read_header(&mut self, byte: u8) {
        if let Some(place) = self.header.get_mut(self.header_read) {
            *place = byte;
        }
        self.header_read += 1;
        let [_, second, length @ ..] = self.header;
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if self.header_read < 2 || self.header_read < 2 + extended + mask {
            return;
        }
        let extended = length.get(..extended).unwrap_or_default();
        self.payload_left = match extended {
            [] => u64::from(second & 0x7f),
            long => long.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        self.header_read = 0;
    }
}

#[cfg(test)]
mod tests;
