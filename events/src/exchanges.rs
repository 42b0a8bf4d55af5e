//! Exchanges as events: each request that the edge has ended, for whoever wants to know of it.
//!
//! An exchange never waits for its event. What the queue does not take is dropped and counted, and
//! so is what the log does not take: an event of an exchange is worth no retry, and no memory.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use headgate_telemetry::FactsMetrics;
use headgate_types::{Class, Event, Root, SpanId, TraceId, UnixTime};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{EXCHANGE_TOPIC, Message, Parts};

/// The type of an exchange's event.
pub const EXCHANGE_KIND: &str = "edge.exchange.v1";
/// Who tells.
const SOURCE: &str = "/hg/edge";
/// Exchanges that wait for the log; the next is dropped and counted.
const WAITING_MAX: usize = 8_192;
/// Exchanges that are appended at once.
const ROWS_MAX: usize = 512;
/// How long the first exchange of a batch waits for others: a sync for each would cost the disk
/// more than what it writes.
const GATHER: Duration = Duration::from_millis(100);
/// Time for one append; what takes longer counts as lost.
const APPEND_WITHIN: Duration = Duration::from_secs(5);
/// Between two tries of a log that took nothing. What comes meanwhile fills the queue, once.
const AGAIN: Duration = Duration::from_secs(1);
/// Time for what waits when the edge ends.
const END_WITHIN: Duration = Duration::from_secs(2);

/// An exchange that has ended.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its own span.
    pub span_id: SpanId,
    /// When it ended.
    pub time: UnixTime,
    /// What it was worth.
    pub priority: Class,
    /// What became of it: a JSON object.
    pub data: Bytes,
}

/// Takes exchanges for an [`ExchangeFeed`] to append. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Exchanges {
    send: mpsc::Sender<Exchange>,
    metrics: FactsMetrics,
}

/// Appends exchanges to their topic, one event each. There is one in a process.
#[derive(Debug)]
pub struct ExchangeFeed {
    waiting: mpsc::Receiver<Exchange>,
    metrics: FactsMetrics,
    batch: Vec<Exchange>,
    /// Exchanges of which the log has not told yet whether it has them.
    appending: usize,
    /// Whether the log took the last batch.
    is_open: bool,
}

impl Exchanges {
    /// Makes the two ends.
    pub fn new(metrics: FactsMetrics) -> (Self, ExchangeFeed) {
        let (send, waiting) = mpsc::channel(WAITING_MAX);
        let feed = ExchangeFeed {
            waiting,
            metrics: metrics.clone(),
            batch: Vec::new(),
            appending: 0,
            is_open: false,
        };
        (Self { send, metrics }, feed)
    }

    /// Hands an exchange over, or drops and counts it. Never waits.
    pub fn tell(&self, exchange: Exchange) {
        if self.send.try_send(exchange).is_err() {
            self.metrics.dropped(1);
        }
    }
}

impl ExchangeFeed {
    /// Appends what comes until it is told to stop, and then what has come already.
    pub async fn run(mut self, parts: Parts, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                is_more = self.gather() => if !is_more { return },
            }
            if !self.append(&parts).await {
                tokio::select! {
                    () = &mut stop => break,
                    () = sleep(AGAIN) => {}
                }
            }
        }
        self.waiting.close();
        let rest = async { while self.append(&parts).await && self.gather().await {} };
        // Whatever is left when the time is up is lost.
        let _ended = timeout(END_WITHIN, rest).await;
        let lost = self.appending + self.batch.len() + self.waiting.len();
        self.metrics.dropped(count(lost));
    }

    /// Waits for a batch; false when nobody is left who could tell anything.
    ///
    /// # Cancel safety
    ///
    /// What was gathered stays.
    async fn gather(&mut self) -> bool {
        let free = ROWS_MAX.saturating_sub(self.batch.len());
        if self.waiting.recv_many(&mut self.batch, free).await == 0 && self.batch.is_empty() {
            return false;
        }
        let full = async {
            while self.batch.len() < ROWS_MAX {
                let free = ROWS_MAX - self.batch.len();
                if self.waiting.recv_many(&mut self.batch, free).await == 0 {
                    return;
                }
            }
        };
        // The end of the wait is as good as a full batch.
        let _waited = timeout(GATHER, full).await;
        true
    }

    /// Appends the batch; false when the log did not take it.
    async fn append(&mut self, parts: &Parts) -> bool {
        if self.batch.is_empty() {
            return true;
        }
        self.appending = self.batch.len();
        let all = count(self.appending);
        let messages = self.batch.drain(..).map(|exchange| message(parts, exchange)).collect();
        let is_known = self.is_open;
        let appended = async {
            if !is_known {
                parts.log.ensure(&[parts.topics.get(EXCHANGE_TOPIC)]).await?;
            }
            parts.log.append(messages).await
        };
        let failed = match timeout(APPEND_WITHIN, appended).await {
            Ok(Ok(_places)) => None,
            Ok(Err(error)) => Some(error),
            Err(_late) => Some(crate::LogError::InDoubt("it took too long".to_owned())),
        };
        self.appending = 0;
        match &failed {
            None => self.metrics.written(all),
            Some(_) => self.metrics.dropped(all),
        }
        match &failed {
            Some(error) if is_known => {
                tracing::warn!(%error, code = error.code(), "exchanges are not in the log");
            }
            Some(error) => tracing::debug!(%error, "exchanges are still not in the log"),
            None => {}
        }
        self.is_open = failed.is_none();
        self.is_open
    }
}

fn count(exchanges: usize) -> u64 {
    u64::try_from(exchanges).unwrap_or(u64::MAX)
}

/// The event of an exchange, in the series that the exchange belongs to.
fn message(parts: &Parts, exchange: Exchange) -> Message {
    let Exchange { trace_id, span_id, time, priority, data } = exchange;
    let root = Root {
        id: format!("{trace_id}-{span_id}").into(),
        source: SOURCE.into(),
        kind: EXCHANGE_KIND.into(),
        partition_key: trace_id.to_string().into(),
        time: UnixTime::from_duration(Duration::from_millis(
            u64::try_from(time.as_duration().as_millis()).unwrap_or(u64::MAX),
        )),
        trace_id,
        span_id,
    };
    let event = Event { priority, ..Event::root(root, data) };
    Message::event(&parts.topics, EXCHANGE_TOPIC, event)
}
