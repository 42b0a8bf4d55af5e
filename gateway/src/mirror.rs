//! Copies of a route's requests, which another upstream answers to nobody.
//!
//! A copy is sent beside the caller's exchange, in a task of its own that holds nothing of it. Copies
//! have places; one that finds none is dropped and counted, so that an upstream which hangs costs
//! its copies and nothing else.

mod job;
mod tally;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use headgate_router::split;
use headgate_telemetry::{MirrorMetrics, MirrorResult};
use headgate_types::{Clock, TraceId};
use tokio::sync::{Semaphore, oneshot};

pub use crate::mirror::tally::{FieldState, MirrorState};
pub(crate) use crate::mirror::{
    job::Job,
    tally::{Seen, Tally},
};
use crate::{
    body::Capture,
    edge::{BuildError, Route, Tools},
    settings,
    upstream::Upstream,
};

/// Copies of one route's requests that are at their upstream at once.
const CONCURRENCY_MAX: usize = 16;
/// Copies of one route's requests in all: at their upstream, waiting for it, or waiting for the
/// caller's own answer.
const COPIES_MAX: usize = 80;
/// Bytes of each of the two answers that are compared.
pub(crate) const ANSWER_BYTES_MAX: usize = 128 << 10;

/// A route's mirror as the data path uses it.
#[derive(Debug)]
pub(crate) struct Mirror {
    pub(crate) settings: settings::Mirror,
    pub(crate) upstream: Arc<Upstream>,
    draw: split::Split,
    /// Whether bodies are compared.
    reads_bodies: bool,
    places: Semaphore,
    copies: Arc<AtomicUsize>,
    tally: Arc<Tally>,
    metrics: MirrorMetrics,
    clock: Arc<dyn Clock>,
}

impl Mirror {
    /// Prepares a route's mirror, or takes over what it was before; none where requests are not
    /// copied.
    ///
    /// # Errors
    ///
    /// [`BuildError`] for what whoever made the settings should have ruled out.
    pub(crate) fn compile(
        route: &settings::Route,
        upstreams: &[Arc<Upstream>],
        tools: &Tools,
        before: Option<&Arc<Route>>,
    ) -> Result<Option<Arc<Self>>, BuildError> {
        let Some(settings) = route.mirror.clone() else { return Ok(None) };
        let upstream = upstreams.get(settings.upstream).cloned().ok_or_else(|| {
            BuildError::Upstream { team: Arc::clone(&route.team), route: Arc::clone(&route.name) }
        })?;
        let before = before.and_then(|route| route.mirror.as_ref());
        let known = before.filter(|before| before.is(&settings, &upstream));
        if let Some(known) = known.filter(|known| Arc::ptr_eq(&known.upstream, &upstream)) {
            return Ok(Some(Arc::clone(known)));
        }
        // An upstream whose endpoints have changed is compared on.
        let tally = known.map(|known| Arc::clone(&known.tally));
        // A salt of its own, so that the copied requests are not those of an arm.
        let salt = format!("mirror:{}/{}", route.team, route.name);
        Ok(Some(Arc::new(Self {
            draw: split::Split::new(salt, [settings.share])?,
            reads_bodies: settings.compare.iter().any(headgate_router::compare::Field::is_in_body),
            places: Semaphore::new(CONCURRENCY_MAX),
            copies: Arc::default(),
            tally: tally.unwrap_or_else(|| {
                Arc::new(Tally::new(&settings.compare, tools.clock.unix_time()))
            }),
            metrics: tools.metrics.mirror(&route.team, &route.name),
            clock: Arc::clone(&tools.clock),
            upstream,
            settings,
        })))
    }

    /// Whether other settings ask for the same copies.
    fn is(&self, settings: &settings::Mirror, upstream: &Arc<Upstream>) -> bool {
        let same = settings::Mirror { upstream: self.settings.upstream, ..settings.clone() };
        self.upstream.audience == upstream.audience && same == self.settings
    }

    /// Whether the request of a trace is copied.
    pub(crate) fn draws(&self, trace: TraceId) -> bool {
        self.draw.choose(Some(&trace.to_hex())).arm.is_some()
    }

    /// Takes a place for a copy, or counts that there was none.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Place> {
        let place = Place(Arc::clone(&self.copies));
        // The guard gives the place back when there was none.
        if self.copies.fetch_add(1, Ordering::Relaxed) < COPIES_MAX {
            return Some(place);
        }
        self.count(MirrorResult::Dropped);
        None
    }

    /// What watches the caller's own answer, and where it tells what it saw.
    pub(crate) fn watch(&self) -> (Watch, oneshot::Receiver<Seen>) {
        let (tell, told) = oneshot::channel();
        let body = self.reads_bodies.then(|| Capture::new(ANSWER_BYTES_MAX));
        (Watch { body, tell }, told)
    }

    /// As it stands, for operators.
    pub(crate) fn state(&self, route: &settings::Route) -> MirrorState {
        let names = (Arc::clone(&route.team), Arc::clone(&route.name));
        self.tally.state(names, &self.upstream.settings.name, self.settings.share)
    }

    fn count(&self, result: MirrorResult) {
        self.metrics.ended(result);
        self.tally.ended(result);
    }
}

/// A place among a route's copies.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Watches the caller's own answer as it passes by.
#[derive(Debug)]
pub(crate) struct Watch {
    body: Option<Capture>,
    tell: oneshot::Sender<Seen>,
}

impl Watch {
    /// A piece of the answer's body.
    pub(crate) fn piece(&mut self, piece: &bytes::Bytes) {
        if let Some(body) = &mut self.body {
            body.keep(piece);
        }
    }

    /// The answer has ended, with its last byte.
    pub(crate) fn end(self, status: u16, head: Option<std::time::Duration>) {
        let body = self.body.and_then(Capture::whole);
        // Nobody listens any more when the copy was given up.
        drop(self.tell.send(Seen { status, head, body }));
    }
}
