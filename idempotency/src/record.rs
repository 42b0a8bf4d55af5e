//! The record of a key: its states, and how it stands in an item.

use std::collections::BTreeMap;

use bytes::Bytes;
use headgate_store::{Content, Edit, Item, Scalar};
use headgate_types::{TraceId, UnixTime};

use crate::{fingerprint::Fingerprint, key::RecordKey, random::Owner, store::StoreError};

/// The layout's version, in the attribute `v`. A record of a newer one is not touched.
pub const VERSION: u64 = 1;
/// Effects that one record journals at most: an item has 64 attributes.
pub const EFFECTS_MAX: usize = 40;
/// Bytes of an error's text at most; the rest is cut off.
const ERROR_BYTES_MAX: usize = 1_024;

pub(crate) const STATE: &str = "st";
pub(crate) const OWNER: &str = "own";
pub(crate) const FENCE: &str = "fn";
pub(crate) const LEASE_END: &str = "lz";
pub(crate) const LEASE: &str = "lzms";
pub(crate) const BEAT: &str = "beat";
pub(crate) const FINGERPRINT: &str = "fp";
pub(crate) const ATTEMPT: &str = "att";
pub(crate) const NEXT: &str = "nxt";
pub(crate) const ERROR: &str = "err";
pub(crate) const RESULT_HASH: &str = "rh";
pub(crate) const RAW: &str = "raw";
pub(crate) const TRACE: &str = "tid";
pub(crate) const LAYOUT: &str = "v";
/// Before an effect's name.
const EFFECT: &str = "e.";

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Claimed: somebody works on it, or did until it died.
    Run,
    /// Done: the result is recorded.
    Done,
    /// Refused for good by the handler: the result is recorded.
    Rejected,
    /// Failed, and to be tried again when it is due.
    Retry,
    /// In doubt: an effect may have happened or not. Somebody must look.
    Hold,
    /// Given up: a dead letter.
    Park,
}

impl State {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Run => "RUN",
            Self::Done => "DONE",
            Self::Rejected => "REJ",
            Self::Retry => "RETRY",
            Self::Hold => "HOLD",
            Self::Park => "PARK",
        }
    }

    fn read(code: &[u8]) -> Option<Self> {
        let all = [Self::Run, Self::Done, Self::Rejected, Self::Retry, Self::Hold, Self::Park];
        all.into_iter().find(|state| state.code().as_bytes() == code)
    }
}

/// What is known of an effect outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It was about to be carried out.
    Planned {
        /// When first. The other side honors the effect's key for some time from then on.
        since: UnixTime,
    },
    /// It was carried out.
    Carried {
        /// What the other side answered.
        response: Bytes,
    },
}

impl Effect {
    fn to_bytes(&self) -> Bytes {
        match self {
            Self::Planned { since } => [b"P".as_slice(), &millis(*since).to_be_bytes()].concat(),
            Self::Carried { response } => [b"D".as_slice(), response].concat(),
        }
        .into()
    }

    fn read(bytes: &Bytes) -> Option<Self> {
        match bytes.split_first()? {
            (b'P', since) => {
                Some(Self::Planned { since: time(u64::from_be_bytes(since.try_into().ok()?)) })
            }
            (b'D', _) => Some(Self::Carried { response: bytes.slice(1..) }),
            _ => None,
        }
    }

    /// The edit that journals the effect.
    pub(crate) fn edit(&self, name: &str) -> Edit {
        Edit::Set(format!("{EFFECT}{name}"), self.to_bytes().into())
    }
}

/// The edit that forgets an effect.
pub(crate) fn without_effect(name: &str) -> Edit {
    Edit::Remove(format!("{EFFECT}{name}"))
}

/// A record as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) version: u64,
    pub(crate) state: State,
    pub(crate) owner: Owner,
    pub(crate) fence: u64,
    /// Whole milliseconds; zero where there is no lease.
    pub(crate) lease_end: u64,
    pub(crate) lease: u64,
    pub(crate) beat: u64,
    pub(crate) fingerprint: Bytes,
    pub(crate) attempt: u64,
    /// Whole milliseconds; zero where there is no next attempt.
    pub(crate) next: u64,
    pub(crate) error: Bytes,
    pub(crate) result: Bytes,
    pub(crate) result_hash: Bytes,
    pub(crate) raw: Bytes,
    pub(crate) trace: Option<TraceId>,
    pub(crate) effects: BTreeMap<String, Effect>,
    pub(crate) expires: Option<UnixTime>,
}

impl Record {
    /// Reads an item as the record of a key.
    ///
    /// # Errors
    ///
    /// [`StoreError::Foreign`] when it is none, or another key's.
    pub(crate) fn read(key: &RecordKey, item: &Item) -> Result<Self, StoreError> {
        let record = Self::found(item)?;
        if record.raw != *key.raw() {
            return Err(StoreError::Foreign("two keys have the same hash"));
        }
        Ok(record)
    }

    /// Reads an item as the record of whatever key it names.
    ///
    /// # Errors
    ///
    /// [`StoreError::Foreign`] when it is none.
    pub(crate) fn found(item: &Item) -> Result<Self, StoreError> {
        let layout = number(item, LAYOUT).unwrap_or_default();
        if layout > VERSION {
            return Err(StoreError::Foreign("a newer version wrote it"));
        }
        Self::parse(item).ok_or(StoreError::Foreign("an attribute is missing"))
    }

    fn parse(item: &Item) -> Option<Self> {
        let trace = bytes(item, TRACE).and_then(|trace| trace.as_ref().try_into().ok());
        let effects = item.content.attributes.iter().filter_map(|(name, value)| {
            let Scalar::Bytes(value) = value else { return None };
            Some((name.strip_prefix(EFFECT)?.to_owned(), Effect::read(value)?))
        });
        Some(Self {
            version: item.version,
            state: State::read(bytes(item, STATE)?)?,
            owner: Owner::read(bytes(item, OWNER)?)?,
            fence: number(item, FENCE)?,
            lease_end: number(item, LEASE_END).unwrap_or_default(),
            lease: number(item, LEASE).unwrap_or_default(),
            beat: number(item, BEAT).unwrap_or_default(),
            fingerprint: bytes(item, FINGERPRINT)?.clone(),
            attempt: number(item, ATTEMPT).unwrap_or_default(),
            next: number(item, NEXT).unwrap_or_default(),
            error: bytes(item, ERROR).cloned().unwrap_or_default(),
            result: item.content.value.clone(),
            result_hash: bytes(item, RESULT_HASH).cloned().unwrap_or_default(),
            raw: bytes(item, RAW)?.clone(),
            trace: trace.and_then(TraceId::from_bytes),
            effects: effects.collect(),
            expires: item.content.expires,
        })
    }

    /// A store may be late in removing what has expired, so the time is compared here. A record
    /// without a time never expires.
    pub(crate) fn has_expired(&self, now: UnixTime) -> bool {
        self.expires.is_some_and(|expires| millis(expires) < millis(now))
    }
}

/// A record that is claimed, as it is written.
#[derive(Debug)]
pub(crate) struct Claimant<'a> {
    pub(crate) key: &'a RecordKey,
    pub(crate) owner: Owner,
    pub(crate) fence: u64,
    pub(crate) lease_end: UnixTime,
    pub(crate) lease: u64,
    pub(crate) fingerprint: &'a Fingerprint,
    pub(crate) attempt: u64,
    pub(crate) trace: Option<TraceId>,
    pub(crate) effects: &'a BTreeMap<String, Effect>,
    pub(crate) expires: Option<UnixTime>,
}

impl Claimant<'_> {
    pub(crate) fn content(&self) -> Content {
        let mut content = Content { expires: self.expires, ..Content::default() };
        let attributes: [(&str, Scalar); 10] = [
            (STATE, State::Run.code().into()),
            (OWNER, self.owner.to_bytes().into()),
            (FENCE, self.fence.into()),
            (LEASE_END, millis(self.lease_end).into()),
            (LEASE, self.lease.into()),
            (BEAT, 0.into()),
            (FINGERPRINT, self.fingerprint.to_bytes().into()),
            (ATTEMPT, self.attempt.into()),
            (RAW, self.key.raw().clone().into()),
            (LAYOUT, VERSION.into()),
        ];
        content.attributes.extend(attributes.map(|(name, value)| (name.to_owned(), value)));
        if let Some(trace) = self.trace {
            content.attributes.insert(TRACE.to_owned(), trace_bytes(trace).into());
        }
        for (name, effect) in self.effects {
            content.attributes.insert(format!("{EFFECT}{name}"), effect.to_bytes().into());
        }
        content
    }
}

pub(crate) fn trace_bytes(trace: TraceId) -> Bytes {
    Bytes::copy_from_slice(trace.as_bytes())
}

/// An error's text as it is kept: its first kilobyte.
pub(crate) fn error_text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes().get(..ERROR_BYTES_MAX).unwrap_or(text.as_bytes()))
}

fn bytes<'a>(item: &'a Item, name: &str) -> Option<&'a Bytes> {
    match item.content.attributes.get(name)? {
        Scalar::Bytes(bytes) => Some(bytes),
        Scalar::Number(_) => None,
    }
}

fn number(item: &Item, name: &str) -> Option<u64> {
    match item.content.attributes.get(name)? {
        Scalar::Number(number) => Some(*number),
        Scalar::Bytes(_) => None,
    }
}

/// Whole milliseconds since the epoch.
pub(crate) fn millis(time: UnixTime) -> u64 {
    u64::try_from(time.as_duration().as_millis()).unwrap_or(u64::MAX)
}

/// The time that many milliseconds after the epoch.
pub(crate) const fn time(millis: u64) -> UnixTime {
    UnixTime::from_duration(std::time::Duration::from_millis(millis))
}

#[cfg(test)]
mod tests;
