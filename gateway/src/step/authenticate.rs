//! Verifies the caller where the route, or a device rule, asks who it is.

use std::sync::Arc;

use http::HeaderMap;

use crate::{
    edge::{Route, Snapshot},
    error::Error,
    identity::{Denied, Verified},
    settings::Auth,
};

/// The caller, when a device rule reads its claims: known before its route is, so every source is
/// asked. None when no rule does, or no source knows the caller.
pub(crate) async fn for_device(snapshot: &Snapshot, headers: &HeaderMap) -> Option<Arc<Verified>> {
    if !snapshot.classifier.needs_claims() {
        return None;
    }
    // Boxed, as below.
    Box::pin(snapshot.authenticator.identify(headers)).await
}

/// The caller, as the route wants it: none where anybody may call.
///
/// # Errors
///
/// [`Error::CredentialMissing`], [`Error::CredentialInvalid`], [`Error::KeysUnavailable`], and
/// [`Error::Forbidden`] for a good credential without the route's scopes and claims.
pub(crate) async fn authenticate(
    snapshot: &Snapshot,
    route: &Route,
    headers: &HeaderMap,
    early: Option<Arc<Verified>>,
) -> Result<Option<Arc<Verified>>, Error> {
    let Auth::Source { source, scopes, claims } = &route.settings.auth else { return Ok(None) };
    let name = snapshot.identity_names.get(*source);
    let caller = match early.filter(|early| name == Some(&early.identity.source)) {
        Some(caller) => caller,
        None => match snapshot.authenticator.cached(*source, headers) {
            Some(known) => known.map_err(why)?,
            None => {
                // Boxed: it is rare, and would make every exchange as large as itself.
                Box::pin(snapshot.authenticator.authenticate(*source, headers))
                    .await
                    .map_err(why)?
            }
        },
    };
    let may = snapshot.authenticator.authorize(*source, &caller.identity, scopes, claims);
    may.map_err(|_lacking| Error::Forbidden)?;
    Ok(Some(caller))
}

fn why(denied: Denied) -> Error {
    match denied {
        Denied::Missing => Error::CredentialMissing,
        Denied::KeysUnavailable => Error::KeysUnavailable,
        Denied::Invalid(_) => Error::CredentialInvalid,
    }
}
