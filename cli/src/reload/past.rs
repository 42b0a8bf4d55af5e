//! What was in force before: each configuration with its time, in the embedded store.
//!
//! A configuration is kept as the canonical JSON that its digest is of, in parts by what owns them,
//! each under its own digest: what a change leaves as it is, is not written again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use headgate_config::{Loaded, Overlay};
use headgate_store::{Key, Store};
use headgate_types::UnixTime;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::reload::shelf::{CHUNK_BYTES, ShelfError, Writer, chunk, remove, scan};

/// What was in force, by number.
const SPACE: &str = "config/past";
/// Their parts in chunks, by digest.
const PARTS: &str = "config/past-parts";
/// Configurations that are remembered at most.
const PAST_MAX: usize = 200;
/// Bytes of what is remembered beside their parts, at most.
const PAST_BYTES_MAX: usize = 4 << 20;

/// Remembers what was in force. Clones share it; without a store it remembers nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    store: Option<Store>,
    /// One at a time writes or reads.
    turn: Arc<Mutex<()>>,
}

/// A configuration that was in force, and from when on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Was {
    /// Since when, RFC 3339.
    pub(crate) since: String,
    /// SHA-256 of what took effect.
    pub(crate) digest: String,
    /// How many changes of operators it had taken in.
    pub(crate) version: u64,
    /// What stood over the files.
    pub(crate) overlays: Vec<Overlay>,
    /// Its parts: the owner, the digest, and the number of chunks.
    parts: Vec<(String, String, usize)>,
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// The one that was in force then.
    Time(UnixTime),
    /// The last one of a version.
    Version(u64),
}

/// One that was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// What it was.
    pub(crate) was: Was,
    /// When the next one took over. None: it is in force.
    pub(crate) until: Option<String>,
    /// The documents as they took effect, in canonical JSON.
    pub(crate) effective: String,
}

/// The documents as they took effect, apart by who owns them.
#[derive(Serialize, Deserialize)]
struct Effective {
    files: Box<RawValue>,
    platform: Box<RawValue>,
    teams: BTreeMap<String, Box<RawValue>>,
}

impl Past {
    pub(crate) fn new(store: Option<Store>) -> Self {
        Self { store, turn: Arc::default() }
    }

    /// Remembers what is in force from now on, unless it is what was remembered last. Blocks until it
    /// is on the disk.
    pub(crate) fn record(
        &self,
        loaded: &Loaded,
        version: u64,
        now: UnixTime,
    ) -> Result<(), ShelfError> {
        let Some(store) = &self.store else { return Ok(()) };
        let _turn = self.turn.lock();
        let mut all = list(store)?;
        let is_same = |was: &Was| was.digest == loaded.digest && was.version == version;
        if all.last_key_value().is_some_and(|(_, was)| is_same(was)) {
            return Ok(());
        }
        let known: BTreeSet<String> = all.values().flat_map(Was::digests).collect();
        let mut writer = Writer::new(store);
        let mut parts = Vec::new();
        for (name, text) in split(&loaded.effective)? {
            let digest = headgate_config::digest_of_bytes(text.as_bytes());
            let count = text.len().div_ceil(CHUNK_BYTES);
            if !known.contains(&digest) {
                for (number, bytes) in text.as_bytes().chunks(CHUNK_BYTES).enumerate() {
                    let key = Key::new(PARTS, chunk(&digest, number));
                    writer.put(key, Bytes::copy_from_slice(bytes))?;
                }
            }
            parts.push((name, digest, count));
        }
        let (since, digest) = (now.to_string(), loaded.digest.clone());
        let overlays = loaded.overlays.clone();
        let was = Was { since, digest, version, overlays, parts };
        let number = all.last_key_value().map_or(0, |(number, _)| number + 1);
        writer.put(Key::new(SPACE, key(number)), serde_json::to_vec(&was)?.into())?;
        writer.flush()?;
        all.insert(number, was);
        forget(store, all)
    }

    /// What was in force. None: that is not remembered.
    pub(crate) fn find(&self, at: At) -> Result<Option<Found>, ShelfError> {
        let Some(store) = &self.store else { return Ok(None) };
        let _turn = self.turn.lock();
        let all: Vec<Was> = list(store)?.into_values().collect();
        let is_it = |was: &Was| match at {
            At::Time(time) => was.since.parse().is_ok_and(|since: UnixTime| since <= time),
            At::Version(version) => was.version == version,
        };
        let Some(position) = all.iter().rposition(is_it) else { return Ok(None) };
        let until = all.get(position + 1).map(|next| next.since.clone());
        let Some(was) = all.into_iter().nth(position) else { return Ok(None) };
        let mut texts = Vec::new();
        for (name, digest, count) in &was.parts {
            let mut text = Vec::new();
            for number in 0..*count {
                let item = store.get(&Key::new(PARTS, chunk(digest, number)))?;
                text.extend_from_slice(&item.map(|item| item.content.value).unwrap_or_default());
            }
            texts.push((name.clone(), serde_json::from_slice(&text)?));
        }
        Ok(Some(Found { until, effective: joined(texts)?, was }))
    }
}

impl Was {
    fn digests(&self) -> impl Iterator<Item = String> {
        self.parts.iter().map(|(_, digest, _)| digest.clone())
    }

    fn chunks(&self) -> impl Iterator<Item = String> {
        self.parts
            .iter()
            .flat_map(|(_, digest, count)| (0..*count).map(move |number| chunk(digest, number)))
    }
}

/// The parts of the documents that took effect, by name.
fn split(effective: &str) -> Result<Vec<(String, String)>, serde_json::Error> {
    let Effective { files, platform, teams } = serde_json::from_str(effective)?;
    let own = [("files".to_owned(), files), ("platform".to_owned(), platform)];
    let teams = teams.into_iter().map(|(name, text)| (format!("{TEAM}{name}"), text));
    Ok(own.into_iter().chain(teams).map(|(name, text)| (name, text.get().to_owned())).collect())
}

/// What a team's part begins with.
const TEAM: &str = "team/";

/// The documents of their parts, in the same spelling.
fn joined(parts: Vec<(String, Box<RawValue>)>) -> Result<String, serde_json::Error> {
    let nothing = || RawValue::from_string("{}".to_owned());
    let mut all = Effective { files: nothing()?, platform: nothing()?, teams: BTreeMap::new() };
    for (name, text) in parts {
        match name.strip_prefix(TEAM) {
            Some(team) => drop(all.teams.insert(team.to_owned(), text)),
            None if name == "files" => all.files = text,
            None => all.platform = text,
        }
    }
    serde_json::to_string(&all)
}

fn key(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

fn list(store: &Store) -> Result<BTreeMap<u64, Was>, ShelfError> {
    let mut found = Vec::new();
    scan(store, SPACE, |key, value| found.push((key, value)))?;
    let mut all = BTreeMap::new();
    for (key, value) in found {
        let number = <[u8; 8]>::try_from(key.as_ref()).map(u64::from_be_bytes).unwrap_or_default();
        all.insert(number, serde_json::from_slice(&value)?);
    }
    Ok(all)
}

/// Forgets the oldest that are too many, and the parts that only they had.
fn forget(store: &Store, mut all: BTreeMap<u64, Was>) -> Result<(), ShelfError> {
    let bytes = |was: &Was| serde_json::to_vec(was).map_or(0, |text| text.len());
    let mut total: usize = all.values().map(bytes).sum();
    let (mut numbers, mut chunks) = (Vec::new(), BTreeSet::new());
    while all.len() > PAST_MAX || (total > PAST_BYTES_MAX && all.len() > 1) {
        let Some((number, was)) = all.pop_first() else { break };
        total = total.saturating_sub(bytes(&was));
        numbers.push(key(number));
        chunks.extend(was.chunks());
    }
    for was in all.values() {
        for chunk in was.chunks() {
            chunks.remove(&chunk);
        }
    }
    remove(store, SPACE, numbers.into_iter())?;
    remove(store, PARTS, chunks.into_iter().map(Bytes::from))
}

#[cfg(test)]
mod tests;
