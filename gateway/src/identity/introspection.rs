//! Verifies opaque bearer tokens by asking the server that issued them (RFC 7662).
//!
//! An answer is remembered for the source's time, and never beyond the token's own end; so is, for
//! a shorter time, that a token is not active. While the server is out of reach, what is remembered
//! stays good for its time, and every other token is refused as one that nobody can tell of.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use headgate_types::{Clock, Moment, Strength};
use http::{
    HeaderValue, Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use quick_cache::sync::Cache;
use serde_json::{Map, Value};
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    identity::{
        Denied, FetchError, FetchKeys, Reason, SourceStatus,
        claims::{self, Demands},
        verified::{CacheKey, Proof, Verified, VerifiedCache},
    },
    settings::Introspection,
};

/// Questions of one source under way at a time. Whoever comes beyond is told to come again: a
/// server that hangs must not hold every request.
const ASKS_MAX: usize = 256;

/// Tokens that are known not to be active. A flood of forged ones puts out others of their kind.
const REFUSED_MAX: usize = 16_384;

/// How long it is remembered that a token is not active, unless answers are remembered for less:
/// a token can become active, as one that is not valid yet.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// A source that asks a server about each token.
#[derive(Debug)]
pub(super) struct IntrospectionSource {
    name: Arc<str>,
    settings: Introspection,
    /// The edge's own credential. None: the server asks for none.
    authorization: Option<HeaderValue>,
    /// Until when tokens are known not to be active.
    refused: Cache<CacheKey, Moment>,
    asks: Semaphore,
}

impl IntrospectionSource {
    pub(super) fn new(name: Arc<str>, settings: &Introspection) -> Self {
        Self {
            name,
            authorization: authorization(settings),
            settings: settings.clone(),
            refused: Cache::new(REFUSED_MAX),
            asks: Semaphore::new(ASKS_MAX),
        }
    }

    pub(super) fn status(&self) -> SourceStatus {
        SourceStatus::without_keys(&self.name)
    }

    /// Whether the server has said a moment ago that the token is not active.
    pub(super) fn has_refused(&self, key: &CacheKey, now: Moment) -> bool {
        self.refused.get(key).is_some_and(|until| now < until)
    }

    /// Asks about a token, once for all requests that carry it at the same time.
    pub(super) async fn ask(
        &self,
        (key, token): (CacheKey, &[u8]),
        cache: &VerifiedCache,
        fetch: &dyn FetchKeys,
        clock: &dyn Clock,
    ) -> Result<Arc<Verified>, Denied> {
        let asked = cache.get_or(&key, async {
            if self.has_refused(&key, clock.now()) {
                return Err(Reason::Inactive.into());
            }
            let verified = self.verify(token, fetch, clock).await;
            if let Err(Denied::Invalid(_)) = &verified {
                let until = clock.now() + self.settings.remember.min(REFUSED_FOR);
                self.refused.insert(key, until);
            }
            verified.map(Arc::new)
        });
        // Around the wait for another request's question as well.
        match timeout(self.settings.timeout, asked).await {
            Ok(verified) => verified,
            Err(_elapsed) => {
                tracing::debug!(
                    source = &*self.name,
                    "introspection server did not answer in time"
                );
                Err(Denied::SourceUnavailable)
            }
        }
    }

    async fn verify(
        &self,
        token: &[u8],
        fetch: &dyn FetchKeys,
        clock: &dyn Clock,
    ) -> Result<Verified, Denied> {
        let _asking = self.asks.try_acquire().map_err(|_| Denied::SourceUnavailable)?;
        let request = self.question(token).ok_or(Reason::Malformed)?;
        let answer = fetch.ask(request).await.map_err(|error| self.unavailable(&error))?;
        let claims: Map<String, Value> = serde_json::from_slice(&answer)
            .map_err(|error| self.unavailable(&FetchError::Http(Box::new(error))))?;
        self.judge(claims, token.len(), clock)
    }

    /// What the server's answer says of the token.
    fn judge(
        &self,
        mut claims: Map<String, Value>,
        token_bytes: usize,
        clock: &dyn Clock,
    ) -> Result<Verified, Denied> {
        if claims.remove("active") != Some(Value::Bool(true)) {
            return Err(Reason::Inactive.into());
        }
        let now = clock.unix_time();
        let demands = Demands {
            issuer: self.settings.issuer.as_deref(),
            audience: self.settings.audience.as_deref(),
            leeway: self.settings.leeway,
            is_end_needed: false,
        };
        let validity = claims::check(&claims, &demands, now)?;
        // The only member that an answer must have is `active`.
        if !claims.contains_key("sub")
            && let Some(name) = ["username", "client_id"].iter().find_map(|name| claims.get(*name))
        {
            claims.insert("sub".to_owned(), name.clone());
        }
        let device_id_claim = self.settings.device_id_claim.as_deref();
        let vouched = (Arc::clone(&self.name), Strength::OpaqueToken);
        let identity = claims::identity(vouched, claims, device_id_claim, validity.expires_at())?;
        let proof = Proof {
            not_before: validity.not_before(),
            ends_at: validity.ends_at(),
            ask_again_at: Some(now + self.settings.remember),
            credential_bytes: token_bytes,
            ..Proof::default()
        };
        Ok(Verified::new(identity, proof))
    }

    fn question(&self, token: &[u8]) -> Option<Request<Bytes>> {
        let mut form = String::from("token=");
        form_escape(&mut form, token);
        form.push_str("&token_type_hint=access_token");
        let mut request = Request::post(self.settings.uri.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
            .header(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        request.body(form.into()).ok()
    }

    fn unavailable(&self, error: &FetchError) -> Denied {
        tracing::debug!(source = &*self.name, %error, "introspection server can't be asked");
        Denied::SourceUnavailable
    }
}

/// The client's identifier and secret, each escaped before they are joined (RFC 6749, 2.3.1).
fn authorization(settings: &Introspection) -> Option<HeaderValue> {
    let (id, secret) = (settings.client_id.as_deref()?, settings.client_secret.as_ref());
    let mut pair = String::new();
    form_escape(&mut pair, id.as_bytes());
    pair.push(':');
    form_escape(&mut pair, secret.map_or("", |secret| secret.reveal()).as_bytes());
    let mut value =
        HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// As forms are sent (WHATWG URL, 5.2); a space as `%20` is read alike.
fn form_escape(form: &mut String, text: &[u8]) {
    use std::fmt::Write as _;
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-._*".contains(byte) {
            form.push(char::from(*byte));
        } else {
            // Writing to a text can't fail.
            write!(form, "%{byte:02X}").unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests;
