//! Reads the claims of a token (RFC 7519, section 4.1).

use std::{sync::Arc, time::Duration};

use headgate_types::{Identity, Strength, UnixTime};
use serde_json::{Map, Value};

use crate::identity::{Reason, in_time};

/// What a source demands of every token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demands<'a> {
    /// The `iss`. None accepts any.
    pub(super) issuer: Option<&'a str>,
    /// The `aud`. None accepts any.
    pub(super) audience: Option<&'a str>,
    /// Clock difference that is forgiven.
    pub(super) leeway: Duration,
    /// Whether a token without an end is refused.
    pub(super) is_end_needed: bool,
}

/// Between which times a token is good, as the token says it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    not_before: Option<UnixTime>,
    expires_at: Option<UnixTime>,
    leeway: Duration,
}

impl Validity {
    /// The start, earlier by the leeway.
    pub(super) fn not_before(self) -> Option<UnixTime> {
        let start = self.not_before?.as_duration();
        Some(UnixTime::from_duration(start.saturating_sub(self.leeway)))
    }

    /// The end, later by the leeway.
    pub(super) fn ends_at(self) -> Option<UnixTime> {
        self.expires_at.map(|end| end + self.leeway)
    }

    /// The end that the token names.
    pub(super) fn expires_at(self) -> Option<UnixTime> {
        self.expires_at
    }
}

/// Checks what a source demands of every token: issuer, audience and time.
pub(super) fn check(
    claims: &Map<String, Value>,
    demands: &Demands<'_>,
    now: UnixTime,
) -> Result<Validity, Reason> {
    let issuer = claims.get("iss").and_then(Value::as_str);
    if demands.issuer.is_some_and(|wanted| issuer != Some(wanted)) {
        return Err(Reason::Issuer);
    }
    if demands.audience.is_some_and(|wanted| !names(claims.get("aud"), wanted)) {
        return Err(Reason::Audience);
    }
    let expires_at = claims.get("exp").map(numeric_date).transpose()?;
    if demands.is_end_needed && expires_at.is_none() {
        return Err(Reason::Malformed);
    }
    let validity = Validity {
        not_before: claims.get("nbf").map(numeric_date).transpose()?,
        expires_at,
        leeway: demands.leeway,
    };
    in_time(validity.not_before(), validity.ends_at(), now)?;
    Ok(validity)
}

/// The caller that a token speaks of. A token without a subject names nobody.
pub(super) fn identity(
    (source, strength): (Arc<str>, Strength),
    claims: Map<String, Value>,
    device_id_claim: Option<&str>,
    expires_at: Option<UnixTime>,
) -> Result<Identity, Reason> {
    let subject: Arc<str> = match claims.get("sub") {
        Some(Value::String(subject)) if !subject.is_empty() => subject.as_str().into(),
        _ => return Err(Reason::Malformed),
    };
    let device_id = match device_id_claim.and_then(|name| claims.get(name)) {
        Some(Value::String(device)) if !device.is_empty() => device.as_str().into(),
        Some(Value::Number(device)) => device.to_string().into(),
        _ => Arc::clone(&subject),
    };
    Ok(Identity {
        subject,
        device_id,
        source,
        strength,
        scopes: scopes(&claims),
        claims,
        expires_at,
    })
}

fn names(audience: Option<&Value>, wanted: &str) -> bool {
    match audience {
        Some(Value::String(name)) => name == wanted,
        Some(Value::Array(names)) => names.iter().any(|name| name.as_str() == Some(wanted)),
        _ => false,
    }
}

/// `scope` is words in one string (RFC 8693, section 4.2); some issuers write `scp`, or a list.
fn scopes(claims: &Map<String, Value>) -> Vec<String> {
    let words = |text: &str| text.split_ascii_whitespace().map(str::to_owned).collect();
    let values = ["scope", "scp"].into_iter().filter_map(|name| claims.get(name));
    values
        .flat_map(|value| match value {
            Value::String(text) => words(text),
            Value::Array(list) => {
                list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        })
        .collect()
}

/// Seconds since the epoch, whole or with a fraction.
fn numeric_date(value: &Value) -> Result<UnixTime, Reason> {
    if let Some(seconds) = value.as_u64() {
        return Ok(UnixTime::from_secs(seconds));
    }
    let seconds = value.as_f64().ok_or(Reason::Malformed)?;
    let since_epoch = Duration::try_from_secs_f64(seconds).map_err(|_| Reason::Malformed)?;
    Ok(UnixTime::from_duration(since_epoch))
}
