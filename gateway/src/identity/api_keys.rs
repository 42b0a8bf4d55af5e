//! API keys, known by their hashes only.

use std::{collections::HashMap, sync::Arc};

use headgate_types::{Identity, Strength, UnixTime};
use http::{HeaderMap, HeaderName};
use serde_json::Map;

use crate::{
    identity::{
        Denied, Error, Reason, SourceStatus, credential,
        verified::{Proof, Verified, sha256},
    },
    settings::{ApiKey, ApiKeys},
};

/// The keys of one source, each with the caller that it stands for.
#[derive(Debug)]
pub(super) struct ApiKeyList {
    name: Arc<str>,
    header: HeaderName,
    callers: HashMap<[u8; 32], Arc<Verified>>,
}

impl ApiKeyList {
    pub(super) fn new(name: &Arc<str>, settings: &ApiKeys) -> Result<Self, Error> {
        let header = settings.header.parse().map_err(|_| Error::Header {
            source_name: Arc::clone(name),
            header: settings.header.clone(),
        })?;
        let callers = settings.keys.iter().map(|key| (key.sha256, Arc::new(caller(name, key))));
        Ok(Self { name: Arc::clone(name), header, callers: callers.collect() })
    }

    /// Finds whose key a request carries.
    ///
    /// The lookup takes longer the more of two hashes agree, which tells nothing: nobody can
    /// choose keys by the hash that they will have.
    pub(super) fn find(&self, headers: &HeaderMap, now: UnixTime) -> Result<Arc<Verified>, Denied> {
        let key = credential::api_key(headers, &self.header)?;
        let verified = self.callers.get(&sha256(key)).ok_or(Reason::UnknownKey)?;
        verified.in_time(now)?;
        Ok(Arc::clone(verified))
    }

    pub(super) fn status(&self) -> SourceStatus {
        SourceStatus { keys_count: self.callers.len(), ..SourceStatus::without_keys(&self.name) }
    }
}

fn caller(source: &Arc<str>, key: &ApiKey) -> Verified {
    let expires_at = key.expires_at.map(UnixTime::from_secs);
    let identity = Identity {
        subject: Arc::clone(&key.subject),
        device_id: Arc::clone(&key.subject),
        source: Arc::clone(source),
        strength: Strength::ApiKey,
        scopes: key.scopes.clone(),
        claims: Map::new(),
        expires_at,
    };
    let proof = Proof { ends_at: expires_at, ..Proof::default() };
    Verified::new(identity, proof)
}
