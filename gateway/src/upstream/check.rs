//! Checks the endpoints of upstreams that want it, beside the data path and on connections of its
//! own.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use headgate_router::health::State;
use http::{HeaderValue, Method, Request, header::USER_AGENT, uri::PathAndQuery};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    body::RequestBody,
    edge::Edge,
    settings::Health,
    upstream::{
        Upstream,
        connect::{ConnectError, Open, Opened, connect},
        lease::Sender,
    },
};

/// A wait between two checks lasts from this share of the interval on: endpoints that begin together
/// would otherwise be checked together for ever.
const WAIT_LEAST: f64 = 0.8;
/// And this much longer at most, so that it is the interval on average.
const WAIT_SPREAD: f64 = 0.4;

/// Who asks.
const AGENT: &str = concat!("headgate/", env!("CARGO_PKG_VERSION"), " (health check)");

/// The checks of one upstream; dropped, they end.
struct Checks {
    upstream: Arc<Upstream>,
    _tasks: JoinSet<()>,
}

impl Edge {
    /// Checks the endpoints of the upstreams in force that want it, until `shutdown` holds true or
    /// its sender is gone. To be run once, beside the data path.
    pub async fn check_health(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        let mut applied = self.applied.subscribe();
        let mut checks: Vec<Checks> = Vec::new();
        loop {
            self.follow(&mut checks);
            tokio::select! {
                // A sender that is gone means shutdown too.
                _ = shutdown.wait_for(|is_over| *is_over) => return,
                // The edge lives as long as this.
                _applied = applied.changed() => {}
            }
        }
    }

    /// Ends the checks of upstreams that are no more, and begins those of new ones. What is known
    /// of an endpoint that stays is kept.
    fn follow(self: &Arc<Self>, checks: &mut Vec<Checks>) {
        let snapshot = self.snapshot();
        let upstreams = || snapshot.upstreams().iter().filter(|one| one.settings.health.is_some());
        checks.retain(|one| upstreams().any(|upstream| Arc::ptr_eq(upstream, &one.upstream)));
        for upstream in upstreams() {
            if checks.iter().any(|one| Arc::ptr_eq(upstream, &one.upstream)) {
                continue;
            }
            let mut tasks = JoinSet::new();
            for endpoint in 0..upstream.settings.endpoints.len() {
                tasks.spawn(check_forever(Arc::clone(self), Arc::clone(upstream), endpoint));
            }
            checks.push(Checks { upstream: Arc::clone(upstream), _tasks: tasks });
        }
    }
}

async fn check_forever(edge: Arc<Edge>, upstream: Arc<Upstream>, endpoint: usize) {
    let Some(health) = upstream.settings.health.clone() else { return };
    let Some(fitness) = &upstream.fitness else { return };
    let Some(standing) = fitness.standing(endpoint) else { return };
    if standing.checked().health.state() != State::Unchecked {
        sleep(health.interval.mul_f64(fastrand::f64())).await;
    }
    loop {
        let probed = timeout(health.timeout, Box::pin(probe(&upstream, endpoint, &health))).await;
        let fault = probed.unwrap_or(Err("no answer in time")).err();
        fitness.metrics().checked(fault.is_none());
        if let Some(state) = standing.note(fault, health.thresholds, edge.clock.now()) {
            tell(&upstream, endpoint, (state, fault));
            fitness.show();
        }
        sleep(wait(health.interval)).await;
    }
}

fn wait(interval: Duration) -> Duration {
    interval.mul_f64(WAIT_LEAST + WAIT_SPREAD * fastrand::f64())
}

fn tell(upstream: &Upstream, endpoint: usize, (state, fault): (State, Option<&'static str>)) {
    let address = upstream.addresses.get(endpoint).map(AsRef::as_ref).unwrap_or_default();
    let audience = &*upstream.audience;
    match fault {
        Some(fault) if state == State::Unhealthy => {
            tracing::warn!(upstream = audience, endpoint = address, fault, "endpoint is unhealthy");
        }
        _ => tracing::info!(upstream = audience, endpoint = address, "endpoint is healthy"),
    }
}

/// Opens a connection, and asks for the path if there is one.
async fn probe(
    upstream: &Arc<Upstream>,
    endpoint: usize,
    health: &Health,
) -> Result<(), &'static str> {
    let place = Open::reserve(&Arc::<AtomicUsize>::default(), 1).ok_or("no connection")?;
    let opened = connect(upstream, endpoint, place).await.map_err(|error| match error {
        ConnectError::Untrusted(_) => "its certificate is not trusted",
        ConnectError::Tls(_) => "no TLS connection",
        ConnectError::TimedOut => "no connection in time",
        _ => "no connection",
    })?;
    let _closes = Closes(opened.task.clone());
    let Some(path) = &health.path else { return Ok(()) };
    let request = request(upstream, path).map_err(|_| "the request can't be made")?;
    let Opened { sender, .. } = opened;
    let sent = match sender {
        Sender::H1(mut sender) => sender.send_request(request).await,
        Sender::H2(mut sender) => sender.send_request(request).await,
    };
    match sent {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(_) => Err("its answer is no success"),
        Err(_) => Err("it broke off"),
    }
}

/// Closes the connection of a check, however that ends.
struct Closes(Option<tokio::task::AbortHandle>);

impl Drop for Closes {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

fn request(upstream: &Upstream, path: &PathAndQuery) -> Result<Request<RequestBody>, http::Error> {
    let mut request = upstream.request(Method::GET, path)?;
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
    Ok(request.map(|()| RequestBody::Empty))
}
