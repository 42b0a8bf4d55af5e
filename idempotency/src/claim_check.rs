//! Data that is too large to travel with an event: it is kept in the store of the records, and the
//! event carries a reference to it (claim check: Hohpe and Woolf, *Enterprise Integration Patterns*,
//! 2003).
//!
//! The reference is the data's digest (RFC 6920), so whoever reads it knows that it is the same data,
//! and equal data is kept once. A store takes it in pieces, since an item of DynamoDB has a limit.
//! Data goes by itself at the end of the day after which nobody should ask for it; what is kept is
//! counted by that day, so the count needs no correction when it goes.

mod reference;

use std::{fmt, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use headgate_store::{Batch, Condition, Content, Edit, Key, Scalar};
use headgate_types::{ByteSize, UnixTime};
use parking_lot::Mutex;

pub use self::reference::DataRef;
use crate::{
    records::Records,
    store::{Store, StoreError},
};

/// Bytes of a piece: an item of DynamoDB has at most 400 KiB.
const PIECE_BYTES: usize = 256 << 10;
/// Bytes that can be kept under one reference at most: a handler has them all in memory.
pub const APART_BYTES_MAX: usize = 4 << 20;
/// The longest that data can be kept, in days: so many counts are read to know how much there is.
pub const APART_DAYS_MAX: u64 = 400;
/// The space of pieces, by digest and number.
const PIECES: &str = "hg.data";
/// The space of what goes at the end of a day, by the day.
const DAYS: &str = "hg.data.days";
/// How many bytes the whole has, or a day.
const BYTES: &str = "bytes";
/// How long a count is taken for good. Others may add to it meanwhile.
const COUNTED_FOR: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_hours(24);

/// How much may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of all that is kept at a time, by all who share the store. Each of them may see what
    /// others added up to ten seconds late.
    pub total_bytes_max: ByteSize,
    /// The longest that any data is kept: so far ahead it is counted.
    pub keep_max: Duration,
}

/// Takes data in that is too large for an event. Clones share what they have counted.
#[derive(Clone)]
pub struct ClaimCheck {
    records: Records,
    bounds: Bounds,
    counted: Arc<Mutex<Option<Counted>>>,
}

/// What is kept by all, as far as it was looked at.
#[derive(Clone, Copy)]
struct Counted {
    at: UnixTime,
    bytes: u64,
}

impl fmt::Debug for ClaimCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimCheck").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

/// Why data was not taken in.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckInError {
    /// It is more than can be kept under one reference.
    #[error("the data has {bytes} bytes, at most {APART_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// With it there would be more than may be kept. Some goes at the end of each day.
    #[error("large data takes up {max} already, which is all that it may")]
    NoRoom {
        /// The bound.
        max: ByteSize,
    },
    /// The store gave no answer, or did not write.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why data can't be had.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// It is not there any more.
    #[error("its data {0} is not kept any more")]
    Gone(DataRef),
    /// What is there has another digest.
    #[error("what is kept as {0} is not that data")]
    Damaged(DataRef),
    /// The store gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ClaimCheck {
    /// Takes data in beside some records.
    pub fn new(records: &Records, bounds: Bounds) -> Self {
        Self { records: records.clone(), bounds, counted: Arc::default() }
    }

    /// Takes data in, and returns once it is durable. It is kept so long at least, and up to a day
    /// longer; data that is there already costs one read.
    ///
    /// # Errors
    ///
    /// [`CheckInError`]. To take the same data in again is safe.
    ///
    /// # Cancel safety
    ///
    /// What is dropped may leave pieces, which go when the data would have gone.
    pub async fn check_in(&self, data: &Bytes, keep: Duration) -> Result<DataRef, CheckInError> {
        if data.len() > APART_BYTES_MAX {
            return Err(CheckInError::TooLarge { bytes: data.len() });
        }
        let reference = DataRef::of(data);
        let day = day_of(self.records.unix_time() + keep);
        let expires = end(day);
        let store = &**self.records.store();
        // The first piece is written last: where it is, all are, and as long as it.
        let first = store.get(&piece(&reference, 0)).await?;
        if first.is_some_and(|first| first.content.expires >= Some(expires)) {
            return Ok(reference);
        }
        self.count(store, day, data.len() as u64).await?;
        for (number, bytes) in data.chunks(PIECE_BYTES).enumerate().rev() {
            let content = Content {
                attributes: [(BYTES.to_owned(), Scalar::Number(data.len() as u64))].into(),
                value: data.slice_ref(bytes),
                expires: Some(expires),
            };
            // One that goes later stays as it is.
            let when = Condition::Any(vec![Condition::Absent, Condition::ExpiredBy(expires)]);
            match store.commit(Batch::new().put(piece(&reference, number), content, when)).await {
                Ok(_) | Err(StoreError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(reference)
    }

    /// Counts data in that goes at the end of a day, if there is room for it.
    async fn count(&self, store: &dyn Store, day: u64, bytes: u64) -> Result<(), CheckInError> {
        let now = self.records.unix_time();
        let is_fresh = |counted: &Counted| counted.at <= now && now < counted.at + COUNTED_FOR;
        if self.counted.lock().as_ref().is_none_or(|counted| !is_fresh(counted)) {
            let last = day_of(now + self.bounds.keep_max).max(day);
            let bytes = total(store, day_of(now)..=last).await?;
            *self.counted.lock() = Some(Counted { at: now, bytes });
        }
        // What is not written after all is counted until the next look.
        if !self.counted.lock().as_mut().is_some_and(|counted| counted.takes(bytes, self.bounds)) {
            return Err(CheckInError::NoRoom { max: self.bounds.total_bytes_max });
        }
        let add = Edit::Add { name: BYTES.to_owned(), amount: bytes, from: 0 };
        let edits = vec![add, Edit::Expires(Some(end(day)))];
        store.commit(Batch::new().update(of_day(day), edits, Condition::Always)).await?;
        Ok(())
    }
}

impl Counted {
    fn takes(&mut self, bytes: u64, bounds: Bounds) -> bool {
        let bytes = self.bytes.saturating_add(bytes);
        let fits = bytes <= bounds.total_bytes_max.as_bytes();
        if fits {
            self.bytes = bytes;
        }
        fits
    }
}

impl Records {
    /// The data of an event that travels without it, once it has been found to be that data.
    ///
    /// # Errors
    ///
    /// [`FetchError`].
    pub async fn fetch(&self, reference: &DataRef) -> Result<Bytes, FetchError> {
        let mut data = BytesMut::new();
        for number in 0.. {
            let found = self.store().get(&piece(reference, number)).await?;
            let content = found.ok_or_else(|| FetchError::Gone(reference.clone()))?.content;
            if content.expires < Some(self.unix_time()) {
                return Err(FetchError::Gone(reference.clone()));
            }
            let Some(Scalar::Number(whole)) = content.attributes.get(BYTES) else { break };
            data.extend_from_slice(&content.value);
            if data.len() as u64 >= *whole || data.len() > APART_BYTES_MAX {
                break;
            }
        }
        let data = data.freeze();
        if DataRef::of(&data) == *reference {
            Ok(data)
        } else {
            Err(FetchError::Damaged(reference.clone()))
        }
    }
}

/// What goes at the end of any of these days.
async fn total(store: &dyn Store, days: std::ops::RangeInclusive<u64>) -> Result<u64, StoreError> {
    let mut bytes = 0_u64;
    for day in days.take(usize::try_from(APART_DAYS_MAX).unwrap_or(usize::MAX)) {
        let counted = store.get(&of_day(day)).await?;
        let counted = counted.and_then(|item| item.content.attributes.get(BYTES).cloned());
        if let Some(Scalar::Number(counted)) = counted {
            bytes = bytes.saturating_add(counted);
        }
    }
    Ok(bytes)
}

/// The number of a day since the epoch, in UTC.
fn day_of(time: UnixTime) -> u64 {
    time.as_duration().as_secs() / DAY.as_secs()
}

/// When a day is over.
fn end(day: u64) -> UnixTime {
    UnixTime::from_secs((day + 1) * DAY.as_secs())
}

fn of_day(day: u64) -> Key {
    Key::new(DAYS, day.to_string().into_bytes())
}

fn piece(reference: &DataRef, number: usize) -> Key {
    Key::new(PIECES, [&reference.digest()[..], &(number as u64).to_be_bytes()].concat())
}

#[cfg(test)]
mod tests;
