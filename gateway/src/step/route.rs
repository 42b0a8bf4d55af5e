//! Finds the one route of a request.

use std::sync::Arc;

use headgate_router::facts::Facts;
use headgate_types::Device;
use http::request::Parts;

use crate::{
    edge::{Route, Snapshot},
    error::Error,
    identity::Verified,
    step::{classify::facts, target::Target},
};

/// The route, in the table's total order.
///
/// # Errors
///
/// [`Error::NoRoute`].
pub(crate) fn find(
    snapshot: &Snapshot,
    parts: &Parts,
    target: &Target,
    device: &Device,
    caller: Option<&Verified>,
) -> Result<Arc<Route>, Error> {
    let (version, facts) = (device.version, facts(parts, target, caller));
    let facts = Facts { device: &device.class, version, ..facts };
    let found = snapshot.table.find(&facts).and_then(|route| snapshot.routes.get(route));
    found.cloned().ok_or(Error::NoRoute)
}
