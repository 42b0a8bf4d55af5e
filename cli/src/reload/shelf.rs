//! What lasts of the configuration in the embedded store: the texts that were in force last, and
//! what operators have changed, as far as it is folded.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use headgate_config::{
    Kept, KeptPart, Overlay,
    control::{Control, Head},
};
use headgate_store::{
    Batch, Condition, Content, Error, Key, OPERATIONS_MAX, READ_ROWS_MAX, Scalar, Store,
};
use headgate_types::UnixTime;
use serde::{Deserialize, Serialize};

/// Chunks of parts, by part, digest and number.
const CHUNKS: &str = "config/chunks";
/// Which parts are kept, and how far operators' changes are folded.
const HEADS: &str = "config/heads";
/// Overlays, by number.
const OVERLAYS: &str = "config/overlays";

const MANIFEST: &[u8] = b"manifest";
const CONTROL: &[u8] = b"control";
const ID: &str = "id";
const COUNT: &str = "chunks";

/// Bytes of one item; half of what the store takes, and a batch takes several.
pub(super) const CHUNK_BYTES: usize = 512 << 10;
/// Bytes of one batch, a chunk aside.
const BATCH_BYTES: usize = 2 << 20;
/// Part of the chunks' names that is the manifest itself.
const MANIFEST_PART: &str = "manifest";

/// Keeps and finds what lasts. Without a store it keeps nothing.
///
/// A part is written under its digest and only when it changed; the manifest, which names the parts
/// that belong together, follows in one batch of its own. So a crash in between leaves the former
/// whole.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    store: Option<Store>,
    /// The parts that are kept, by name and digest, with their numbers of chunks.
    kept: BTreeMap<String, usize>,
    /// The manifest's number, and that of its chunks.
    generation: u64,
    manifest_chunks: usize,
    /// Chunks that belong to nothing that is kept.
    orphans: Vec<String>,
}

/// Why something can't be kept or found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShelfError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] Error),
    /// What was found is not what was written.
    #[error("what was kept can't be read: {0}")]
    Format(#[from] serde_json::Error),
}

impl Shelf {
    pub(crate) fn new(store: Option<Store>) -> Self {
        Self { store, ..Self::default() }
    }

    /// Whether what is put here outlasts the process.
    pub(crate) const fn lasts(&self) -> bool {
        self.store.is_some()
    }

    /// The texts that were kept last. None where nothing was kept.
    pub(crate) fn find(&mut self) -> Result<Option<Kept>, ShelfError> {
        let Some(store) = self.store.clone() else { return Ok(None) };
        let Some(head) = store.get(&Key::new(HEADS, MANIFEST))? else { return Ok(None) };
        let number = |name| match head.content.attributes.get(name) {
            Some(Scalar::Number(number)) => *number,
            _ => 0,
        };
        self.generation = number(ID);
        let mut chunks = BTreeMap::new();
        scan(&store, CHUNKS, |key, value| {
            chunks.insert(String::from_utf8_lossy(&key).into_owned(), value);
        })?;
        self.manifest_chunks = usize::try_from(number(COUNT)).unwrap_or_default();
        let manifest = joined(&chunks, &manifest_id(self.generation), self.manifest_chunks);
        self.kept = serde_json::from_slice(&manifest)?;
        let parts = self
            .kept
            .iter()
            .map(|(id, count)| serde_json::from_slice::<KeptPart>(&joined(&chunks, id, *count)));
        let kept = parts.collect::<Result<Kept, _>>()?;
        let known: BTreeSet<String> = self.keys().collect();
        self.orphans = chunks.into_keys().filter(|key| !known.contains(key)).collect();
        Ok(Some(kept))
    }

    /// Removes chunks that were found and belong to none of the texts.
    pub(crate) fn tidy(&mut self) -> Result<(), ShelfError> {
        let Some(store) = &self.store else { return Ok(()) };
        remove(store, CHUNKS, self.orphans.drain(..).map(Bytes::from))
    }

    /// Keeps the texts in place of those before. Blocks until they are on the disk.
    pub(crate) fn keep(&mut self, kept: &Kept) -> Result<(), ShelfError> {
        let Some(store) = self.store.clone() else { return Ok(()) };
        let wanted: BTreeMap<String, &KeptPart> =
            kept.parts().map(|part| (id(part), part)).collect();
        if wanted.keys().eq(self.kept.keys()) {
            return Ok(());
        }
        let mut next = BTreeMap::new();
        let mut writer = Writer::new(&store);
        for (id, part) in wanted {
            let count = match self.kept.get(&id) {
                Some(count) => *count,
                None => writer.write(&id, &serde_json::to_vec(part)?)?,
            };
            next.insert(id, count);
        }
        let generation = self.generation + 1;
        let count = writer.write(&manifest_id(generation), &serde_json::to_vec(&next)?)?;
        writer.flush()?;
        let attributes = [(ID, generation), (COUNT, count as u64)];
        let attributes =
            attributes.map(|(name, number)| (name.to_owned(), Scalar::Number(number))).into();
        let content = Content { attributes, ..Content::default() };
        let head = Batch::new().put(Key::new(HEADS, MANIFEST), content, Condition::Always);
        store.submit(head)?.wait()?;
        let before: Vec<String> = self.keys().collect();
        (self.kept, self.generation, self.manifest_chunks) = (next, generation, count);
        let after: BTreeSet<String> = self.keys().collect();
        let gone = before.into_iter().filter(|key| !after.contains(key));
        remove(&store, CHUNKS, gone.map(Bytes::from))
    }

    /// The names of all chunks that belong to what is kept.
    fn keys(&self) -> impl Iterator<Item = String> {
        let manifest = (manifest_id(self.generation), self.manifest_chunks);
        let parts = self.kept.iter().map(|(id, count)| (id.clone(), *count)).chain([manifest]);
        parts.flat_map(|(id, count)| (0..count).map(move |number| chunk(&id, number)))
    }

    /// What operators have changed, as it was kept last.
    pub(crate) fn control(&self, now: UnixTime) -> Result<Folded, ShelfError> {
        let Some(store) = &self.store else { return Ok(Folded::default()) };
        let mut found = Vec::new();
        scan(store, OVERLAYS, |_, value| found.push(value))?;
        let overlays = found.iter().map(|value| serde_json::from_slice::<Overlay>(value));
        let mut overlays = overlays.collect::<Result<Vec<_>, _>>()?;
        let Some(head) = store.get(&Key::new(HEADS, CONTROL))? else {
            overlays.retain(|overlay| overlay.expires > now);
            return Ok(Folded { unfolded: overlays, ..Folded::default() });
        };
        let Mark { head, next, home } = serde_json::from_slice(&head.content.value)?;
        Ok(Folded { control: Control::new(head, overlays), next, unfolded: Vec::new(), home })
    }

    /// Keeps what operators have changed in place of what was kept before. Blocks until it is on the
    /// disk. Overlays that are no change yet stay as they are until they are.
    ///
    /// A crash in between leaves overlays that the mark does not know of; the changes that it does
    /// not know of bring them to what they are to be.
    pub(crate) fn keep_control(&self, folded: &Folded) -> Result<(), ShelfError> {
        let Some(store) = self.store.as_ref().filter(|_| folded.unfolded.is_empty()) else {
            return Ok(());
        };
        let mut kept = BTreeMap::new();
        scan(store, OVERLAYS, |key, value| drop(kept.insert(key, value)))?;
        let mut writer = Writer::new(store);
        for overlay in folded.control.overlays() {
            let (key, value) = (overlay_key(overlay.id), serde_json::to_vec(overlay)?);
            if kept.remove(&key).is_none_or(|kept| kept != value) {
                writer.put(Key::new(OVERLAYS, key), value.into())?;
            }
        }
        writer.flush()?;
        let (head, home) = (folded.control.head(), folded.home.clone());
        let mark = Mark { head, next: folded.next, home };
        let content = Content { value: serde_json::to_vec(&mark)?.into(), ..Content::default() };
        let mark = Batch::new().put(Key::new(HEADS, CONTROL), content, Condition::Always);
        store.submit(mark)?.wait()?;
        remove(store, OVERLAYS, kept.into_keys())
    }
}

/// How far operators' changes are folded, and what has come of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Folded {
    /// What has come of them.
    pub(crate) control: Control,
    /// The first offset of their topic that is not taken in.
    pub(crate) next: u64,
    /// Overlays that were kept before changes stood in this log, and are no change in it yet.
    pub(crate) unfolded: Vec<Overlay>,
    /// The log that was folded. Empty: none.
    pub(crate) home: String,
}

impl Folded {
    /// The same for a log. What was folded of another one is no change in this one yet.
    pub(crate) fn at(self, home: String, now: UnixTime) -> Self {
        let is_other = self.home != home && !home.is_empty();
        let folded = if is_other { self.anew(now) } else { self };
        Self { home, ..folded }
    }

    /// What is in force, as that of which a log knows nothing.
    pub(crate) fn anew(self, now: UnixTime) -> Self {
        Self { unfolded: self.in_force(now), home: self.home, ..Self::default() }
    }

    /// The overlays that have not expired, by number.
    pub(crate) fn in_force(&self, now: UnixTime) -> Vec<Overlay> {
        let mut all = self.control.in_force(now);
        let is_apart =
            |one: &&Overlay| one.expires > now && !all.iter().any(|it| it.key == one.key);
        let apart: Vec<_> = self.unfolded.iter().filter(is_apart).cloned().collect();
        all.extend(apart);
        all
    }
}

/// A fold as it is kept, beside its overlays.
#[derive(Serialize, Deserialize)]
struct Mark {
    head: Head,
    next: u64,
    home: String,
}

fn overlay_key(id: u64) -> Bytes {
    Bytes::copy_from_slice(&id.to_be_bytes())
}

fn id(part: &KeptPart) -> String {
    format!("{}@{}", part.name(), part.digest())
}

fn manifest_id(generation: u64) -> String {
    format!("{MANIFEST_PART}@{generation}")
}

/// The name of a chunk.
pub(super) fn chunk(id: &str, number: usize) -> String {
    format!("{id}#{number}")
}

fn joined(chunks: &BTreeMap<String, Bytes>, id: &str, count: usize) -> Vec<u8> {
    let parts = (0..count).filter_map(|number| chunks.get(&chunk(id, number)));
    parts.flat_map(|bytes| bytes.iter().copied()).collect()
}

/// Reads all of a space, in the order of its keys.
pub(super) fn scan(
    store: &Store,
    space: &str,
    mut found: impl FnMut(Bytes, Bytes),
) -> Result<(), Error> {
    let mut after: Option<Bytes> = None;
    loop {
        let rows = store.scan(space, after.as_deref(), READ_ROWS_MAX)?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after = Some(last.clone());
        for (key, item) in rows {
            found(key, item.content.value);
        }
    }
}

/// Removes keys of a space.
pub(super) fn remove(
    store: &Store,
    space: &str,
    keys: impl Iterator<Item = Bytes>,
) -> Result<(), ShelfError> {
    let mut keys = keys.peekable();
    while keys.peek().is_some() {
        let some = keys.by_ref().take(OPERATIONS_MAX);
        let batch = some
            .fold(Batch::new(), |batch, key| batch.delete(Key::new(space, key), Condition::Always));
        store.submit(batch)?.wait()?;
    }
    Ok(())
}

/// Writes chunks in as few batches as fit.
pub(super) struct Writer<'a> {
    store: &'a Store,
    batch: Batch,
}

impl<'a> Writer<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store, batch: Batch::new() }
    }

    /// Writes a part, and tells its number of chunks.
    fn write(&mut self, id: &str, bytes: &[u8]) -> Result<usize, Error> {
        let chunks = bytes.chunks(CHUNK_BYTES);
        let count = chunks.len();
        for (number, bytes) in chunks.enumerate() {
            let key = Key::new(CHUNKS, chunk(id, number));
            self.put(key, Bytes::copy_from_slice(bytes))?;
        }
        Ok(count)
    }

    pub(super) fn put(&mut self, key: Key, value: Bytes) -> Result<(), Error> {
        let content = Content { value, ..Content::default() };
        self.batch = std::mem::take(&mut self.batch).put(key, content, Condition::Always);
        let is_full =
            self.batch.bytes() >= BATCH_BYTES || self.batch.operations().len() == OPERATIONS_MAX;
        if is_full { self.flush() } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> Result<(), Error> {
        let batch = std::mem::take(&mut self.batch);
        if !batch.operations().is_empty() {
            self.store.submit(batch)?.wait()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
