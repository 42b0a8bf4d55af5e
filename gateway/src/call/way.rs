//! A call's way to its function: a permit of the upstream's gate, an endpoint whose breaker lets it
//! pass, and what both learn from the call's end.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use headgate_idempotency::Fault;
use headgate_router::{
    balance,
    overload::{breaker, concurrency, limit, priority, verdict::Verdict},
};
use headgate_telemetry::AttemptResult;
use headgate_types::{Deadline, Event};
use http::StatusCode;
use tokio::time::sleep;

use crate::{
    edge::Edge,
    overload::{Asking, NO_PARTITION, Permits, judged},
    step::{
        admit::low_half,
        choose::{Chosen, Tried, pick},
    },
    timer::SpareTimer,
    upstream::Upstream,
};

/// How long a call waits for a permit. Nobody waits for its answer as for a request's, so that it
/// asks again where a request is refused; and what waits is what the handler's own limit sees.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two times that it asks, about.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// The right to call an endpoint. Dropped, the call was given up.
pub(super) struct Way {
    edge: Arc<Edge>,
    upstream: Arc<Upstream>,
    chosen: Chosen,
    permits: Permits,
}

/// How a call ended, as each of those sees it who protect the upstream.
#[derive(Clone, Copy)]
pub(super) struct Ended {
    result: AttemptResult,
    balancer: balance::End,
    /// None: it says nothing of the endpoint.
    breaker: Option<breaker::End>,
    limit: limit::End,
    is_answered: bool,
}

impl Way {
    /// Asks for a permit until there is one, and chooses an endpoint.
    ///
    /// # Errors
    ///
    /// [`Fault::Dependency`] when the upstream's limit lets no call pass for some seconds, or its
    /// breakers none at all.
    pub(super) async fn to(
        edge: &Arc<Edge>,
        upstream: &Arc<Upstream>,
        event: &Event,
    ) -> Result<Self, Fault> {
        let down = |why: &str| Fault::dependency(&*upstream.audience, why);
        let permits = admitted(edge, upstream, event).await;
        let permits = permits.ok_or_else(|| down("its limit is reached"))?;
        let now = edge.clock.now();
        match pick(upstream, &mut Tried::default(), now) {
            Ok(chosen) => {
                let (edge, upstream) = (Arc::clone(edge), Arc::clone(upstream));
                Ok(Self { edge, upstream, chosen, permits })
            }
            Err(refusal) => {
                permits.end(now, limit::End::Ignore);
                let is_open = refusal.is_some();
                Err(down(if is_open { "its breaker is open" } else { "it has no endpoint" }))
            }
        }
    }

    pub(super) fn endpoint(&self) -> usize {
        self.chosen.call.endpoint()
    }

    /// Tells all how the call ended.
    pub(super) fn end(self, ended: Ended) {
        let Self { edge, upstream, chosen: Chosen { mut call, passed }, permits } = self;
        let Ended { result, balancer, breaker, limit, is_answered } = ended;
        let now = edge.clock.now();
        if is_answered {
            call.answered(now, balancer);
        }
        call.finish(now, balancer);
        if let Some(end) = breaker {
            passed.ended(now, end);
        }
        permits.end(now, limit);
        upstream.metrics.attempted(result);
    }
}

impl Ended {
    /// With an answer.
    pub(super) fn with(status: StatusCode) -> Self {
        let is_failure = status.is_server_error();
        Self {
            result: if is_failure { AttemptResult::Origin5xx } else { AttemptResult::Ok },
            balancer: judged::by_balancer(status),
            breaker: Some(judged::by_breaker(status)),
            limit: judged::by_limit(status),
            is_answered: true,
        }
    }

    /// Without one.
    pub(super) fn without(result: AttemptResult) -> Self {
        let is_dropped = matches!(result, AttemptResult::Reset | AttemptResult::Timeout);
        // That there is no room for one more connection is the edge's own doing.
        let is_own = matches!(result, AttemptResult::Exhausted);
        Self {
            result,
            balancer: balance::End::Failure,
            breaker: (!is_own).then_some(breaker::End::Failure),
            limit: if is_dropped { limit::End::Dropped } else { limit::End::Ignore },
            is_answered: false,
        }
    }
}

/// A permit as a request gets it. None: there is none for too long.
async fn admitted(edge: &Arc<Edge>, upstream: &Upstream, event: &Event) -> Option<Permits> {
    let (gate, timer) = (upstream.admission.gate(), SpareTimer::default());
    let usage = &edge.protection.usage;
    // Whom an event is about stands for its user.
    let user = number(&event.partition_key);
    let began = edge.clock.now();
    let deadline = Deadline::after(began, PATIENCE);
    usage.ask(user, began);
    loop {
        let now = edge.clock.now();
        let call = concurrency::Call {
            priority: priority::level(event.priority, user, usage, now),
            tenant: user,
            partition: NO_PARTITION,
            kind: 0,
            page: Some(low_half(event.trace_id)),
            deadline: Some(deadline),
            draw: low_half(event.trace_id),
        };
        let asking = Asking { clock: &*edge.clock, timer: &timer, gate, call: &call };
        if let Verdict::Admitted(permit) = asking.permit(now).await {
            let mut permits = Permits::new(edge, user);
            permits.hold_of_upstream(permit);
            return Some(permits);
        }
        let left = deadline.remaining(edge.clock.now())?;
        sleep(ASK_EVERY.mul_f64(0.5 + fastrand::f64()).min(left)).await;
    }
}

fn number(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
