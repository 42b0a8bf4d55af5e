//! Hands what a process tells on to the log, and never lets whoever tells it wait.
//!
//! What the queue does not take is dropped and counted, and so is what the log does not take: it is
//! worth no retry, and no memory.

use std::{pin::pin, sync::Arc, time::Duration};

use headgate_telemetry::FactsMetrics;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{Log, LogError, Message, Topic};

/// What is appended at once.
const ROWS_MAX: usize = 512;
/// How long the first of a batch waits for others: a sync for each would cost the disk more than
/// what it writes.
const GATHER: Duration = Duration::from_millis(100);
/// Time for one append; what takes longer counts as lost.
const APPEND_WITHIN: Duration = Duration::from_secs(5);
/// Between two tries of a log that took nothing. What comes meanwhile fills the queue, once.
const AGAIN: Duration = Duration::from_secs(1);
/// Time for what waits when the edge ends.
const END_WITHIN: Duration = Duration::from_secs(2);

/// What can be told.
pub trait Tell: Send + 'static {
    /// What waits for the log at most; the next is dropped and counted.
    const WAITING_MAX: usize;

    /// As the topic has it.
    fn message(self, topic: &Topic) -> Message;
}

/// Takes what is told, for a [`Feed`] to append. Clones are the same one.
#[derive(Debug)]
pub struct Teller<T> {
    send: mpsc::Sender<T>,
    metrics: FactsMetrics,
}

// Derived, it would ask what is told to be cloned.
impl<T> Clone for Teller<T> {
    fn clone(&self) -> Self {
        Self { send: self.send.clone(), metrics: self.metrics.clone() }
    }
}

/// Appends what is told to its topic.
#[derive(Debug)]
pub struct Feed<T> {
    waiting: mpsc::Receiver<T>,
    metrics: FactsMetrics,
    batch: Vec<T>,
    /// Of which the log has not told yet whether it has them.
    appending: usize,
    /// Whether the log took the last batch.
    is_open: bool,
}

impl<T: Tell> Teller<T> {
    /// Makes the two ends.
    pub fn new(metrics: FactsMetrics) -> (Self, Feed<T>) {
        let (send, waiting) = mpsc::channel(T::WAITING_MAX);
        let feed = Feed {
            waiting,
            metrics: metrics.clone(),
            batch: Vec::new(),
            appending: 0,
            is_open: false,
        };
        (Self { send, metrics }, feed)
    }

    /// Hands it over, or drops and counts it. Never waits.
    pub fn tell(&self, told: T) {
        if self.send.try_send(told).is_err() {
            self.dropped(1);
        }
    }

    /// Counts what whoever tells has dropped itself.
    pub fn dropped(&self, count: u64) {
        self.metrics.dropped(count);
    }
}

impl<T: Tell> Feed<T> {
    /// Appends what comes until it is told to stop, and then what has come already.
    pub async fn run(
        mut self,
        log: Arc<dyn Log>,
        topic: Topic,
        stop: impl Future<Output = ()> + Send,
    ) {
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                is_more = self.gather() => if !is_more { return },
            }
            if !self.append(&*log, &topic).await {
                tokio::select! {
                    () = &mut stop => break,
                    () = sleep(AGAIN) => {}
                }
            }
        }
        self.waiting.close();
        let rest = async { while self.append(&*log, &topic).await && self.gather().await {} };
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
    async fn append(&mut self, log: &dyn Log, topic: &Topic) -> bool {
        if self.batch.is_empty() {
            return true;
        }
        self.appending = self.batch.len();
        let all = count(self.appending);
        let messages = self.batch.drain(..).map(|told| told.message(topic)).collect();
        let is_known = self.is_open;
        let appended = async {
            if !is_known {
                log.ensure(std::slice::from_ref(topic)).await?;
            }
            log.append(messages).await
        };
        let failed = match timeout(APPEND_WITHIN, appended).await {
            Ok(Ok(_places)) => None,
            Ok(Err(error)) => Some(error),
            Err(_late) => Some(LogError::InDoubt("it took too long".to_owned())),
        };
        self.appending = 0;
        match &failed {
            None => self.metrics.written(all),
            Some(_) => self.metrics.dropped(all),
        }
        let topic = &*topic.name;
        match &failed {
            Some(error) if is_known => {
                let code = error.code();
                tracing::warn!(topic, %error, code, "what is told is not in the log");
            }
            Some(error) => tracing::debug!(topic, %error, "what is told is still not in the log"),
            None => {}
        }
        self.is_open = failed.is_none();
        self.is_open
    }
}

fn count(told: usize) -> u64 {
    u64::try_from(told).unwrap_or(u64::MAX)
}
