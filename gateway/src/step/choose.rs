//! Chooses the endpoint that is asked: the balancer's, unless its breaker says no.

use std::sync::Arc;

use headgate_router::{
    balance::Call,
    hash_by,
    overload::{
        breaker::{End, Pass},
        verdict::{Layer, Reason, Refusal},
    },
};
use headgate_types::Moment;
use http::HeaderMap;

use crate::{
    error::Error,
    overload::{Ruled, Ruling},
    record::Record,
    step::{admit::low_half, dispatch::Context},
    upstream::Upstream,
};

/// Endpoints that one exchange tries apart; later attempts may repeat one.
const TRIED_MAX: usize = 8;

/// The endpoints that an exchange has asked.
#[derive(Debug)]
pub(crate) struct Tried {
    places: [usize; TRIED_MAX],
    count: usize,
    /// The key by which endpoints are chosen. None: by load alone.
    key: Option<u64>,
}

impl Default for Tried {
    fn default() -> Self {
        Self { places: [usize::MAX; TRIED_MAX], count: 0, key: None }
    }
}

impl Tried {
    /// None yet, and all are chosen by a key if there is one.
    pub(crate) fn by(key: Option<u64>) -> Self {
        Self { key, ..Self::default() }
    }

    fn has(&self, endpoint: usize) -> bool {
        self.places.contains(&endpoint)
    }

    fn add(&mut self, endpoint: usize) {
        if let Some(place) = self.places.get_mut(self.count) {
            *place = endpoint;
            self.count += 1;
        }
    }
}

/// An endpoint that is asked.
pub(crate) struct Chosen {
    pub(crate) call: Call,
    pub(crate) passed: Passed,
}

/// The right to call an endpoint. Dropped before the call's end is known, it is given back.
pub(crate) struct Passed {
    upstream: Arc<Upstream>,
    endpoint: usize,
    pass: Option<Pass>,
}

impl Passed {
    /// Tells the breaker how the call ended.
    pub(crate) fn ended(mut self, now: Moment, end: End) {
        let pass = self.pass.take();
        self.upstream.breakers.record(self.endpoint, pass.as_ref(), now, end);
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.upstream.breakers.give_back(self.endpoint, &pass);
        }
    }
}

/// What the route's requests keep to their endpoints by, of a request that has it.
pub(crate) fn key_of(context: &Context<'_>, record: &Record, headers: &HeaderMap) -> Option<u64> {
    let Context { route, caller, target, .. } = context;
    let hash_by = route.settings.hash_by.as_ref()?;
    let identity = caller.map(|caller| &caller.identity);
    hash_by.key(&hash_by::Asked {
        headers,
        path: target.path(),
        pattern: &route.settings.pattern,
        device_id: identity.map(|identity| identity.device_id.as_ref()),
        user: identity.map(|identity| identity.subject.as_ref()),
        client: record.client().address,
    })
}

/// An endpoint that was not tried and that its breaker lets be asked; when there is none, one that
/// was tried. What the breakers said is noted.
///
/// # Errors
///
/// [`Error::NoEndpoint`] where an upstream has none or all are drained, [`Error::BreakerOpen`] when the breakers let
/// none be asked.
pub(crate) fn choose(
    upstream: &Arc<Upstream>,
    record: &mut Record,
    tried: &mut Tried,
    now: Moment,
) -> Result<Chosen, Error> {
    match pick(upstream, tried, now) {
        Ok(chosen) => {
            if chosen.passed.pass.as_ref().is_some_and(|pass| !pass.counts()) {
                note(record, upstream, &OPEN, Ruled::WouldRefuse);
            }
            Ok(chosen)
        }
        Err(None) => Err(Error::NoEndpoint),
        Err(Some(refusal)) => {
            note(record, upstream, &refusal, Ruled::Refused);
            Err(Error::refused(&refusal, low_half(record.trace_id())))
        }
    }
}

/// As [`choose`], for whoever keeps no record.
///
/// # Errors
///
/// What the last breaker said that let its endpoint not be asked; none where there is no endpoint.
pub(crate) fn pick(
    upstream: &Arc<Upstream>,
    tried: &mut Tried,
    now: Moment,
) -> Result<Chosen, Option<Refusal>> {
    let (breakers, balancer) = (&upstream.breakers, &upstream.balancer);
    // Another draw for each attempt, so that a returning endpoint's share is one of calls.
    let draw = fastrand::u64(..);
    let is_quiet = breakers.is_quiet();
    let is_out = |endpoint| !is_quiet && breakers.is_out(endpoint, balancer, now, draw);
    // A draw of its own: the balancer's would choose among the warm ones by how warm they are.
    let fitness = upstream.fitness.as_ref();
    let fit = fitness.map(|fitness| fitness.fit(now, fastrand::u64(..)));
    let is_left_out = |endpoint| fit.is_some_and(|fit| !fit.has(endpoint)) || is_out(endpoint);
    let is_drained = |endpoint| fitness.is_some_and(|fitness| fitness.is_drained(endpoint));
    // A key keeps to its endpoint, wherever that is.
    let near = upstream.zones.as_ref().filter(|_| tried.key.is_none());
    let near = near.map(|zones| (zones, zones.draw(|at| !is_left_out(at), fastrand::u64(..))));
    let is_far = |at| near.is_some_and(|(zones, zone)| !zones.is_in(at, zone));
    let key = tried.key;
    let pick = |is_out: &dyn Fn(usize) -> bool| match key {
        Some(key) => balancer.pick_for(key, now, is_out),
        None => balancer.pick(now, draw, is_out),
    };
    let mut barred = Tried::default();
    let mut refusal = None;
    loop {
        let is_new = |at| !tried.has(at) && !barred.has(at) && !is_left_out(at);
        let picked = pick(&|at| !is_new(at) || is_far(at))
            .or_else(|| near.and_then(|_| pick(&|at| !is_new(at))))
            .or_else(|| pick(&|at| barred.has(at) || is_left_out(at)))
            // Those that checks find healthy fail: the others can't be worse.
            .or_else(|| {
                let is_bad = |at| barred.has(at) || is_out(at) || is_drained(at);
                fitness.and_then(|_| pick(&is_bad))
            });
        let Some(call) = picked else { return Err(refusal) };
        let endpoint = call.endpoint();
        match breakers.admit(endpoint, now, draw) {
            Ok(pass) => {
                tried.add(endpoint);
                let upstream = Arc::clone(upstream);
                return Ok(Chosen { call, passed: Passed { upstream, endpoint, pass } });
            }
            Err(refused) if barred.count < TRIED_MAX => {
                barred.add(endpoint);
                refusal = Some(refused);
            }
            Err(refused) => return Err(Some(refused)),
        }
    }
}

/// What a breaker says that does not enforce.
const OPEN: Refusal = Refusal::new(Layer::Breaker, Reason::BreakerOpen, 0.0, 0.0);

fn note(record: &mut Record, upstream: &Upstream, refusal: &Refusal, ruled: Ruled) {
    let mode = upstream.settings.overload.breaker.mode;
    let level = record.priority().rank();
    record.rule(Ruling { level, ..Ruling::refused(refusal, mode, ruled) });
}
