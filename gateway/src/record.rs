//! What is known of one exchange, counted and written down when it ends, however it ends.

mod end;
mod rulings;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_router::facts::Facts;
use headgate_telemetry::{
    RouteMetrics,
    access::{self, Attempt, Journal, Mark},
    trace,
};
use headgate_types::{Clock, Device, Moment, Outcome, Priority, SpanId, TraceId, UnixTime};
use http::{HeaderMap, HeaderValue, StatusCode, Version, header::HOST, request::Parts};
use smallvec::SmallVec;

use crate::{
    body::BodyWatch,
    client::Client,
    connection::Connection,
    drain::Phase,
    edge::{Edge, Route, Snapshot, Terms},
    error::Error,
    facts,
    headers::{self, Grpc},
    identity::Verified,
    mirror::Watch,
    overload::Ruling,
    step::draw::Drawn,
    stream::Busy,
};

/// One exchange's record. It travels with the answer and closes when that has ended or was
/// dropped, so that no exchange goes uncounted.
#[derive(Debug)]
pub(crate) struct Record {
    edge: Arc<Edge>,
    /// What held when it began. Not the routes: a long answer or a tunnel must not keep all of a
    /// replaced configuration in memory.
    terms: Arc<Terms>,
    connection: Arc<Connection>,
    client: Client,
    trace: trace::Incoming,
    time: UnixTime,
    method: http::Method,
    uri: http::Uri,
    host: Option<HeaderValue>,
    version: Version,
    grpc: Option<Grpc>,
    route: Option<Arc<Route>>,
    /// The arm that was drawn, on a split route; none is the rest, and until one was drawn.
    arm: Option<usize>,
    /// How it was drawn. None until then.
    drawn: Option<Drawn>,
    device: Option<Device>,
    priority: Option<Priority>,
    /// Whether something else answers in its upstream's place.
    is_degraded: bool,
    load: Load,
    /// What the protective layers said, in the order in which they were met.
    rulings: SmallVec<[Ruling; 3]>,
    caller: Option<Arc<Verified>>,
    /// The probe that the request is, by its name.
    probe: Option<Arc<str>>,
    attempts: SmallVec<[Attempt; 1]>,
    journal: Journal,
    /// Compares the answer with the mirror's, where the request was copied.
    watch: Option<Box<Watch>>,
    request_body: Option<Arc<BodyWatch>>,
    /// None until the exchange has failed or its answer has begun.
    outcome: Option<Outcome>,
    code: Option<&'static str>,
    status: Option<StatusCode>,
    /// Bytes of the answer's body.
    pub(crate) bytes_out: u64,
    /// Bytes from the client that no request body counted: a tunnel's.
    pub(crate) bytes_in: u64,
    ended_at: Option<Moment>,
    busy: Busy,
    /// What is kept of the request beyond its end.
    facts: facts::Drafted,
}

/// What an exchange is to the edge's own protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Load {
    /// Nothing.
    None,
    /// One of those that are in flight.
    Counted,
    /// One whose answer lasts for as long as it likes, and is counted no more.
    Lasting,
}

impl Record {
    /// Opens the record of a request whose head has just been read.
    pub(crate) fn begin(
        (edge, terms): (&Arc<Edge>, &Arc<Terms>),
        connection: &Arc<Connection>,
        parts: &Parts,
        trace: trace::Incoming,
    ) -> Box<Self> {
        edge.lifecycle.begin();
        Box::new(Self {
            terms: Arc::clone(terms),
            trace,
            time: edge.clock.unix_time(),
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            host: parts.headers.get(HOST).cloned(),
            version: parts.version,
            grpc: headers::grpc(&parts.headers),
            route: None,
            arm: None,
            drawn: None,
            device: None,
            priority: None,
            is_degraded: false,
            load: Load::None,
            rulings: SmallVec::new(),
            caller: None,
            probe: edge.mark.as_ref().and_then(|mark| mark.of(&parts.headers)),
            attempts: SmallVec::new(),
            journal: Journal::start(edge.clock.now()),
            watch: None,
            request_body: None,
            outcome: None,
            code: None,
            status: None,
            bytes_out: 0,
            bytes_in: 0,
            ended_at: None,
            facts: facts::Drafted::default(),
            busy: connection.activity.begin(),
            client: connection.client(&parts.headers),
            connection: Arc::clone(connection),
            edge: Arc::clone(edge),
        })
    }

    /// The edge's clock.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.edge.clock
    }

    /// Who sends the request.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// How long a tunnel or a streamed answer may be silent.
    pub(crate) fn stream_idle(&self) -> Duration {
        self.terms.limits.stream_idle
    }

    /// Returns once a tunnel has to end: the edge drains, or its route is no longer there.
    pub(crate) fn tunnel_end(&self) -> impl Future<Output = ()> + Send + use<> {
        let (mut phase, mut applied) = (self.edge.lifecycle.watch(), self.edge.applied.subscribe());
        let route = self.route.clone();
        async move {
            let withdrawn =
                applied.wait_for(|_| route.as_ref().is_some_and(|route| route.end.is_withdrawn()));
            // Both senders live as long as the edge.
            tokio::select! {
                _drains = phase.wait_for(|phase| *phase > Phase::Serving) => {}
                _withdrawn = withdrawn => {}
            }
        }
    }

    /// When the request's head was there.
    pub(crate) fn started(&self) -> Moment {
        self.journal.started_at()
    }

    /// The exchange's trace.
    pub(crate) fn trace_id(&self) -> TraceId {
        self.trace.context.trace_id
    }

    /// The client's protocol version.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Whether the client speaks gRPC.
    pub(crate) fn is_grpc(&self) -> bool {
        self.grpc.is_some()
    }

    /// How it does; none where it does not.
    pub(crate) fn grpc(&self) -> Option<Grpc> {
        self.grpc
    }

    /// The exchange's trace and its own span in it.
    pub(crate) fn trace_and_span(&self) -> (TraceId, SpanId) {
        (self.trace.context.trace_id, self.trace.context.span_id)
    }

    /// Whether a collector gets the trace, here or elsewhere.
    pub(crate) fn is_sampled(&self) -> bool {
        self.trace.context.is_sampled()
    }

    /// Writes the trace into the request that an endpoint gets, from which the client's is gone.
    pub(crate) fn write_trace(&self, headers: &mut HeaderMap) {
        headers.insert(trace::TRACEPARENT, self.trace.context.to_traceparent());
        if let Some(state) = &self.trace.state {
            headers.insert(trace::TRACESTATE, state.clone());
        }
    }

    /// Notes that a step was passed now.
    pub(crate) fn mark(&mut self, mark: Mark) {
        self.journal.mark(mark, self.edge.clock.now());
    }

    /// Notes that a step was passed at a moment.
    pub(crate) fn mark_at(&mut self, mark: Mark, at: Moment) {
        self.journal.mark(mark, at);
    }

    /// The probe that the request is. None: it is none.
    pub(crate) fn probe(&self) -> Option<&Arc<str>> {
        self.probe.as_ref()
    }

    /// What counts an exchange that a route takes.
    fn counts<'r>(&'r self, route: &'r Route) -> &'r RouteMetrics {
        if self.probe.is_some() { &self.terms.probes } else { &route.metrics }
    }

    /// Notes the device.
    pub(crate) fn classified(&mut self, device: &Device) {
        self.device = Some(device.clone());
        self.mark(Mark::Classified);
    }

    /// Notes what a replay would need of the request, if it is one of those that are kept.
    pub(crate) fn note_facts(&mut self, snapshot: &Snapshot, facts: Facts<'_>) {
        // Nothing is learnt from what the edge asks of itself.
        let Some(keeper) = self.edge.facts.get().filter(|_| self.probe.is_none()) else { return };
        let watches = &snapshot.watches;
        let seen = facts::Seen { time: self.time, version: self.version, watches, facts };
        self.facts = keeper.begin(&seen, self.started());
    }

    /// Notes the route, and counts the request's arrival there.
    pub(crate) fn routed(&mut self, route: &Arc<Route>) {
        self.counts(route).arrived();
        self.route = Some(Arc::clone(route));
        self.mark(Mark::Routed);
    }

    /// Notes what the request drew on a split route.
    pub(crate) fn drawn(&mut self, drawn: Option<Drawn>) {
        self.arm = drawn.and_then(|drawn| drawn.choice.arm);
        self.drawn = drawn;
    }

    /// The arm that the request drew; none on a route that is not split, and for the rest.
    pub(crate) fn arm(&self) -> Option<usize> {
        self.arm
    }

    /// Notes the caller; where anybody may call, that took no time.
    pub(crate) fn authenticated(&mut self, caller: Option<&Arc<Verified>>) {
        if caller.is_some() {
            self.caller = caller.cloned();
            self.mark(Mark::Authenticated);
        }
    }

    /// Lets the answer be watched: the request was copied.
    pub(crate) fn watch_answer(&mut self, watch: Watch) {
        self.watch = Some(Box::new(watch));
    }

    /// A piece of the answer's body goes to the client.
    pub(crate) fn passes(&mut self, piece: &Bytes) {
        if let Some(watch) = &mut self.watch {
            watch.piece(piece);
        }
    }

    /// Takes the request body's bytes from here.
    pub(crate) fn watch_body(&mut self, body: &Arc<BodyWatch>) {
        self.request_body = Some(Arc::clone(body));
    }

    /// Ends what the client still sends of its body: the answer is complete. Tells whether there
    /// was something to end; the connection then lingers until the client has read the answer.
    pub(crate) fn end_request_body(&self) -> bool {
        let Some(body) = self.request_body.as_ref().filter(|body| body.is_open()) else {
            return false;
        };
        body.cancel();
        self.connection.activity.linger();
        true
    }

    /// Notes an attempt that has ended.
    pub(crate) fn attempted(&mut self, attempt: Attempt) {
        if let Some(route) = &self.route {
            if let Some(upstream) = route.upstream(self.arm) {
                upstream.metrics.attempted(attempt.result);
            }
            if !self.attempts.is_empty() {
                self.counts(route).retried();
            }
        }
        if self.attempts.len() < access::ATTEMPTS_MAX {
            self.attempts.push(attempt);
        }
    }

    /// Notes the status that the client is sent; the outcome follows from it, unless the exchange
    /// has failed.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        let now = self.edge.clock.now();
        self.answered_at(status, now);
    }

    /// Does what [`Record::answered`] does, at a moment that the caller has read.
    pub(crate) fn answered_at(&mut self, status: StatusCode, now: Moment) {
        self.status = Some(status);
        let outcome = match self.is_degraded {
            _ if status.is_server_error() => Outcome::Origin5xx,
            true => Outcome::OkDegraded,
            false => Outcome::Ok,
        };
        self.outcome.get_or_insert(outcome);
        self.mark_at(Mark::ResponseHead, now);
    }

    /// Notes that the answer is one that was given before.
    pub(crate) fn replayed(&self) {
        if let Some(route) = &self.route {
            self.counts(route).replayed();
        }
    }

    /// Notes when the answer's last byte went, for whoever has read the clock already.
    pub(crate) fn ended(&mut self, now: Moment) {
        self.ended_at = Some(now);
    }

    /// Notes why the exchange failed; the last reason counts.
    pub(crate) fn fail(&mut self, error: Error) {
        self.outcome = Some(error.outcome());
        self.code = Some(error.code());
    }
}
