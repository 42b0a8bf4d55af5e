//! Verifies the caller where the route, a device rule or a route's predicate asks who it is.

use std::sync::Arc;

use crate::{
    edge::Snapshot,
    error::Error,
    identity::{self, Credentials, Denied, Verified},
    settings::Auth,
};

/// The caller, when a device rule or a predicate reads its claims: known before its route is, so
/// every source is asked. None when nothing does, or no source knows the caller, also because it
/// can't be asked: then no test of a claim holds.
pub(crate) async fn early(snapshot: &Snapshot, shown: Credentials<'_>) -> Option<Arc<Verified>> {
    if !snapshot.needs_claims {
        return None;
    }
    // Boxed, as below.
    Box::pin(snapshot.authenticator.identify(shown)).await
}

/// The caller, as the route wants it: none where anybody may call. Of several sources the first one
/// that knows the caller decides; a caller that shows nothing is anonymous where the route lets it
/// be, and one at `address`.
///
/// # Errors
///
/// [`Error::CredentialMissing`], [`Error::CredentialInvalid`], [`Error::KeysUnavailable`],
/// [`Error::SourceUnavailable`], and [`Error::Forbidden`] for a good credential without the route's
/// scopes and claims.
pub(crate) async fn authenticate(
    snapshot: &Snapshot,
    auth: &Auth,
    (shown, address): (Credentials<'_>, u64),
    early: Option<Arc<Verified>>,
) -> Result<Option<Arc<Verified>>, Error> {
    let Auth::Source { sources, is_open, scopes, claims } = auth else { return Ok(None) };
    let mut why = Denied::Missing;
    for source in sources {
        let own_name = snapshot.identity_names.get(*source);
        let early = early.as_ref().filter(|early| own_name == Some(&early.identity.source));
        let decided = match early {
            Some(early) => Ok(Arc::clone(early)),
            None => match snapshot.authenticator.cached(*source, shown) {
                Some(known) => known,
                // Boxed: it is rare, and would make every exchange as large as itself.
                None => Box::pin(snapshot.authenticator.authenticate(*source, shown)).await,
            },
        };
        match decided {
            Ok(caller) => {
                let may =
                    snapshot.authenticator.authorize(*source, &caller.identity, scopes, claims);
                may.map_err(|_lacking| Error::Forbidden)?;
                return Ok(Some(caller));
            }
            Err(denied) => why = graver(why, denied),
        }
    }
    if *is_open && why == Denied::Missing {
        let caller = snapshot.authenticator.anonymous(address);
        let may = identity::authorize(&caller.identity, scopes, claims);
        return may.map(|()| Some(caller)).map_err(|_lacking| Error::Forbidden);
    }
    Err(error(why))
}

/// What counts of two sources' answers: a credential that may be good is not called bad, and one
/// that is bad is not called missing.
fn graver(one: Denied, other: Denied) -> Denied {
    let gravity = |denied| match denied {
        Denied::Missing => 0,
        Denied::Invalid(_) => 1,
        Denied::KeysUnavailable | Denied::SourceUnavailable => 2,
    };
    if gravity(other) > gravity(one) { other } else { one }
}

fn error(denied: Denied) -> Error {
    match denied {
        Denied::Missing => Error::CredentialMissing,
        Denied::KeysUnavailable => Error::KeysUnavailable,
        Denied::SourceUnavailable => Error::SourceUnavailable,
        Denied::Invalid(_) => Error::CredentialInvalid,
    }
}
