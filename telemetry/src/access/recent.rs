//! The lines of recent exchanges, kept in memory for whoever asks why.

use std::{
    cell::Cell,
    collections::VecDeque,
    fmt,
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use headgate_types::{TraceId, UnixTime};
use parking_lot::{Mutex, MutexGuard};

use super::{Detail, Line, json};
use crate::labels::Kept;

/// Parts of the memory at most. A thread keeps to one, so that up to this many never meet.
pub const PARTS_MAX: usize = 16;
/// What an exchange takes beside its line.
const ENTRY_BYTES: usize = size_of::<Entry>();

thread_local! {
    /// The place that the thread keeps to; [`usize::MAX`] until it has one.
    static PLACE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Keeps the lines of the exchanges that have ended last, in memory that does not grow.
///
/// Each kind of end has a share of its own, so that a flood of one does not push the others out.
pub struct Recent {
    parts: Box<[Aligned]>,
    next_place: AtomicUsize,
}

/// Apart from its neighbors, so that threads do not share a cache line.
#[repr(align(128))]
struct Aligned(Mutex<Part>);

struct Part {
    /// Where a line is written before its length is known.
    scratch: Vec<u8>,
    rings: [Ring; Kept::ALL.len()],
}

struct Ring {
    bytes_max: usize,
    /// The lines, one behind the other.
    bytes: VecDeque<u8>,
    /// One for each line, in the same order.
    entries: VecDeque<Entry>,
    has_forgotten: bool,
}

struct Entry {
    trace: TraceId,
    time: UnixTime,
    bytes: usize,
}

/// How far back the exchanges of one kind are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Exchanges that are kept.
    pub count: usize,
    /// From when on none was pushed out. None: none was ever.
    pub since: Option<UnixTime>,
}

impl Recent {
    /// Takes no more memory than `bytes_max`, for so many threads that keep lines.
    pub fn new(bytes_max: usize, threads: NonZeroUsize) -> Self {
        let count = threads.get().min(PARTS_MAX);
        let ring_bytes = bytes_max / count / Kept::ALL.len();
        let part = || Part {
            scratch: Vec::new(),
            rings: Kept::ALL.map(|_| Ring {
                bytes_max: ring_bytes,
                bytes: VecDeque::new(),
                entries: VecDeque::new(),
                has_forgotten: false,
            }),
        };
        Self {
            parts: (0..count).map(|_| Aligned(Mutex::new(part()))).collect(),
            next_place: AtomicUsize::new(0),
        }
    }

    /// Keeps an exchange, and forgets the oldest of its kind for that. One that is larger than all
    /// the room of its kind is not kept.
    pub fn keep(&self, kind: Kept, line: &Line<'_>, detail: &Detail<'_>) {
        let Some(mut part) = self.part() else { return };
        let Part { scratch, rings } = &mut *part;
        scratch.clear();
        json::write_with(scratch, line, detail);
        if let Some(ring) = rings.get_mut(kind.index()) {
            ring.push(line.trace.trace_id, line.time, scratch);
        }
    }

    /// The lines of a trace, each a JSON object, in the order of their begins.
    pub fn find(&self, trace: TraceId) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for Aligned(part) in &self.parts {
            part.lock().rings.iter().for_each(|ring| ring.find(trace, &mut found));
        }
        found.sort_by_key(|(time, _)| *time);
        found.into_iter().map(|(_, line)| line).collect()
    }

    /// How far back exchanges of a kind are kept.
    pub fn reach(&self, kind: Kept) -> Reach {
        let mut reach = Reach { count: 0, since: None };
        for Aligned(part) in &self.parts {
            let part = part.lock();
            let Some(ring) = part.rings.get(kind.index()) else { continue };
            reach.count += ring.entries.len();
            if ring.has_forgotten {
                // In order of ends, of which the begin is a good measure.
                reach.since = reach.since.max(ring.entries.front().map(|entry| entry.time));
            }
        }
        reach
    }

    /// The thread's part, or another one where that is held at this instant.
    fn part(&self) -> Option<MutexGuard<'_, Part>> {
        let place = PLACE.with(|place| {
            if place.get() == usize::MAX {
                place.set(self.next_place.fetch_add(1, Relaxed));
            }
            place.get()
        });
        let count = self.parts.len();
        let mut parts = self.parts.iter().cycle().skip(place % count).take(count);
        let own = self.parts.get(place % count)?;
        Some(parts.find_map(|part| part.0.try_lock()).unwrap_or_else(|| own.0.lock()))
    }
}

impl Ring {
    fn push(&mut self, trace: TraceId, time: UnixTime, line: &[u8]) {
        let cost = |bytes: usize| bytes + ENTRY_BYTES;
        if cost(line.len()) > self.bytes_max {
            return;
        }
        while self.bytes.len() + ENTRY_BYTES * self.entries.len() + cost(line.len())
            > self.bytes_max
        {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes.drain(..oldest.bytes);
            self.has_forgotten = true;
        }
        self.grow(line.len());
        self.bytes.extend(line);
        self.entries.push_back(Entry { trace, time, bytes: line.len() });
    }

    /// Makes room for more, never for more than may be there.
    fn grow(&mut self, bytes: usize) {
        let (length, room) = (self.bytes.len(), self.bytes.capacity());
        if length + bytes > room {
            let wanted = (2 * room).clamp(length + bytes, self.bytes_max.max(length + bytes));
            self.bytes.reserve_exact(wanted - length);
        }
    }

    fn find(&self, trace: TraceId, found: &mut Vec<(UnixTime, Vec<u8>)>) {
        let mut start = 0;
        for entry in &self.entries {
            let end = start + entry.bytes;
            if entry.trace == trace {
                found.push((entry.time, self.bytes.range(start..end).copied().collect()));
            }
            start = end;
        }
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("parts", &self.parts.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
