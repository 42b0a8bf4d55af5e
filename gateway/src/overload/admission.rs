//! The gate in front of an upstream or a route, and the permits that exchanges hold.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use headgate_router::overload::{
    adaptive::{self, Adaptive},
    concurrency::{self, Gate, Waiter},
    limit::End,
    throttle,
    verdict::Verdict,
};
use headgate_types::Moment;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::GateState;
use crate::{body::BodyWatch, edge::Edge, settings::Concurrency};

/// A permit of a live gate.
pub(crate) type Permit = concurrency::Permit<Waits>;

/// An exchange that waits for a permit.
#[derive(Debug)]
pub(crate) struct Waits(oneshot::Sender<Verdict<Permit>>);

impl Waits {
    /// One that waits, and where it hears.
    pub(crate) fn new() -> (Self, oneshot::Receiver<Verdict<Permit>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }
}

impl Waiter for Waits {
    fn resolve(self, verdict: Verdict<Permit>) -> Option<Permit> {
        // A verdict that nobody hears comes back; one that is never read is dropped where it lies,
        // and its permit with it.
        self.0.send(verdict).err().and_then(Verdict::admitted)
    }
}

/// A gate that is made for the first request, and outlasts changes of its settings.
#[derive(Debug)]
pub(crate) struct Admission {
    gate: OnceLock<Arc<Gate<Waits>>>,
    settings: Mutex<Concurrency>,
}

impl Admission {
    pub(crate) fn new(settings: &Concurrency) -> Arc<Self> {
        Arc::new(Self { gate: OnceLock::new(), settings: Mutex::new(*settings) })
    }

    /// The gate.
    pub(crate) fn gate(&self) -> &Arc<Gate<Waits>> {
        self.gate.get_or_init(|| {
            let Concurrency { mode, initial, min, max } = *self.settings.lock();
            let limit = adaptive::Settings { initial, min, max, ..adaptive::Settings::default() };
            let gate = concurrency::Settings { mode, ..concurrency::Settings::default() };
            Gate::new(gate, Box::new(Adaptive::new(limit)))
        })
    }

    /// Puts other settings in force. What was learnt stays, as do permits and those who wait; the
    /// initial limit counts only for a gate that has not been asked yet.
    pub(crate) fn apply(&self, settings: &Concurrency) {
        let mut own = self.settings.lock();
        if *own == *settings {
            return;
        }
        *own = *settings;
        drop(own);
        if let Some(gate) = self.gate.get() {
            gate.set_mode(settings.mode);
            gate.set_bounds(settings.min, settings.max);
        }
    }

    /// Whether a request has asked.
    pub(crate) fn is_in_use(&self) -> bool {
        self.gate.get().is_some()
    }

    /// The gate as it stands; none before its first request.
    pub(crate) fn state(&self) -> Option<GateState> {
        let gate = self.gate.get()?;
        Some(GateState { mode: gate.mode(), status: gate.status() })
    }
}

/// What an exchange holds from its admission to the end of its answer. Dropped before, it was
/// given up by its client.
#[derive(Debug)]
pub(crate) struct Permits {
    edge: Arc<Edge>,
    user: u64,
    end: End,
    tried: Option<throttle::Pass>,
    /// The client's body, which the upstream may have to wait for.
    body: Option<Arc<BodyWatch>>,
    /// Time for which the client took nothing of the answer.
    untaken: Duration,
    upstream: Option<Permit>,
    /// Boxed: few routes have a limit of their own.
    route: Option<Box<Permit>>,
}

impl Permits {
    /// Holds nothing yet.
    pub(crate) fn new(edge: &Arc<Edge>, user: u64) -> Self {
        let edge = Arc::clone(edge);
        Self {
            edge,
            user,
            end: End::Success,
            tried: None,
            body: None,
            untaken: Duration::ZERO,
            upstream: None,
            route: None,
        }
    }

    /// Adds the permit of the route's own gate.
    pub(crate) fn hold_of_route(&mut self, permit: Permit) {
        self.route = Some(Box::new(permit));
    }

    /// Adds the permit of the upstream's gate.
    pub(crate) fn hold_of_upstream(&mut self, permit: Permit) {
        self.upstream = Some(permit);
    }

    /// Notes that the route's throttle let it be tried; none where that was not asked.
    pub(crate) fn is_tried(&mut self, pass: Option<throttle::Pass>) {
        self.tried = pass;
    }

    /// What the route's throttle is to be told of a success.
    pub(crate) fn tried(&self) -> Option<throttle::Pass> {
        self.tried
    }

    /// Follows the body that the client sends.
    pub(crate) fn follow(&mut self, body: Option<&Arc<BodyWatch>>) {
        self.body = body.cloned();
    }

    /// Leaves out a time in which the client took nothing of the answer.
    pub(crate) fn untaken(&mut self, time: Duration) {
        self.untaken += time;
    }

    /// Says how the call ends unless something goes wrong after this.
    pub(crate) fn will_end(&mut self, end: End) {
        self.end = end;
    }

    /// Gives them back at the end of the answer.
    pub(crate) fn finish(self, now: Moment) {
        let end = self.end;
        self.end(now, end);
    }

    /// Gives them back, and says how the call ended.
    pub(crate) fn end(mut self, now: Moment, end: End) {
        self.charge(now);
        let end = if self.waits_for_client() { End::Ignore } else { end };
        if let Some(permit) = self.upstream.take() {
            permit.finish(now, end);
        }
        if let Some(permit) = self.route.take() {
            permit.finish(now, end);
        }
    }

    /// Whether the upstream has not got the whole request, because the client has not sent it.
    fn waits_for_client(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.is_waiting())
    }

    /// Charges the user for all of the time, and leaves the upstream its own.
    fn charge(&mut self, now: Moment) {
        let first = self.upstream.as_ref().or(self.route.as_deref());
        if let Some(permit) = first {
            let held = now.since(permit.started());
            self.edge.protection.usage.charge(self.user, held, now);
        }
        let waited = self.body.as_ref().map_or(Duration::ZERO, |body| body.waited());
        let excused = waited + self.untaken;
        if !excused.is_zero() {
            let own = self.upstream.iter_mut().chain(self.route.as_deref_mut());
            own.for_each(|permit| permit.excuse(excused));
        }
    }
}

impl Drop for Permits {
    fn drop(&mut self) {
        if self.upstream.is_none() && self.route.is_none() {
            return;
        }
        let now = self.edge.clock.now();
        self.charge(now);
        let waits = self.waits_for_client();
        let route = self.route.take().map(|permit| *permit);
        for permit in self.upstream.take().into_iter().chain(route) {
            if waits {
                permit.finish(now, End::Ignore);
            } else {
                permit.abandon(now);
            }
        }
    }
}
