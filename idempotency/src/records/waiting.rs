//! Keys that wait for a person: found, looked at one by one, and named for their resolution.

use bytes::Bytes;
use headgate_store::{Condition, Item, Key, READ_ROWS_MAX};
use headgate_types::{TraceId, UnixTime};

use super::Records;
use crate::{
    claim::{Held, HeldAs},
    key::{RecordKey, SPACE},
    protocol::{claim::claimed_at, classify::held, is_state},
    record::{Effect, Record, State},
    store::{Scan, StoreError},
};

/// A key that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The key, for [`Records::resolve`]. Whoever shows it shows its [`id`](RecordKey::id): the raw
    /// key may name a person.
    pub key: RecordKey,
    /// How it stands, for [`Records::resolve`].
    pub held: Held,
    /// The trace of the last attempt.
    pub trace: Option<TraceId>,
    /// When the key was claimed first, about.
    pub claimed_at: UnixTime,
    /// Effects that are journaled, by name, and whether each is known to be carried out.
    pub effects: Vec<(String, bool)>,
}

/// A step of a look through all keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitingPage {
    /// Keys that wait.
    pub keys: Vec<Waiting>,
    /// Where the next step begins. None: this was the last one.
    pub next: Option<Bytes>,
}

impl Records {
    /// Looks for keys that wait for a person, among at most so many records and at most
    /// [`READ_ROWS_MAX`]. Records are in no order of time, so whoever wants all goes on until there
    /// is no next step; in DynamoDB each record that is passed costs its read.
    ///
    /// # Errors
    ///
    /// [`StoreError`], and [`StoreError::Invalid`] for a place that no step gave.
    pub async fn waiting(
        &self,
        after: Option<&Bytes>,
        rows: usize,
    ) -> Result<WaitingPage, StoreError> {
        let matching = Condition::Any(vec![is_state(State::Hold), is_state(State::Park)]);
        let rows = rows.clamp(1, READ_ROWS_MAX);
        let scan = Scan { space: SPACE, matching: &matching, after, rows };
        let page = self.inner.store.scan(scan).await?;
        // What is no record of ours, or one of a newer version, is nothing that could be resolved.
        let keys = page.items.into_iter().filter_map(|(key, item)| waiting(key, &item).ok()?);
        Ok(WaitingPage { keys: keys.collect(), next: page.next })
    }

    /// The key with this [`id`](RecordKey::id). None: it does not wait, or there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn waiting_as(&self, id: &str) -> Result<Option<Waiting>, StoreError> {
        let key = Bytes::copy_from_slice(id.as_bytes());
        let item = self.inner.store.get(&Key::new(SPACE, key.clone())).await?;
        item.map_or(Ok(None), |item| waiting(key, &item))
    }
}

fn waiting(key: Bytes, item: &Item) -> Result<Option<Waiting>, StoreError> {
    let record = Record::found(item)?;
    let state = match record.state {
        State::Hold => HeldAs::InDoubt,
        State::Park => HeldAs::Parked,
        _ => return Ok(None),
    };
    let effects = record.effects.iter().map(|(name, effect)| {
        let is_carried = matches!(effect, Effect::Carried { .. });
        (name.clone(), is_carried)
    });
    Ok(Some(Waiting {
        held: held(&record, state),
        trace: record.trace,
        claimed_at: claimed_at(record.fence),
        effects: effects.collect(),
        key: RecordKey::found(key, record.raw.clone()),
    }))
}
