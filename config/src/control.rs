//! What operators change on running edges: changes in an order, and the state that is their fold.
//!
//! A change says from which version it was made, and counts only if that version still stands when
//! it is taken in: a conditional write by whoever folds. So edges that take in the same changes in
//! the same order are in the same state, of two changes that were made from one version one counts,
//! and a change that comes twice counts once.

use std::collections::BTreeMap;

use headgate_types::UnixTime;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::overlay::{OVERLAYS_MAX, Overlay, rfc_3339};

/// A change, as it stands in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The version that it was made from.
    pub from: u64,
    /// What it is meant as.
    pub action: Action,
    /// The version that is gone back to. None but for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// Overlays that are put in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<Overlay>,
    /// Overlays that are ended, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<u64>,
    /// Who, when, where and why.
    #[serde(flatten)]
    pub by: By,
}

/// What a change is meant as. What it does, its overlays say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Puts a value over the files'.
    Set,
    /// Ends an overlay before its time.
    Unset,
    /// Goes back to an earlier version.
    Rollback,
    /// Takes over overlays that an edge kept before its changes stood in a log.
    Adopt,
    /// What another version of the program calls by another word; what it does counts all the same.
    #[serde(other)]
    Other,
}

impl Action {
    /// The word for it, such as `set`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Unset => "unset",
            Self::Rollback => "rollback",
            Self::Adopt => "adopt",
            Self::Other => "other",
        }
    }
}

/// Who makes a change, when, where and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// The edge that was asked.
    pub node: String,
    /// When, by that edge's clock.
    #[serde(with = "rfc_3339")]
    pub time: UnixTime,
}

/// A version, and who made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Its number: how many changes have counted.
    pub version: u64,
    /// Who made it, when, where and why.
    #[serde(flatten)]
    pub by: By,
}

/// A change that does not count: another one was made from the same version before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was made from version {from}, and version {version} stands")]
pub struct Outdated {
    /// The version that it was made from.
    pub from: u64,
    /// The version that stands.
    pub version: u64,
}

/// All that operators have changed, folded. Before the first change it is version 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Control {
    last: Option<Made>,
    /// The highest number that an overlay ever had.
    last_id: u64,
    overlays: BTreeMap<u64, Overlay>,
}

/// All of a state but its overlays, which are kept one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    last: Option<Made>,
    last_id: u64,
}

impl Control {
    /// The state of which this was kept.
    pub fn new(head: Head, overlays: impl IntoIterator<Item = Overlay>) -> Self {
        let overlays = overlays.into_iter().map(|overlay| (overlay.id, overlay)).collect();
        Self { last: head.last, last_id: head.last_id, overlays }
    }

    /// What is to be kept beside the overlays.
    pub fn head(&self) -> Head {
        Head { last: self.last.clone(), last_id: self.last_id }
    }

    /// How many changes have counted.
    pub fn version(&self) -> u64 {
        self.last.as_ref().map_or(0, |made| made.version)
    }

    /// The last version, and who made it. None before the first.
    pub const fn last(&self) -> Option<&Made> {
        self.last.as_ref()
    }

    /// An overlay by its number, whether or not it has expired since the last change.
    pub fn overlay(&self, id: u64) -> Option<&Overlay> {
        self.overlays.get(&id)
    }

    /// All overlays that stood at the last change, by number.
    pub fn overlays(&self) -> impl Iterator<Item = &Overlay> {
        self.overlays.values()
    }

    /// The overlays that have not expired by then, by number.
    pub fn in_force(&self, now: UnixTime) -> Vec<Overlay> {
        self.overlays().filter(|overlay| overlay.expires > now).cloned().collect()
    }

    /// Takes a change in. What has expired by its time is forgotten with it, by everybody at the
    /// same place. Beyond [`OVERLAYS_MAX`], which whoever makes changes heeds, those with the lowest
    /// numbers stay.
    ///
    /// # Errors
    ///
    /// [`Outdated`]; nothing has changed.
    pub fn take(&mut self, change: &Change) -> Result<(), Outdated> {
        let (from, version) = (change.from, self.version());
        if from != version {
            return Err(Outdated { from, version });
        }
        self.overlays.retain(|_, overlay| overlay.expires > change.by.time);
        for id in &change.unset {
            self.overlays.remove(id);
        }
        for overlay in &change.set {
            self.last_id = self.last_id.max(overlay.id);
            self.overlays.insert(overlay.id, overlay.clone());
        }
        while self.overlays.len() > OVERLAYS_MAX {
            self.overlays.pop_last();
        }
        self.last = Some(Made { version: version.saturating_add(1), by: change.by.clone() });
        Ok(())
    }

    /// The state after a change that was made from this one.
    #[must_use]
    pub fn after(&self, change: &Change) -> Self {
        let mut after = self.clone();
        // What was made from here is not outdated.
        let taken = after.take(change);
        debug_assert_eq!(taken, Ok(()), "the change was made from this state");
        after
    }

    /// The change that puts a value over the files'.
    pub fn setting(&self, key: String, value: Json, expires: UnixTime, by: By) -> Change {
        let id = self.last_id.saturating_add(1);
        let (actor, reason, since) = (by.actor.clone(), by.reason.clone(), by.time);
        let set = vec![Overlay { id, key, value, actor, reason, since, expires }];
        Change { set, ..self.change(Action::Set, by) }
    }

    /// The change that ends an overlay.
    pub fn unsetting(&self, id: u64, by: By) -> Change {
        Change { unset: vec![id], ..self.change(Action::Unset, by) }
    }

    /// The change that goes back to an earlier state: its overlays are in force again, those that
    /// have expired meanwhile aside, with their numbers and their ends; others are ended.
    pub fn rolling_back(&self, to: &Self, by: By) -> Change {
        let is_other = |overlay: &&Overlay| {
            overlay.expires > by.time && self.overlay(overlay.id) != Some(*overlay)
        };
        let set = to.overlays().filter(is_other).cloned().collect();
        let is_new = |id: &&u64| !to.overlays.contains_key(*id);
        let unset = self.overlays.keys().filter(is_new).copied().collect();
        let change = self.change(Action::Rollback, by);
        Change { to: Some(to.version()), set, unset, ..change }
    }

    /// The change that takes over overlays that were kept elsewhere, but for keys that have one
    /// here. None: there is nothing to take over.
    pub fn adopting(&self, overlays: &[Overlay], by: By) -> Option<Change> {
        let has = |key: &str| self.overlays().any(|overlay| overlay.key == key);
        let wanted = overlays.iter().filter(|overlay| overlay.expires > by.time);
        let mut set: Vec<_> = wanted.filter(|overlay| !has(&overlay.key)).cloned().collect();
        // Where numbers were given here already, theirs may be others'.
        if self.last_id > 0 {
            for (id, overlay) in (self.last_id.saturating_add(1)..).zip(&mut set) {
                overlay.id = id;
            }
        }
        let change = Change { set, ..self.change(Action::Adopt, by) };
        (!change.set.is_empty()).then_some(change)
    }

    /// Whether anything was changed about a key since an earlier state.
    pub fn differs_on(&self, key: &str, before: &Self) -> bool {
        let on = |state: &'_ Self| -> Vec<Overlay> {
            state.overlays().filter(|overlay| overlay.key == key).cloned().collect()
        };
        on(self) != on(before)
    }

    fn change(&self, action: Action, by: By) -> Change {
        Change { from: self.version(), action, to: None, set: Vec::new(), unset: Vec::new(), by }
    }
}

#[cfg(test)]
mod tests;
