//! Calls a function for an event: an event as `CloudEvents` has it, by HTTP, whose answer is the event's outcome.
//!
//! The function's upstream is one like those of routes: its endpoints are balanced, its connections
//! are kept and limited, and calls pass its concurrency limit and its breakers with the requests
//! that go there. It is looked up for each call, so that a change of the configuration holds from
//! the next one on.

mod answer;
mod way;

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use headgate_events::envelope;
use headgate_idempotency::{
    Backoff, Context, Event, Fault, Handler, Place, Terms, Transactional, Tx,
    http::HEADER as IDEMPOTENCY_KEY,
};
use headgate_router::deadline::to_millis;
use headgate_telemetry::{
    AttemptResult, otlp,
    trace::{SAMPLED, TRACEPARENT, format_traceparent},
};
use headgate_types::Class;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header::CONTENT_LENGTH};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::value::RawValue;
use tokio::time::timeout;

use self::{
    answer::{Answer, Outcome},
    way::{Ended, Way},
};
use crate::{
    body::{BodyWatch, ClientBody, RequestBody, RequestBodyLimits},
    edge::{Edge, Function as Compiled},
    headers, settings,
    upstream::{Lease, SendError, Upstream},
};

/// Bytes of an answer's body at most: a result is to be kept, and what is emitted has a limit of
/// its own.
const ANSWER_BYTES_MAX: usize = 256 << 10;
/// Time beyond a call's own in which it may begin, and its end is written down.
const MARGIN: Duration = Duration::from_secs(10);
/// Each wait may be so much longer than the one before.
const BACKOFF_FACTOR: f64 = 2.0;
/// A record outlasts the event in its topic, so that no copy of the event finds it gone.
const TTL_MARGIN: Duration = Duration::from_hours(24);

/// A function as the handler of an event.
#[derive(Debug)]
pub struct Function {
    edge: Arc<Edge>,
    terms: Terms,
    /// Its name, for whoever gets what it pushes.
    name: Arc<str>,
}

/// Why a call has no answer.
#[derive(Debug)]
enum Failed {
    /// Nobody has seen it: the function's upstream is down.
    Down(String),
    /// Somebody may have seen it.
    Broken(String),
}

impl Function {
    /// The function of a handler, called through an edge. Its records are kept longer than its
    /// topic keeps an event. `name` is what it is called to whoever owns a series.
    pub fn new(
        edge: &Arc<Edge>,
        handler: &settings::Handler,
        name: &str,
        retention: Duration,
    ) -> Self {
        let mut terms = Terms::new(&handler.scope(), &handler.topic, &handler.kind);
        terms.timeout = handler.timeout.saturating_add(MARGIN);
        terms.order = handler.order;
        terms.ttl = retention.saturating_add(TTL_MARGIN);
        terms.retry = Backoff {
            first: handler.retry.first,
            factor: BACKOFF_FACTOR,
            longest: handler.retry.longest,
            attempts_max: handler.retry.max.saturating_add(1),
        };
        let name: Arc<str> = name.into();
        terms.told_as = Some(Arc::clone(&name));
        Self { edge: Arc::clone(edge), terms, name }
    }

    async fn call(&self, event: &Event, key: &str) -> Result<Answer, Fault> {
        let functions = self.edge.functions();
        let Some(function) = functions.get(&*self.terms.scope) else {
            // A reload has taken the handler away; its consumer is being stopped.
            return Err(Fault::dependency(&*self.terms.scope, "the handler is gone"));
        };
        let upstream = &function.upstream;
        let Ok(head) = head(function, (event, &self.terms.scope), key) else {
            return Err(Fault::terminal("the event can't be written as headers"));
        };
        let way = Way::to(&self.edge, upstream, event).await?;
        let sending = send(upstream, way.endpoint(), &head, &event.data);
        let asked = timeout(function.timeout, sending).await.unwrap_or_else(|_elapsed| {
            let why = "the function did not answer in time".to_owned();
            Err((AttemptResult::Timeout, Failed::Broken(why)))
        });
        way.end(match &asked {
            Ok(answer) => Ended::with(answer.status),
            Err((result, _)) => Ended::without(*result),
        });
        asked.map_err(|(_, failed)| match failed {
            Failed::Down(why) => Fault::dependency(&*upstream.audience, why),
            Failed::Broken(why) => Fault::retry(why),
        })
    }
}

impl Handler for Function {
    type Data = Box<RawValue>;
    type Mode = Transactional;
    type Output = Box<RawValue>;

    fn terms(&self) -> Terms {
        self.terms.clone()
    }

    async fn handle(
        &self,
        event: Event<Box<RawValue>>,
        cx: &mut Context<Transactional>,
    ) -> Result<Box<RawValue>, Fault> {
        let data = Bytes::copy_from_slice(event.data.get().as_bytes());
        let event = event.with_data(data);
        let answer = self.call(&event, &cx.work_key()).await?;
        let outcome = answer.outcome()?;
        self.keep(&outcome, cx)?;
        Ok(outcome.result)
    }
}

impl Function {
    /// Emits and pushes what the function wants.
    fn keep(&self, outcome: &Outcome, cx: &mut Tx) -> Result<(), Fault> {
        for (index, emit) in outcome.emit.iter().enumerate() {
            let to = Place { topic: &emit.topic, kind: &emit.kind, key: emit.key.as_deref() };
            cx.emit_to(&index.to_string(), &to, &emit.data)?;
        }
        match &outcome.push {
            Some(push) => cx.push(answer::Pushed { handler: &self.name, push }),
            None => Ok(()),
        }
    }
}

/// The head of the request, in the protocol that the upstream speaks.
fn head(
    function: &Compiled,
    (event, scope): (&Event, &str),
    key: &str,
) -> Result<http::request::Parts, http::Error> {
    let mut request = function.upstream.request(Method::POST, &function.path)?;
    let all = request.headers_mut();
    for (name, value) in envelope::http_headers(event) {
        all.insert(HeaderName::try_from(name.as_ref())?, HeaderValue::try_from(value)?);
    }
    own_headers(all, function, (event, scope));
    all.insert(IDEMPOTENCY_KEY, HeaderValue::try_from(key)?);
    all.insert(CONTENT_LENGTH, HeaderValue::from(event.data.len()));
    Ok(request.into_parts().0)
}

/// What every upstream is told: the trace with the handler's span, the priority, the time.
fn own_headers(all: &mut HeaderMap, function: &Compiled, (event, scope): (&Event, &str)) {
    let (span, flags) = (otlp::handling(event, scope), if event.is_sampled { SAMPLED } else { 0 });
    all.insert(TRACEPARENT, format_traceparent(event.trace_id, span, flags));
    let class: Class = event.priority;
    all.insert(headers::PRIORITY, HeaderValue::from_static(class.as_str()));
    all.insert(headers::DEADLINE, headers::millis_value(to_millis(function.timeout)));
}

type NoAnswer = (AttemptResult, Failed);

async fn send(
    upstream: &Arc<Upstream>,
    endpoint: usize,
    head: &http::request::Parts,
    body: &Bytes,
) -> Result<Answer, NoAnswer> {
    // The function knows a repeat by its key.
    let mut lease = Lease::take(upstream, endpoint, true).await;
    loop {
        let mut connection = lease.map_err(|error| {
            (error.result(), Failed::Down("no connection to the function".to_owned()))
        })?;
        match connection.send(|| Some(request(head, body))).await {
            Ok(response) => {
                let (parts, incoming) = response.into_parts();
                let body = read(incoming).await?;
                connection.give_back();
                return Ok(Answer { status: parts.status, headers: parts.headers, body });
            }
            // One that had died while it was kept.
            Err(_) if connection.is_reused => {}
            Err(SendError::Unsent(_)) => {
                let why = "the function closed at once".to_owned();
                return Err((AttemptResult::Reset, Failed::Down(why)));
            }
            Err(SendError::Refused | SendError::Sent(_)) => {
                return Err(broken("the function broke off"));
            }
        }
        upstream.metrics.attempted(AttemptResult::Stale);
        lease = Box::pin(Lease::open(upstream, endpoint)).await;
    }
}

fn broken(why: &str) -> NoAnswer {
    (AttemptResult::Reset, Failed::Broken(why.to_owned()))
}

fn request(head: &http::request::Parts, body: &Bytes) -> Request<RequestBody> {
    let limits = RequestBodyLimits { bytes_max: u64::MAX, idle: Duration::MAX };
    let watch = Arc::<BodyWatch>::default();
    let body = RequestBody::streaming(ClientBody::from(body.clone()), limits, watch);
    Request::from_parts(head.clone(), body)
}

/// Reads an answer to its end.
async fn read(mut incoming: Incoming) -> Result<Bytes, NoAnswer> {
    let mut body = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|_| broken("the function broke off its answer"))?;
        let Some(piece) = frame.data_ref() else { continue };
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            let why = format!("the function's answer has more than {ANSWER_BYTES_MAX} bytes");
            return Err((AttemptResult::Garbled, Failed::Broken(why)));
        }
        body.extend_from_slice(piece);
    }
    Ok(body.freeze())
}
