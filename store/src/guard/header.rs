//! The header's two copies, each in one sector with a sequence number and a sum.

use super::{BLOCK_BYTES, FORMAT, damaged};
use crate::{disk::Disk, engine::Failure};

/// Bytes that redb keeps in the first block of its file.
pub(super) const HEADER: usize = 320;
pub(super) const HEADER_AT: usize = 24;

const MAGIC: [u8; 8] = *b"HGSTORE\0";
/// Bytes of one copy, which a disk writes as a whole or not at all.
const SECTOR: usize = 512;
const SUM_AT: usize = SECTOR - size_of::<u32>();

pub(super) fn header_copy(sequence: u64, header: &[u8; HEADER]) -> [u8; SECTOR] {
    let mut copy = [0; SECTOR];
    let fields: [(usize, &[u8]); 4] = [
        (0, &MAGIC),
        (8, &FORMAT.to_le_bytes()),
        (16, &sequence.to_le_bytes()),
        (HEADER_AT, header),
    ];
    for (at, field) in fields {
        for (place, byte) in copy.iter_mut().skip(at).zip(field) {
            *place = *byte;
        }
    }
    let sum = crc32fast::hash(copy.get(..SUM_AT).unwrap_or_default());
    for (place, byte) in copy.iter_mut().skip(SUM_AT).zip(sum.to_le_bytes()) {
        *place = byte;
    }
    copy
}

/// The newest copy that is whole, with its sequence number.
pub(super) fn read_header(disk: &dyn Disk) -> Result<(u64, [u8; HEADER]), Failure> {
    let mut newest = None;
    for at in [0, BLOCK_BYTES] {
        let mut copy = [0; SECTOR];
        disk.read(at, &mut copy)?;
        let Some((format, sequence, header)) = parse_header(&copy) else { continue };
        if format > FORMAT {
            return Err(Failure::Format { found: format, known: FORMAT });
        }
        if newest.as_ref().is_none_or(|(newest, _)| *newest < sequence) {
            newest = Some((sequence, header));
        }
    }
    newest.ok_or_else(|| damaged("no copy of the header is whole"))
}

/// Both copies are written before each sync, so a synced header survives the loss of one of them.
/// After a crash one may be older: what it says was true one sync ago, and nothing since then was
/// acknowledged.
fn parse_header(copy: &[u8; SECTOR]) -> Option<(u32, u64, [u8; HEADER])> {
    let (body, sum) = copy.split_at_checked(SUM_AT)?;
    if crc32fast::hash(body) != u32::from_le_bytes(sum.try_into().ok()?) {
        return None;
    }
    let format = body.get(8..12)?.try_into().ok()?;
    let sequence = body.get(16..24)?.try_into().ok()?;
    let header = body.get(HEADER_AT..HEADER_AT + HEADER)?.try_into().ok()?;
    (body.get(..8)? == MAGIC).then_some((
        u32::from_le_bytes(format),
        u64::from_le_bytes(sequence),
        header,
    ))
}
