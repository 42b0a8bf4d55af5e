//! What is kept of the parts of a request that a configuration reads.

use std::{collections::HashMap, sync::Arc};

use aws_lc_rs::digest;
use headgate_router::{
    device::Rule,
    facts::Facts,
    reads::{Need, Reads, Subject, number, values},
};
use http::{
    HeaderName,
    header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION},
};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::Kept;
use crate::settings::{IdentityKind, Route, Settings};

/// Bytes of a value that is kept; a longer one is kept as its digest.
const VALUE_BYTES_MAX: usize = 512;
/// Values of one claim that are kept.
const VALUES_MAX: usize = 16;
/// Parts of names whose values are better not kept.
const SECRET_WORDS: [&str; 8] =
    ["auth", "token", "secret", "password", "session", "signature", "key", "jwt"];

/// What to keep of each part that device rules and routes read.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    list: Vec<Watch>,
    /// What routes ask for, as they name it, by team and route.
    sources: HashMap<(Arc<str>, Arc<str>), String>,
}

#[derive(Debug)]
struct Watch {
    /// As a fact names it.
    name: String,
    subject: Subject,
    /// How much is kept, which may be less than is needed.
    keep: Need,
}

impl Watches {
    pub(crate) fn of(settings: &Settings) -> Self {
        let rules: &[Rule] = &settings.devices;
        let reads = Reads::of(rules, settings.routes.iter().map(|route| &route.pattern));
        let credentials: Vec<&str> = settings
            .identity
            .iter()
            .filter_map(|source| match &source.kind {
                IdentityKind::ApiKeys(keys) => Some(keys.header.as_str()),
                IdentityKind::Jwt(_)
                | IdentityKind::Certificate(_)
                | IdentityKind::Introspection(_) => None,
            })
            .collect();
        let watch = |read: &headgate_router::reads::Read| Watch {
            name: read.subject.to_string(),
            subject: read.subject.clone(),
            keep: read.need.min(allowed(&read.subject, &credentials)),
        };
        let asked = |route: &Route| {
            let key = (Arc::clone(&route.team), Arc::clone(&route.name));
            settings.sources_of(&route.auth).map(|sources| (key, sources))
        };
        Self {
            list: reads.iter().map(watch).collect(),
            sources: settings.routes.iter().filter_map(asked).collect(),
        }
    }

    /// The identity sources that a route asks.
    pub(super) fn source(&self, route: &Route) -> Option<&str> {
        let key = (Arc::clone(&route.team), Arc::clone(&route.name));
        self.sources.get(&key).map(String::as_str)
    }

    /// What is kept of a request.
    pub(super) const fn read<'a>(&'a self, facts: &'a Facts<'a>) -> Read<'a> {
        Read { watches: self, facts }
    }
}

/// The most that may be kept.
fn allowed(subject: &Subject, credentials: &[&str]) -> Need {
    let Subject::Header(name) = subject else { return Need::Equality };
    let name: &HeaderName = &name.0;
    let is_credential = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name)
        || credentials.contains(&name.as_str());
    if is_credential {
        Need::Presence
    } else if SECRET_WORDS.iter().any(|word| name.as_str().contains(word)) {
        Need::Equality
    } else {
        Need::Text
    }
}

/// What is kept of one request, by name.
pub(super) struct Read<'a> {
    watches: &'a Watches,
    facts: &'a Facts<'a>,
}

impl Serialize for Read<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.watches.list.len()))?;
        for watch in &self.watches.list {
            map.serialize_entry(&watch.name, &kept(watch, self.facts))?;
        }
        map.end()
    }
}

fn kept(watch: &Watch, facts: &Facts<'_>) -> Kept {
    let values = values(facts, &watch.subject);
    let Some(first) = values.first() else { return Kept::Absent };
    let digests = || {
        let values = values.iter().take(VALUES_MAX);
        Kept::There(values.map(|value| digest_of(&watch.name, value)).collect())
    };
    match watch.keep {
        Need::Presence => Kept::There(Vec::new()),
        Need::Text if first.len() <= VALUE_BYTES_MAX => std::str::from_utf8(first)
            .map_or_else(|_| digests(), |text| Kept::Text(text.to_owned())),
        Need::Equality | Need::Text => digests(),
    }
}

/// 52 bits, which any reader of JSON takes for a whole number, of a SHA-256 over a value and what
/// it is a value of: enough to tell texts of a configuration apart, too few to tell a value that
/// nobody can guess.
pub(crate) fn digest_of(subject: &str, value: &[u8]) -> u64 {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(subject.as_bytes());
    context.update(&[0]);
    context.update(value);
    let bytes = context.finish();
    let first = bytes.as_ref().first_chunk::<8>().copied().unwrap_or_default();
    u64::from_be_bytes(first) >> 12
}

/// The digest of a claim that is the whole number which the text spells, if it spells one.
pub(crate) fn digest_of_number(subject: &str, text: &str) -> Option<u64> {
    number(text).map(|number| digest_of(subject, &number))
}
