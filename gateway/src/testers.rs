//! Testers, who choose their arm of a split route by a signed token in `headgate-arm`.

use std::{sync::Arc, time::Duration};

use headgate_telemetry::{ArmToken, EdgeMetrics};
use headgate_types::{Clock, Identity};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use serde_json::Value;

use crate::{
    edge::Tools,
    identity::{self, Authenticator, Denied, Reason},
    settings::{IdentityKind, IdentitySource, Jwt, KeySet, Testers as Settings},
    split::Split,
};

/// What a token must be meant for.
const AUDIENCE: &str = "headgate-arm";
/// The longest that a token may still last: one that was lost is of no use the day after.
const LIFE_MAX: Duration = Duration::from_hours(24);
/// The clocks of a signer and an edge that both follow NTP differ by far less.
const LEEWAY: Duration = Duration::from_secs(30);

/// Reads testers' tokens.
#[derive(Debug)]
pub(crate) struct Testers {
    authenticator: Authenticator,
    clock: Arc<dyn Clock>,
    metrics: EdgeMetrics,
}

/// The identity source that verifies testers' tokens.
pub(crate) fn source(settings: &Settings) -> IdentitySource {
    let jwt = Jwt {
        keys: KeySet::Text(Arc::clone(&settings.keys)),
        issuer: None,
        audience: Some(AUDIENCE.to_owned()),
        device_id_claim: None,
        leeway: LEEWAY,
        // For keys from a URL only.
        refresh: LIFE_MAX,
        refetch_interval: LIFE_MAX,
        keep_on_outage: LIFE_MAX,
    };
    IdentitySource { name: "testers".into(), kind: IdentityKind::Jwt(jwt) }
}

impl Testers {
    /// Prepares the keys.
    ///
    /// # Errors
    ///
    /// [`identity::Error`] when the key set can't be used.
    pub(crate) fn new(settings: &Settings, tools: &Tools) -> Result<Self, identity::Error> {
        let clock = Arc::clone(&tools.clock);
        let fetch = Arc::clone(&tools.fetch);
        let authenticator = Authenticator::new(&[source(settings)], Arc::clone(&clock), fetch)?;
        Ok(Self { authenticator, clock, metrics: tools.metrics.edge() })
    }

    /// The arm of a route that a token chooses, `Some(None)` being the rest. None for a token that
    /// chooses nothing: it is counted, and no more comes of it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses this verification only.
    pub(crate) async fn choose(
        &self,
        token: &HeaderValue,
        route: &str,
        split: &Split,
    ) -> Option<Option<usize>> {
        let chosen = match self.verify(token).await {
            Ok(tester) => self.read(&tester.identity, route, split),
            Err(Denied::Invalid(Reason::Expired)) => Err(ArmToken::Expired),
            Err(_) => Err(ArmToken::Invalid),
        };
        self.metrics.arm_token(chosen.map_or_else(|refused| refused, |_| ArmToken::Used));
        chosen.ok()
    }

    async fn verify(&self, token: &HeaderValue) -> Result<Arc<identity::Verified>, Denied> {
        let mut bearer = b"Bearer ".to_vec();
        bearer.extend_from_slice(token.as_bytes());
        let bearer = HeaderValue::from_bytes(&bearer).map_err(|_| Reason::Malformed)?;
        let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
        self.authenticator.authenticate(0, &headers).await
    }

    fn read(
        &self,
        tester: &Identity,
        route: &str,
        split: &Split,
    ) -> Result<Option<usize>, ArmToken> {
        let now = self.clock.unix_time();
        if tester.expires_at.is_none_or(|end| end.since(now) > LIFE_MAX) {
            return Err(ArmToken::TooLong);
        }
        let claim = |name| tester.claims.get(name).and_then(Value::as_str);
        let arm = claim("arm").filter(|_| claim("route") == Some(route));
        arm.and_then(|arm| split.position(arm)).ok_or(ArmToken::Foreign)
    }
}
