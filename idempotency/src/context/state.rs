//! State that a handler reads and writes, on condition that nobody wrote it in between.

use std::collections::BTreeMap;

use bytes::Bytes;
use headgate_store::{Content, Key};
use serde::{Serialize, de::DeserializeOwned};

use super::Context;
use crate::{
    fault::Fault,
    outcome::{Seen, StateWrite},
};

/// The space of the store in which handlers keep state. One for all of them: a handler that reads
/// another's state names it by the same key.
pub const STATE_SPACE: &str = "state";

/// A value as a handler read it. Changes are kept by [`Context::put`], and by nothing else.
#[derive(Debug)]
#[must_use = "a change of state takes effect when it is put"]
pub struct Versioned<T> {
    key: Key,
    value: Option<T>,
}

impl<T> Versioned<T> {
    /// The value. None: there is none.
    pub const fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// The value, to change it.
    pub const fn get_mut(&mut self) -> Option<&mut T> {
        self.value.as_mut()
    }

    /// The value to change, or a first one.
    pub fn or_default(&mut self) -> &mut T
    where
        T: Default,
    {
        self.value.get_or_insert_default()
    }

    /// Replaces the value.
    pub fn set(&mut self, value: T) {
        self.value = Some(value);
    }

    /// Removes the value.
    pub fn clear(&mut self) {
        self.value = None;
    }
}

impl<M> Context<M> {
    /// Reads a value, kept as JSON under a key. A second read of the key in one run gives what the
    /// first one did, with what was put since.
    ///
    /// Only a value that is put is checked at the commit. A decision that rests on a value which is
    /// only read holds when the value is put back as it is.
    ///
    /// # Errors
    ///
    /// [`Fault::Dependency`] when the store does not answer; [`Fault::Retry`] for a value that is
    /// no `T`, and for more reads than a commit has room for.
    pub async fn state<T: DeserializeOwned>(
        &mut self,
        key: impl AsRef<[u8]>,
    ) -> Result<Versioned<T>, Fault> {
        let key = Key::new(STATE_SPACE, Bytes::copy_from_slice(key.as_ref()));
        if !self.reads.slots.contains_key(&key) {
            self.room()?;
            let item = self.shared.records.store().get(&key).await?;
            let seen = item.as_ref().map_or(Seen::Absent, |item| Seen::Version(item.version));
            let value = item.map(|item| item.content.value);
            self.reads.slots.insert(key.clone(), Slot { seen, value, is_put: false });
        }
        let value = self.reads.slots.get(&key).and_then(|slot| slot.value.as_ref());
        let value = value.map(|value| serde_json::from_slice(value)).transpose();
        let value =
            value.map_err(|error| Fault::retry(format!("state is not readable: {error}")))?;
        Ok(Versioned { key, value })
    }

    /// Writes a value, on condition that it still stands as it was first read.
    ///
    /// # Errors
    ///
    /// [`Fault::Retry`] for a value that JSON can't hold, or that was read in another run.
    pub fn put<T: Serialize>(&mut self, state: Versioned<T>) -> Result<(), Fault> {
        let Some(slot) = self.reads.slots.get_mut(&state.key) else {
            return Err(Fault::retry("state is put that was read in another run"));
        };
        let value = state.value.map(|value| serde_json::to_vec(&value)).transpose();
        let value = value.map_err(|error| Fault::retry(format!("state is no JSON: {error}")))?;
        slot.value = value.map(Bytes::from);
        slot.is_put = true;
        Ok(())
    }
}

/// What a run has read, and what it makes of it.
#[derive(Debug, Default)]
pub(super) struct Reads {
    slots: BTreeMap<Key, Slot>,
}

#[derive(Debug)]
struct Slot {
    seen: Seen,
    value: Option<Bytes>,
    is_put: bool,
}

impl Reads {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn into_writes(self) -> Vec<StateWrite> {
        let put = self.slots.into_iter().filter(|(_, slot)| slot.is_put);
        put.map(|(key, Slot { seen, value, .. })| {
            let content = value.map(|value| Content { value, ..Content::default() });
            StateWrite { key, seen, content }
        })
        .collect()
    }
}
