//! `/_headgate/push`: what comes of a caller's requests, as it comes.

use std::sync::Arc;

use headgate_events::{Following, Subscribe};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Version, header::AUTHORIZATION, request::Parts,
};
use hyper::upgrade::OnUpgrade;
use tokio::sync::Notify;

use crate::{
    connection::Connection,
    drain::Phase,
    edge::{Edge, Snapshot},
    error::Error,
    publishing::Owner,
    push::{Feed, Handshake, Opened, Place},
    step::target::Target,
};

/// Its path.
const PATH: &str = "/_headgate/push";
/// Where a client that comes back goes on: in this header, or in the query for clients that can't
/// set one.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");

/// Whether a request asks for pushes.
pub(crate) fn is_asked(parts: &Parts, target: &Target) -> bool {
    parts.method == Method::GET && target.path() == PATH
}

/// Begins to push to a caller, from the place that it names or from now on.
///
/// # Errors
///
/// [`Error::NoRoute`] where there are no events, [`Error::CredentialMissing`] and
/// [`Error::CredentialInvalid`], [`Error::BadRequest`] for a place that is none and a WebSocket of
/// another version, [`Error::PushExhausted`], and [`Error::PushUnavailable`].
pub(crate) async fn open(
    edge: &Arc<Edge>,
    snapshot: &Snapshot,
    connection: &Arc<Connection>,
    parts: &mut Parts,
    target: &Target,
) -> Result<Opened, Error> {
    let hub = edge.pushes.hub().ok_or(Error::NoRoute)?;
    let caller = snapshot.authenticator.identify(connection.credentials(&parts.headers)).await;
    let caller = caller.ok_or_else(|| unknown(&parts.headers))?;
    let from = following(&parts.headers, target)?;
    let socket = handshake(parts, target)?;
    if edge.lifecycle.phase() > Phase::Serving {
        return Err(Error::PushUnavailable);
    }
    let settings = edge.terms().push;
    let place = Place::take(edge, settings).ok_or(Error::PushExhausted)?;
    let owner = Owner::of(&caller.identity);
    let wanted = Subscribe {
        owner: owner.as_str(),
        from,
        waiting_max: settings.waiting_max.get(),
        on_cut: on_cut(connection, parts.version, socket.as_ref()),
    };
    let subscription = hub.subscribe(wanted).await.map_err(|error| {
        tracing::debug!(%error, "nothing can be pushed");
        Error::PushUnavailable
    })?;
    let came = (Arc::clone(connection), parts.headers.clone());
    let feed = Feed::new(subscription, place, (owner, came), settings);
    Ok(Opened { feed, socket })
}

fn unknown(headers: &HeaderMap) -> Error {
    if headers.contains_key(AUTHORIZATION) {
        Error::CredentialInvalid
    } else {
        Error::CredentialMissing
    }
}

/// How a connection is cut off that waits for its client. A stream of HTTP/2 ends by its own time:
/// others on its connection go on.
fn on_cut(
    connection: &Arc<Connection>,
    version: Version,
    socket: Option<&Handshake>,
) -> Box<dyn Fn() + Send + Sync> {
    if let Some(handshake) = socket {
        let cut = Arc::clone(&handshake.cut);
        return Box::new(move || cut.notify_one());
    }
    if version >= Version::HTTP_2 {
        return Box::new(|| {});
    }
    let activity = Arc::clone(&connection.activity);
    Box::new(move || activity.cut())
}

/// The place to go on from; without one, from now on.
fn following(headers: &HeaderMap, target: &Target) -> Result<Following, Error> {
    let wrong = || Error::BadRequest("last-event-id is no place that was given here");
    let header = headers.get(LAST_EVENT_ID).map(HeaderValue::as_bytes);
    let header = header.map(str::from_utf8).transpose().map_err(|_| wrong())?;
    let pairs = target.query().into_iter().flat_map(|query| query.split('&'));
    let query = pairs.filter_map(|pair| pair.split_once('=')).find(|(name, _)| {
        // As clients write it that have no way to set the header.
        *name == LAST_EVENT_ID.as_str()
    });
    match header.or(query.map(|(_, value)| value)).filter(|place| !place.is_empty()) {
        None => Ok(Following::Now),
        Some(place) => place.parse().map(Following::From).map_err(|_| wrong()),
    }
}

/// What makes a WebSocket of the connection, where that is asked for (RFC 6455, 4.2.1).
fn handshake(parts: &mut Parts, target: &Target) -> Result<Option<Handshake>, Error> {
    let upgrade = parts.extensions.remove::<OnUpgrade>().filter(|_| target.is_websocket);
    let Some(upgrade) = upgrade else { return Ok(None) };
    if parts.headers.get(VERSION).is_none_or(|version| version != "13") {
        return Err(Error::BadRequest("sec-websocket-version is not 13"));
    }
    let key = parts.headers.get(KEY).ok_or(Error::BadRequest("no sec-websocket-key"))?;
    let (key, cut) = (key.as_bytes().to_vec(), Arc::<Notify>::default());
    Ok(Some(Handshake { upgrade, key, cut }))
}

#[cfg(test)]
mod tests;
