//! The keys of a mint, and how they follow each other.

use std::{iter, sync::Arc, time::Duration};

use headgate_types::UnixTime;
use serde_json::{Value, json};

use crate::passport::{
    Error,
    signer::{PublicKey, Signer},
};

/// The key that signs, the one that follows, and those that signed before.
#[derive(Debug)]
pub(super) struct MintKeys {
    pub(super) current: Arc<Signer>,
    pub(super) next: Arc<Signer>,
    pub(super) retired: Vec<Retired>,
    /// When the next key takes over.
    pub(super) turns_at: UnixTime,
}

/// A key that signs no more. Its private half is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Retired {
    pub(super) key: PublicKey,
    /// When the last Passport that it signed has ended everywhere.
    pub(super) until: UnixTime,
}

impl MintKeys {
    pub(super) fn new(turns_at: UnixTime) -> Result<Self, Error> {
        let (current, next) = (Signer::generate()?, Signer::generate()?);
        Ok(Self { current: Arc::new(current), next: Arc::new(next), retired: Vec::new(), turns_at })
    }

    /// The keys after the next one has taken over at `now`. The one that signed until then is
    /// published for `outlives` more.
    pub(super) fn turned(
        &self,
        now: UnixTime,
        turns_at: UnixTime,
        outlives: Duration,
    ) -> Result<Self, Error> {
        let ending = Retired { key: self.current.public().clone(), until: now + outlives };
        let retired = self.retired.iter().filter(|retired| now < retired.until).cloned();
        Ok(Self {
            current: Arc::clone(&self.next),
            next: Arc::new(Signer::generate()?),
            retired: retired.chain(iter::once(ending)).collect(),
            turns_at,
        })
    }

    pub(super) fn to_jwks(&self, now: UnixTime) -> String {
        let retired = self.retired.iter().filter(|retired| now < retired.until);
        let keys: Vec<Value> = [self.current.public(), self.next.public()]
            .into_iter()
            .chain(retired.map(|retired| &retired.key))
            .map(PublicKey::to_jwk)
            .collect();
        json!({ "keys": keys }).to_string()
    }
}
