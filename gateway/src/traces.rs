//! Which exchanges a collector is told of, and how it gets them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_telemetry::{
    Metrics,
    otlp::{self, Batch, Spans},
    trace::{SAMPLED, TraceContext},
};
use headgate_types::Moment;
use http::{Request, StatusCode, Uri, header::CONTENT_TYPE};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    drain::Phase,
    edge::Edge,
    facts::Sampler,
    identity::{FetchError, FetchKeys},
    settings,
};

/// Between two requests to the collector.
const SEND_EVERY: Duration = Duration::from_secs(1);
/// Time of one request.
const SEND_FOR: Duration = Duration::from_secs(5);
/// The same while the edge drains: the end of the process leaves little time.
const SEND_EVERY_DRAINING: Duration = Duration::from_millis(50);
/// Requests with the same spans at most; after that they are lost.
const SENDS_MAX: u32 = 5;
/// Time for what is left at the end of the process.
const LAST_FOR: Duration = Duration::from_secs(1);

/// Decides which traces are sent, and holds their spans until they are.
#[derive(Debug)]
pub(crate) struct Traces {
    endpoint: Uri,
    sampler: Sampler,
    spans: Spans,
}

/// Why the collector has not taken a request.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("no answer within {SEND_FOR:?}")]
    Late,
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

impl SendError {
    /// Whether the same spans may be sent again, as OTLP has it: after no answer, and after the
    /// statuses that say that it is for a while.
    const fn is_passing(&self) -> bool {
        match self {
            Self::Fetch(FetchError::Status(status)) => matches!(
                *status,
                StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            ),
            _ => true,
        }
    }
}

impl Traces {
    pub(crate) fn new(settings: &settings::Traces, metrics: &Metrics) -> Self {
        Self {
            endpoint: settings.endpoint.clone(),
            sampler: Sampler::new(settings.per_second.into()),
            spans: Spans::new(metrics),
        }
    }

    /// Where spans wait.
    pub(crate) const fn spans(&self) -> &Spans {
        &self.spans
    }

    /// Decides on a trace that begins here; on one that a trusted peer has begun, that peer has
    /// decided. Whoever is called is told the decision by the trace's flags.
    pub(crate) fn sample(&self, context: &mut TraceContext, now: Moment) {
        if context.parent_id.is_none() && self.sampler.weight(now, fastrand::u64(..)).is_none() {
            context.flags &= !SAMPLED;
        }
    }

    /// Sends spans once.
    async fn send(&self, batch: &Batch, client: &dyn FetchKeys) -> Result<(), SendError> {
        let request = Request::post(self.endpoint.clone())
            .header(CONTENT_TYPE, otlp::CONTENT_TYPE)
            .body(Bytes::from(batch.body.clone()))
            .map_err(|error| FetchError::Http(Box::new(error)))?;
        let sent = timeout(SEND_FOR, client.ask(request)).await;
        sent.map_err(|_elapsed| SendError::Late)??;
        Ok(())
    }
}

/// Sends what waits, and keeps in mind what was not taken yet.
struct Sender<'a> {
    traces: &'a Traces,
    client: &'a dyn FetchKeys,
    /// Spans that were not taken, and how often they were sent.
    untaken: Option<(Batch, u32)>,
    is_broken: bool,
}

impl Sender<'_> {
    /// Sends all that waits, and tells how long to wait before it is worth to try again.
    ///
    /// # Cancel safety
    ///
    /// What was under way is sent again the next time.
    async fn round(&mut self) -> Duration {
        loop {
            if self.untaken.is_none() {
                self.untaken = self.traces.spans.take().map(|batch| (batch, 0));
            }
            let Some((batch, sends)) = &mut self.untaken else { return SEND_EVERY };
            let count = batch.count;
            *sends += 1;
            let sends = *sends;
            let sent = self.traces.send(batch, self.client).await;
            self.tell(&sent);
            match sent {
                Ok(()) => self.traces.spans.exported(count),
                Err(error) if error.is_passing() && sends < SENDS_MAX => {
                    return SEND_EVERY * (1 << sends);
                }
                Err(_) => self.traces.spans.dropped(count),
            }
            self.untaken = None;
        }
    }

    /// Once when it breaks and once when it works again, not for each request.
    fn tell(&mut self, sent: &Result<(), SendError>) {
        match sent {
            Err(error) if !self.is_broken => {
                tracing::warn!(%error, endpoint = %self.traces.endpoint, "traces can't be sent");
            }
            Ok(()) if self.is_broken => tracing::info!("traces are sent again"),
            _ => {}
        }
        self.is_broken = sent.is_err();
    }
}

impl Edge {
    /// Sends spans to the collector, if there is one, until `shutdown` holds true or its sender is
    /// gone, and then what is left. To be run once, beside the data path.
    pub async fn export_traces(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        let Some(traces) = &self.traces else { return };
        let client = &*self.tools.fetch;
        let mut sender = Sender { traces, client, untaken: None, is_broken: false };
        let mut phase = self.lifecycle.watch();
        let mut wait = SEND_EVERY;
        loop {
            tokio::select! {
                // A sender that is gone means shutdown too.
                _ = shutdown.wait_for(|is_over| *is_over) => break,
                next = async {
                    tokio::select! {
                        () = sleep(wait) => {}
                        // The phase's sender lives as long as the edge.
                        () = async { drop(phase.wait_for(|it| *it > Phase::Serving).await) } => {
                            sleep(wait.min(SEND_EVERY_DRAINING)).await;
                        }
                    }
                    sender.round().await
                } => wait = next,
            }
        }
        let is_sent = timeout(LAST_FOR, sender.round()).await.is_ok();
        let left = sender.untaken.map(|(batch, _)| batch.count);
        if let Some(count) = left {
            tracing::warn!(count, is_sent, "spans are lost at the end");
        }
    }
}

#[cfg(test)]
mod tests;
