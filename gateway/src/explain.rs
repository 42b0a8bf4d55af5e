//! Tells what the edge would do with a request, and why, by the steps that serve one.

use std::{sync::Arc, time::Duration};

use headgate_router::{deadline, device, facts::Facts, table};
use headgate_types::{Class, Moment, Version as AppVersion};
use http::{HeaderValue, request::Parts};

use crate::{
    edge::Edge,
    error::Error,
    headers,
    identity::{Credentials, Verified},
    step::{self, draw::Drawn},
};

/// What the edge would do with a request, step by step, as far as it would get.
#[derive(Debug)]
pub struct Explanation {
    /// The host that routes match, and the normalized path.
    pub target: (String, String),
    /// The caller as device rules and predicates see it. None when none reads claims.
    pub identified: Option<Caller>,
    /// The device class.
    pub device: device::Explanation,
    /// The route, by its index in the settings.
    pub route: table::Explanation,
    /// What becomes of the request on its route. None when there is no route.
    pub exchange: Option<Exchange>,
}

/// What becomes of a request on its route.
#[derive(Debug)]
pub struct Exchange {
    /// The caller as the route wants it.
    pub caller: Caller,
    /// What was drawn on a split route. None where requests are not split.
    pub drawn: Option<Drawn>,
    /// The class that the route grants.
    pub granted: Class,
    /// The class that the exchange has, after the client's wish.
    pub priority: Class,
    /// The time that the route grants.
    pub timeout: Duration,
    /// The time that the exchange has, after the client's wish.
    pub remaining: Duration,
}

/// Who calls, as far as it matters.
#[derive(Debug)]
pub enum Caller {
    /// Anybody may call.
    Anybody,
    /// Verified, and allowed.
    Verified(Arc<Verified>),
    /// Refused with this error.
    Refused(Error),
}

impl Edge {
    /// Runs the steps of an exchange up to the call upstream and tells what each decided. Calls no
    /// upstream and counts no exchange; a credential is verified, and counted, as any other.
    ///
    /// # Errors
    ///
    /// [`Error::BadRequest`] when no route would be looked for.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the explanation only.
    pub async fn explain(&self, mut parts: Parts) -> Result<Explanation, Error> {
        let snapshot = self.snapshot();
        let hop = headers::strip_hop(&mut parts.headers).map_err(Error::BadRequest)?;
        let target = step::target::read(&parts, hop)?;
        let early = step::authenticate::early(&snapshot, (&parts.headers).into()).await;
        let facts = step::classify::facts(&parts, &target, early.as_deref());
        let device = snapshot.classifier.explain(&facts);
        let version = device.version.as_deref().and_then(AppVersion::parse);
        let route = snapshot.table.explain(&Facts { device: &device.class, version, ..facts });
        let identified = snapshot.needs_claims.then(|| match &early {
            Some(caller) => Caller::Verified(Arc::clone(caller)),
            None => Caller::Refused(Error::CredentialMissing),
        });
        let found = route.route.and_then(|index| snapshot.routes.get(index));
        let exchange = match found {
            None => None,
            Some(found) => {
                // Whoever asks has no address.
                let shown = (Credentials::from(&parts.headers), 0);
                let verified =
                    step::authenticate::authenticate(&snapshot, &found.settings.auth, shown, early)
                        .await;
                let known = verified.as_ref().ok().and_then(Option::as_deref);
                // A request that nobody sends has no trace.
                let asked = (&parts.headers, None);
                let drawn = step::draw::draw(&snapshot, found, known, asked).await;
                let wish = parts.headers.get(headers::DEADLINE).map(HeaderValue::as_bytes);
                let deadline = deadline::effective(Moment::ZERO, found.timeout, wish);
                Some(Exchange {
                    drawn,
                    caller: match verified {
                        Ok(Some(caller)) => Caller::Verified(caller),
                        Ok(None) => Caller::Anybody,
                        Err(error) => Caller::Refused(error),
                    },
                    granted: found.settings.priority,
                    priority: step::dispatch::priority(found, &parts.headers).class(),
                    timeout: found.timeout,
                    remaining: deadline.remaining(Moment::ZERO).unwrap_or_default(),
                })
            }
        };
        let target = (target.host.clone(), target.path().to_owned());
        Ok(Explanation { target, identified, device, route, exchange })
    }
}
