//! `/_headgate/whoami`: what the edge makes of a caller, for those who may debug.

use std::sync::Arc;

use bytes::Bytes;
use headgate_router::{
    deadline,
    facts::{Facts, decoded},
    overload::rate::Rate,
};
use headgate_types::{UnixTime, Version};
use http::{HeaderValue, Method, Uri, request::Parts};
use serde_json::{Value, json};

use crate::{
    connection::Connection,
    edge::{Edge, Route, Snapshot},
    error::Error,
    headers,
    identity::{Credentials, Verified},
    record::Record,
    step::{self, target::Target},
};

/// Its path.
pub(crate) const PATH: &str = "/_headgate/whoami";

/// Whether a request asks for it.
pub(crate) fn is_asked(parts: &Parts, target: &Target) -> bool {
    target.path() == PATH && matches!(parts.method, Method::GET | Method::HEAD)
}

/// Tells a caller with the scope who it is to the edge: its device class and why, its identity, the
/// digest in force, the difference of the clocks, and for a `path` (with `method` and `host`) the
/// route, its arm and its limits. The request itself says the rest: its headers are those of the one
/// that is asked about.
///
/// # Errors
///
/// [`Error::NoRoute`] where nobody may ask, [`Error::BadRequest`] for a path that no request can
/// have, and what [`step::authenticate::authenticate`] refuses.
pub(crate) async fn tell(
    (edge, snapshot): (&Edge, &Snapshot),
    connection: &Connection,
    record: &Record,
    (parts, target): (&Parts, &Target),
) -> Result<Bytes, Error> {
    let auth = snapshot.whoami.as_ref().ok_or(Error::NoRoute)?;
    let shown = (connection.credentials(&parts.headers), record.client().user);
    let caller = step::authenticate::authenticate(snapshot, auth, shown, None).await?;
    let caller = caller.ok_or(Error::CredentialMissing)?;
    let question = Question::read(parts, target, caller.as_ref())?;
    let asked = question.asked(parts)?;
    let about = step::target::read(&asked, headers::Hop::default())?;
    let early = step::authenticate::early(snapshot, shown.0).await;
    let facts = step::classify::facts(&asked, &about, early.as_deref());
    let device = snapshot.classifier.explain(&facts);
    let now = edge.clock.unix_time();
    let version = device.version.as_deref().and_then(Version::parse);
    let explained = snapshot.table.explain(&Facts { device: &device.class, version, ..facts });
    let found = explained.route.and_then(|index| snapshot.routes.get(index));
    let route = match (found, &question.path) {
        (Some(found), Some(_)) => of_route((edge, snapshot), found, (&asked, shown), early).await,
        _ => Value::Null,
    };
    let told = json!({
        "trace_id": record.trace_id().to_string(),
        "config": snapshot.terms.digest,
        "time": now.to_string(),
        "clock_skew_ms": question.skew_ms(now),
        "client": {
            "address": record.client().address.to_string(),
            "geo": place(snapshot, record),
        },
        "device": device,
        "identity": identity(&caller, now),
        "path": question.path.as_ref().map(|_| about.path()),
        "route": route,
        "why_route": question.path.as_ref().map(|_| json!(explained.reason)),
    });
    Ok(told.to_string().into())
}

/// What is asked, by the query.
struct Question {
    path: Option<Uri>,
    method: Method,
    host: Option<HeaderValue>,
    /// What the caller's clock shows, in milliseconds since the epoch.
    now_ms: Option<i64>,
}

impl Question {
    fn read(parts: &Parts, target: &Target, caller: &Verified) -> Result<Self, Error> {
        let facts = step::classify::facts(parts, target, Some(caller));
        let text = |name: &str| {
            let bytes: Vec<u8> = decoded(facts.parameter(name)?).collect();
            Some(String::from_utf8(bytes))
        };
        let read = |name| text(name).transpose().map_err(|_| Error::BadRequest("query"));
        let path = read("path")?.map(|path| path.parse::<Uri>()).transpose();
        let path = path.map_err(|_| Error::BadRequest("`path` is no path"))?;
        let method = read("method")?.map(|method| method.parse::<Method>()).transpose();
        let host = read("host")?.map(HeaderValue::try_from).transpose();
        Ok(Self {
            path: path.filter(|path| path.authority().is_none()),
            method: method.map_err(|_| Error::BadRequest("`method` is none"))?.unwrap_or_default(),
            host: host.map_err(|_| Error::BadRequest("`host` is none"))?,
            now_ms: read("now")?.and_then(|now| now.parse().ok()),
        })
    }

    /// The request that is asked about: with the headers of this one.
    fn asked(&self, parts: &Parts) -> Result<Parts, Error> {
        let request = http::Request::builder().method(self.method.clone()).version(parts.version);
        let uri = self.path.clone().unwrap_or_else(|| Uri::from_static("/"));
        let request = request.uri(uri).body(());
        let (mut asked, ()) =
            request.map_err(|_| Error::BadRequest("`path` is no path"))?.into_parts();
        asked.headers = parts.headers.clone();
        let authority = parts.uri.authority().and_then(|host| host.as_str().parse().ok());
        if let Some(host) = self.host.clone().or(authority) {
            asked.headers.insert(http::header::HOST, host);
        }
        Ok(asked)
    }

    /// How far the caller's clock is ahead. None where it did not say what it shows.
    fn skew_ms(&self, now: UnixTime) -> Option<i64> {
        let now = i64::try_from(now.as_duration().as_millis()).ok()?;
        self.now_ms?.checked_sub(now)
    }
}

fn place(snapshot: &Snapshot, record: &Record) -> Option<String> {
    let place = snapshot.terms.geo.as_ref()?.tell(record.client().address)?;
    place.to_str().ok().map(str::to_owned)
}

fn identity(caller: &Verified, now: UnixTime) -> Value {
    let identity = &caller.identity;
    json!({
        "source": &*identity.source,
        "strength": identity.strength.as_str(),
        "subject": &*identity.subject,
        "device_id": &*identity.device_id,
        "scopes": identity.scopes,
        "expires_at": identity.expires_at.map(|at| at.to_string()),
        "expires_in_s": identity.expires_at.map(|at| at.since(now).as_secs()),
    })
}

/// What would become of the request on its route.
async fn of_route(
    (edge, snapshot): (&Edge, &Snapshot),
    route: &Arc<Route>,
    (asked, shown): (&Parts, (Credentials<'_>, u64)),
    early: Option<Arc<Verified>>,
) -> Value {
    let auth = &route.settings.auth;
    let caller = step::authenticate::authenticate(snapshot, auth, shown, early).await;
    let known = caller.as_ref().ok().and_then(Option::as_deref);
    let drawn = step::draw::draw(snapshot, route, known, (&asked.headers, None)).await;
    let arm = drawn.and_then(|drawn| route.arm(drawn.choice.arm));
    let limits = route.limits(edge.clock.now());
    let wish = asked.headers.get(headers::DEADLINE).map(HeaderValue::as_bytes);
    let now = edge.clock.now();
    let left = deadline::effective(now, route.timeout, wish).remaining(now).unwrap_or_default();
    let rate = |state: &crate::overload::RateState| {
        let Rate { requests, period, burst } = state.rate;
        json!({
            "per": state.per.as_str(), "requests": requests, "period_ms": period.as_millis(),
            "burst": burst, "mode": state.mode.to_string(),
        })
    };
    json!({
        "team": &*route.settings.team,
        "name": &*route.settings.name,
        "match": route.settings.pattern.to_string(),
        "upstream": route.upstream(drawn.and_then(|it| it.choice.arm)).map(|up| &*up.settings.name),
        "caller": match &caller {
            Ok(Some(caller)) => json!({ "source": &*caller.identity.source }),
            Ok(None) => json!({ "source": null }),
            Err(error) => json!({ "code": error.code(), "outcome": error.outcome().as_str() }),
        },
        "arm": arm.map(|arm| &*arm.settings.name),
        "bucket": drawn.map(|drawn| drawn.choice.bucket),
        "priority": step::dispatch::priority(route, &asked.headers).class().as_str(),
        "timeout_ms": left.as_millis(),
        "limits": {
            "exempt": limits.is_exempt,
            "rates": limits.rates.iter().map(rate).collect::<Vec<_>>(),
            "concurrency": limits.gate.map(|gate| gate.status.limit),
        },
    })
}
