//! Facts of requests, kept for a while so that a change can be tried on them before it is made.
//!
//! A fact holds what deciding on a request takes and no more: method, host, path, and of headers,
//! cookies, query parameters and claims only those that a device rule or a route reads. Of these it
//! holds the value only of a plain header that some test has to look into; else a digest that tells
//! whether it equals a text of the configuration, or that it was there. Credentials are never more
//! than there, bodies are not looked at, and a long segment of the path is a digest.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc, time::Duration};

use headgate_events::Exchanges;
use headgate_router::facts::Facts;
use headgate_telemetry::{
    FactsMetrics,
    access::{Detail, Line},
};
use headgate_types::{Class, Device, Moment, Outcome, UnixTime};
use serde::{Deserialize, Serialize, Serializer};
use tokio::sync::mpsc;

use crate::settings::Route;

mod exchange;
mod path;
mod sampler;
mod watch;

pub(crate) use path::Unmasked;
pub(crate) use sampler::Sampler;
pub(crate) use watch::{Watches, digest_of, digest_of_number};

/// Facts that are kept at most. More requests than that are sampled, evenly over the time for which
/// facts are kept.
pub const FACTS_MAX: u64 = 200_000;
/// Facts that wait to be written at most; the next is dropped and counted.
const QUEUE_FACTS_MAX: usize = 4_096;
/// Bytes of one fact; a longer one is dropped and counted.
const FACT_BYTES_MAX: usize = 8 << 10;

/// What is known of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fact {
    /// When it came, RFC 3339.
    pub time: String,
    /// Its method.
    pub method: String,
    /// The host that routes match.
    pub host: String,
    /// The normalized path; `~` and a digest in the place of a segment that may be a secret.
    pub path: String,
    /// `h1` or `h2`.
    pub protocol: String,
    /// What device rules and routes read, by names such as `header x-app`.
    pub read: BTreeMap<String, Kept>,
    /// Whether the caller's claims were known when its device class was told.
    pub identified: bool,
    /// For how many requests it stands: as many as were passed over to keep this one, and itself.
    pub weight: u64,
    /// The device class.
    pub device: Option<String>,
    /// The route, as `team/name`. None: no route took it.
    pub route: Option<String>,
    /// The identity source that the route asks for. None: it asks for nobody.
    pub auth: Option<String>,
    /// What came of asking who calls: `anybody`, `verified`, `refused`, `forbidden`, or `unknown`
    /// when the exchange ended before.
    pub caller: String,
    /// How the exchange ended.
    pub outcome: String,
    /// What the request was worth. None: it ended before that was known.
    pub priority: Option<String>,
    /// Microseconds from the first attempt's begin to the end of the exchange. None: no upstream
    /// was tried.
    pub service_us: Option<u64>,
}

/// What is kept of a part of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Kept {
    /// It was not there.
    Absent,
    /// It was there. Each digest is one of its values; without any, no more than that is known.
    There(Vec<u64>),
    /// Its value.
    Text(String),
}

/// Takes facts from exchanges and hands them to whoever writes them.
#[derive(Debug)]
pub struct Keeper {
    to: To,
    /// None: all are kept.
    sampler: Option<Sampler>,
}

/// What facts become.
#[derive(Debug)]
enum To {
    /// Facts alone.
    Facts(mpsc::Sender<Vec<u8>>, FactsMetrics),
    /// A part of what is told of each exchange.
    Exchanges(Exchanges),
}

impl Keeper {
    /// Makes the two ends: facts are JSON objects of the form [`Fact`].
    pub fn new(keep_for: Duration, metrics: FactsMetrics) -> (Self, mpsc::Receiver<Vec<u8>>) {
        let (sender, receiver) = mpsc::channel(QUEUE_FACTS_MAX);
        let rate = FACTS_MAX / keep_for.as_secs().max(1);
        let sampler = Some(Sampler::new(rate));
        (Self { to: To::Facts(sender, metrics), sampler }, receiver)
    }

    /// Keeps facts as a part of exchanges, of which so many a second become events. None: all do.
    pub fn of_exchanges(exchanges: Exchanges, per_second: Option<NonZeroU32>) -> Self {
        let sampler = per_second.map(|rate| Sampler::new(rate.get().into()));
        Self { to: To::Exchanges(exchanges), sampler }
    }

    /// Begins a fact, if this request is one to be kept.
    pub(crate) fn begin(&self, request: &Seen<'_>, now: Moment) -> Drafted {
        match self.weight(now) {
            Some(weight) => Drafted::Begun(Draft { weight, begun: begin(request, weight) }),
            None => Drafted::PassedOver,
        }
    }

    /// What is kept of an exchange that ends, which may have ended before it had facts.
    pub(crate) fn last(&self, drafted: Drafted, now: Moment) -> Option<Draft> {
        match (drafted, &self.to) {
            (Drafted::Begun(draft), _) => Some(draft),
            (Drafted::Undrawn, To::Exchanges(_)) => {
                self.weight(now).map(|weight| Draft { weight, begun: None })
            }
            (Drafted::Undrawn | Drafted::PassedOver, _) => None,
        }
    }

    /// Ends a fact and hands it over, or drops and counts it. Never waits.
    pub(crate) fn end(
        &self,
        draft: Draft,
        ended: &Ended<'_>,
        (line, detail): (&Line<'_>, &Detail<'_>),
    ) {
        let weight = draft.weight;
        let fact = draft.ended(ended);
        match &self.to {
            To::Facts(sender, metrics) => {
                if fact.is_none_or(|fact| sender.try_send(fact).is_err()) {
                    metrics.dropped(1);
                }
            }
            To::Exchanges(exchanges) => exchanges.tell(exchange::of(line, detail, weight, fact)),
        }
    }

    /// For how many requests one stands, if it is one to be kept.
    fn weight(&self, now: Moment) -> Option<u64> {
        self.sampler.as_ref().map_or(Some(1), |sampler| sampler.weight(now, fastrand::u64(..)))
    }
}

/// What is kept of a request while its exchange lasts.
#[derive(Debug, Default)]
pub(crate) enum Drafted {
    /// It was not drawn yet.
    #[default]
    Undrawn,
    /// It is not one of those that are kept.
    PassedOver,
    /// It is one.
    Begun(Draft),
}

/// A request as it is when its route is looked for.
pub(crate) struct Seen<'a> {
    pub(crate) time: UnixTime,
    pub(crate) version: http::Version,
    pub(crate) watches: &'a Arc<Watches>,
    pub(crate) facts: Facts<'a>,
}

/// What became of it.
pub(crate) struct Ended<'a> {
    pub(crate) device: Option<&'a Device>,
    pub(crate) route: Option<&'a Route>,
    pub(crate) is_verified: bool,
    pub(crate) outcome: Outcome,
    pub(crate) priority: Option<Class>,
    /// What the upstream took.
    pub(crate) service: Option<Duration>,
}

/// An exchange that is kept.
#[derive(Debug)]
pub(crate) struct Draft {
    /// For how many it stands.
    weight: u64,
    /// The first half of its fact. None: it ended before it had one, or has too long a one.
    begun: Option<(Vec<u8>, Arc<Watches>)>,
}

#[derive(Serialize)]
struct Begun<'a> {
    #[serde(serialize_with = "shown")]
    time: UnixTime,
    method: &'a str,
    host: &'a str,
    path: path::Masked<'a>,
    protocol: &'static str,
    read: watch::Read<'a>,
    identified: bool,
    weight: u64,
}

#[derive(Serialize)]
struct Rest<'a> {
    device: Option<&'a str>,
    #[serde(serialize_with = "route_id")]
    route: Option<(&'a str, &'a str)>,
    auth: Option<&'a str>,
    caller: &'static str,
    outcome: &'static str,
    priority: Option<&'static str>,
    service_us: Option<u64>,
}

/// Room for a usual fact, so that its buffer does not grow.
const FACT_BYTES: usize = 512;

/// The first half of a fact; none of one that is too long.
fn begin(request: &Seen<'_>, weight: u64) -> Option<(Vec<u8>, Arc<Watches>)> {
    let Seen { time, version, watches, facts } = request;
    let begun = Begun {
        time: *time,
        method: facts.method.as_str(),
        host: facts.host,
        path: path::Masked(facts.path),
        protocol: if *version < http::Version::HTTP_2 { "h1" } else { "h2" },
        read: watches.read(facts),
        identified: facts.claims.is_some(),
        weight,
    };
    let mut bytes = Vec::with_capacity(FACT_BYTES);
    serde_json::to_writer(&mut bytes, &begun).ok()?;
    (bytes.len() <= FACT_BYTES_MAX).then(|| (bytes, Arc::clone(watches)))
}

/// The fact of a request that no exchange has served.
#[cfg(test)]
pub(crate) fn of(request: &Seen<'_>, ended: &Ended<'_>) -> Option<Vec<u8>> {
    Draft { weight: 1, begun: begin(request, 1) }.ended(ended)
}

impl Draft {
    /// The whole fact: both halves as one object.
    fn ended(self, ended: &Ended<'_>) -> Option<Vec<u8>> {
        let (mut bytes, watches) = self.begun?;
        bytes.pop();
        let seam = bytes.len();
        let source = ended.route.and_then(|route| watches.source(route));
        let rest = Rest {
            device: ended.device.map(|device| device.class.as_ref()),
            route: ended.route.map(|route| (route.team.as_ref(), route.name.as_ref())),
            auth: source,
            caller: match ended.outcome {
                _ if source.is_none() => "anybody",
                _ if ended.is_verified => "verified",
                Outcome::DeniedAuth => "refused",
                Outcome::DeniedPolicy => "forbidden",
                _ => "unknown",
            },
            outcome: ended.outcome.as_str(),
            priority: ended.priority.map(Class::as_str),
            service_us: ended.service.and_then(|took| u64::try_from(took.as_micros()).ok()),
        };
        serde_json::to_writer(&mut bytes, &rest).ok()?;
        *bytes.get_mut(seam)? = b',';
        Some(bytes)
    }
}

fn shown<S: Serializer>(time: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[expect(clippy::ref_option, reason = "serde wants a reference")]
fn route_id<S: Serializer>(route: &Option<(&str, &str)>, serializer: S) -> Result<S::Ok, S::Error> {
    match route {
        None => serializer.serialize_none(),
        Some((team, name)) => serializer.collect_str(&format_args!("{team}/{name}")),
    }
}

#[cfg(test)]
mod tests;
