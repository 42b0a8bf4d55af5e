//! Names the kind of device that calls.

use headgate_router::facts::Facts;
use headgate_types::Device;
use http::request::Parts;

use crate::{edge::Snapshot, identity::Verified, step::target::Target};

/// The device's class, with the rule that decided.
pub(crate) fn classify(
    snapshot: &Snapshot,
    parts: &Parts,
    target: &Target,
    caller: Option<&Verified>,
) -> Device {
    snapshot.classifier.classify(&facts(parts, target, caller))
}

/// What the router reads of a request. The device is empty until it has been classified.
pub(crate) fn facts<'a>(
    parts: &'a Parts,
    target: &'a Target,
    caller: Option<&'a Verified>,
) -> Facts<'a> {
    Facts {
        method: &parts.method,
        host: &target.host,
        path: target.path(),
        query: target.query(),
        headers: &parts.headers,
        claims: caller.map(|caller| &caller.identity.claims),
        device: "",
        version: None,
    }
}
