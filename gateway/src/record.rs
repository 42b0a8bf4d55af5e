//! What is known of one exchange, counted and written down when it ends, however it ends.

mod rulings;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_router::facts::Facts;
use headgate_telemetry::{
    access::{self, Attempt, Journal, Mark},
    trace,
};
use headgate_types::{Clock, Device, Moment, Outcome, Priority, TraceId, UnixTime};
use http::{HeaderMap, HeaderValue, StatusCode, Version, header::HOST, request::Parts};
use smallvec::SmallVec;

use crate::{
    body::BodyWatch,
    connection::Connection,
    drain::Phase,
    edge::{Edge, Route, Snapshot, Terms},
    error::Error,
    facts, headers,
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
    trace: trace::Incoming,
    time: UnixTime,
    method: http::Method,
    uri: http::Uri,
    host: Option<HeaderValue>,
    version: Version,
    is_grpc: bool,
    route: Option<Arc<Route>>,
    /// What was drawn on a split route. None until then.
    drawn: Option<Drawn>,
    device: Option<Device>,
    priority: Option<Priority>,
    /// Whether something else answers in its upstream's place.
    is_degraded: bool,
    /// Whether it is among those that the edge's own protection counts as in flight.
    is_counted: bool,
    /// What the protective layers said, in the order in which they were met.
    rulings: SmallVec<[Ruling; 3]>,
    caller: Option<Arc<Verified>>,
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
    facts: Option<facts::Draft>,
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
            is_grpc: headers::is_grpc(&parts.headers),
            route: None,
            drawn: None,
            device: None,
            priority: None,
            is_degraded: false,
            is_counted: false,
            rulings: SmallVec::new(),
            caller: None,
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
            facts: None,
            busy: connection.activity.begin(),
            connection: Arc::clone(connection),
            edge: Arc::clone(edge),
        })
    }

    /// The edge's clock.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.edge.clock
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
        self.is_grpc
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

    /// Notes the device.
    pub(crate) fn classified(&mut self, device: &Device) {
        self.device = Some(device.clone());
        self.mark(Mark::Classified);
    }

    /// Notes what a replay would need of the request, if it is one of those that are kept.
    pub(crate) fn note_facts(&mut self, snapshot: &Snapshot, facts: Facts<'_>) {
        let Some(keeper) = self.edge.facts.get() else { return };
        let watches = &snapshot.watches;
        let seen = facts::Seen { time: self.time, version: self.version, watches, facts };
        self.facts = keeper.begin(&seen, self.started());
    }

    /// Notes the route, and counts the request's arrival there.
    pub(crate) fn routed(&mut self, route: &Arc<Route>) {
        route.metrics.arrived();
        self.route = Some(Arc::clone(route));
        self.mark(Mark::Routed);
    }

    /// Notes what the request drew on a split route.
    pub(crate) fn drawn(&mut self, drawn: Option<Drawn>) {
        self.drawn = drawn;
    }

    /// The arm that the request drew; none on a route that is not split, and for the rest.
    pub(crate) fn arm(&self) -> Option<usize> {
        self.drawn.and_then(|drawn| drawn.choice.arm)
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

    /// Tells the mirror of the answer, if the client got one to its end.
    fn end_watch(&mut self, outcome: Outcome) {
        let Some((watch, status)) = self.watch.take().zip(self.status) else { return };
        let is_own = status.is_client_error() || status.is_server_error();
        if is_own || matches!(outcome, Outcome::Ok | Outcome::Origin5xx) {
            let offset = |mark| self.journal.offset(mark);
            let head = offset(Mark::UpstreamHead).zip(offset(Mark::AttemptStarted));
            let head = head.map(|(head, started)| head.saturating_sub(started));
            watch.end(status.as_u16(), head);
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
            route.upstream(self.arm()).metrics.attempted(attempt.result);
            if !self.attempts.is_empty() {
                route.metrics.retried();
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
            route.metrics.replayed();
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

    fn line(&self, outcome: Outcome, duration: Duration) -> access::Line<'_> {
        let caller = self.caller.as_deref().map(|caller| access::Caller {
            source: &caller.identity.source,
            subject: caller.pseudonym(),
        });
        let host = self.uri.host().or_else(|| self.host.as_ref()?.to_str().ok());
        access::Line {
            time: self.time,
            trace: &self.trace.context,
            untrusted_parent: self.trace.untrusted,
            request: access::Request {
                client: &self.connection.members,
                version: self.version,
                method: self.method.as_str(),
                host,
                path: self.uri.path(),
            },
            outcome,
            status: self.status.map(|status| status.as_u16()),
            code: self.code,
            route: self.route.as_deref().map(|route| route.members(self.arm())),
            device: self.device.as_ref(),
            priority: self.priority.map(Priority::class),
            identity: caller,
            rulings: &[],
            attempts: &self.attempts,
            request_bytes: self.request_bytes(),
            response_bytes: self.bytes_out,
            duration,
            journal: &self.journal,
            config: &self.terms.members,
        }
    }

    /// What is kept of the exchange beside its line.
    fn detail(&self) -> access::Detail<'_> {
        let route = self.route.as_deref();
        let granted = route.map(|route| route.settings.priority);
        let by = |drawn: Drawn| {
            let sticky = route.and_then(|route| route.split.as_ref())?.sticky();
            let by = if drawn.is_chosen { "token" } else { sticky.as_str() };
            Some(access::ArmDetail { by, bucket: drawn.choice.bucket })
        };
        access::Detail {
            route: route.map(Route::matches),
            arm: self.drawn.and_then(by),
            granted: granted.filter(|_| self.priority.is_some()),
        }
    }

    /// Ends what is kept of the request.
    fn end_facts(&mut self, outcome: Outcome) {
        let (Some(draft), Some(keeper)) = (self.facts.take(), self.edge.facts.get()) else {
            return;
        };
        keeper.end(
            draft,
            &facts::Ended {
                device: self.device.as_ref(),
                route: self.route.as_deref().map(|route| &route.settings),
                is_verified: self.caller.is_some(),
                outcome,
            },
        );
    }

    fn request_bytes(&self) -> u64 {
        self.bytes_in + self.request_body.as_ref().map_or(0, |body| body.bytes())
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let now = self.ended_at.unwrap_or_else(|| self.edge.clock.now());
        self.busy.ended(now);
        if self.status.is_some() {
            self.mark_at(Mark::ResponseBodyEnd, now);
        }
        // Dropped before anything was answered: the client left.
        let outcome = self.outcome.unwrap_or(Outcome::ClientCancelled);
        self.end_watch(outcome);
        self.left(now);
        let duration = now.since(self.started());
        let kept = self.edge.recent.keeps(outcome, now);
        if self.terms.writes_lines || kept.is_some() {
            let line = self.line(outcome, duration);
            if self.terms.writes_lines {
                self.edge.access.record(&line);
            }
            if let Some(kind) = kept {
                self.edge.recent.keep(kind, &line, &self.detail());
            }
        }
        let metrics = if let Some(route) = &self.route {
            &route.metrics
        } else {
            self.terms.unrouted.arrived();
            &self.terms.unrouted
        };
        if let Some(arm) = self.route.as_ref().and_then(|route| route.arm(self.arm())) {
            arm.metrics.ended(outcome, self.time, duration);
        }
        metrics.ended(outcome, duration);
        metrics.transferred(self.request_bytes(), self.bytes_out);
        self.end_facts(outcome);
        self.edge.lifecycle.end();
    }
}
