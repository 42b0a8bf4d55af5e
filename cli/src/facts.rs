//! Keeps facts of requests in the embedded store, and gives them back page by page.

use std::{sync::Arc, time::Duration};

use headgate_admin::FactsAsk;
use headgate_config::Loaded;
use headgate_gateway::{Keeper, server::Task};
use headgate_store::{Batch, Done, Error, Keep, Store};
use headgate_telemetry::{FactsMetrics, Metrics};
use headgate_types::{Clock, UnixTime, format_duration};
use serde_json::json;
use tokio::{
    sync::mpsc::Receiver,
    time::{MissedTickBehavior, interval},
};

/// The log of facts in the store.
const TOPIC: &str = "facts/requests";
const PARTITION: u32 = 0;
/// Time after which facts are written at the latest: what a kill may lose.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Bytes of facts that are written at once, one fact aside.
const BLOCK_BYTES_MAX: usize = 256 << 10;
/// Facts taken from the queue at once.
const TAKEN_MAX: usize = 256;
/// Writes between two trims.
const WRITES_PER_TRIM: u32 = 10;
/// Bytes of facts that are kept at most, whatever their age.
const KEPT_BYTES_MAX: u64 = 128 << 20;
/// Steps of one trim at most; what is left is for the next.
const TRIM_STEPS_MAX: usize = 1_000;
/// Blocks that one page reads at most.
const PAGE_BLOCKS_MAX: usize = 16;

/// Where facts go, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct FactsLog {
    store: Store,
    keep_for: Duration,
}

impl FactsLog {
    /// Keeps facts in the embedded store, as long as the configuration says. None where it says
    /// not at all, where there is no store, and where exchanges become events, which hold them.
    pub(crate) fn of(loaded: &Loaded, store: Option<&Store>) -> Option<Self> {
        if loaded.exchanges.is_some() {
            return None;
        }
        Some(Self { keep_for: loaded.facts?, store: store?.clone() })
    }

    /// What exchanges hand facts to, and the task that writes them.
    pub(crate) fn keep(&self, metrics: &Metrics, clock: &Arc<dyn Clock>) -> (Keeper, Task) {
        let metrics = metrics.facts();
        let (keeper, facts) = Keeper::new(self.keep_for, metrics.clone());
        let writer = Writer {
            log: self.clone(),
            clock: Arc::clone(clock),
            metrics,
            block: Vec::new(),
            facts: 0,
        };
        let task: Task = Box::new(|mut shutdown| {
            Box::pin(async move {
                let mut writer = writer;
                tokio::select! {
                    () = writer.write(facts) => {}
                    // A sender that is gone means the same as one that says stop.
                    _stopped = shutdown.wait_for(|stop| *stop) => {}
                }
                writer.flush().await;
            })
        });
        (keeper, task)
    }

    /// A page of facts, oldest first, as `{"facts": […], "next": 7, "kept_for": "15m"}`; `next` is
    /// null at the end.
    pub(crate) fn page(&self, ask: FactsAsk, now: UnixTime) -> String {
        let since = UnixTime::from_duration(now.as_duration().saturating_sub(ask.since));
        let from = ask.after.unwrap_or(0);
        let blocks = self.store.read(TOPIC, PARTITION, from, PAGE_BLOCKS_MAX);
        let blocks = blocks.unwrap_or_else(|error| {
            tracing::warn!(code = error.code(), %error, "facts can't be read");
            Vec::new()
        });
        // A store reads less than it was asked for only at the end, or above its own bound.
        let next = blocks.last().map_or(serde_json::Value::Null, |last| json!(last.offset + 1));
        let kept_for = format_duration(self.keep_for);
        let mut page = String::from("{\"facts\":[");
        let start = page.len();
        for block in blocks.iter().filter(|block| block.time >= since) {
            for fact in String::from_utf8_lossy(&block.payload).lines() {
                if page.len() > start {
                    page.push(',');
                }
                page.push_str(fact);
            }
        }
        page + &format!("],\"next\":{next},\"kept_for\":\"{kept_for}\"}}")
    }
}

/// The page of an edge that keeps no facts.
pub(crate) fn no_page() -> String {
    json!({ "facts": [], "next": null, "kept_for": null }).to_string()
}

/// Gathers facts into blocks, a line each, and writes them.
struct Writer {
    log: FactsLog,
    clock: Arc<dyn Clock>,
    metrics: FactsMetrics,
    block: Vec<u8>,
    facts: u64,
}

impl Writer {
    /// Writes until the last sender is gone.
    ///
    /// # Cancel safety
    ///
    /// A block that is being written is written all the same; one that is gathered stays.
    async fn write(&mut self, mut facts: Receiver<Vec<u8>>) {
        let mut taken = Vec::with_capacity(TAKEN_MAX);
        let mut ticks = interval(WRITE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut writes = 0_u32;
        loop {
            tokio::select! {
                count = facts.recv_many(&mut taken, TAKEN_MAX) => {
                    if count == 0 {
                        return;
                    }
                    for fact in taken.drain(..) {
                        self.block.extend_from_slice(&fact);
                        self.block.push(b'\n');
                        self.facts += 1;
                    }
                    if self.block.len() >= BLOCK_BYTES_MAX {
                        self.flush().await;
                    }
                }
                _ = ticks.tick() => {
                    self.flush().await;
                    if writes.is_multiple_of(WRITES_PER_TRIM) {
                        self.trim().await;
                    }
                    writes = writes.wrapping_add(1);
                }
            }
        }
    }

    /// Writes what was gathered. What the store does not take is lost: facts are never worth a
    /// wait.
    async fn flush(&mut self) {
        if self.block.is_empty() {
            return;
        }
        let block = std::mem::take(&mut self.block);
        let count = std::mem::take(&mut self.facts);
        let batch = Batch::new().append(TOPIC, PARTITION, self.clock.unix_time(), block);
        match self.log.store.commit(batch).await {
            Ok(_) => self.metrics.written(count),
            Err(_) => self.metrics.dropped(count),
        }
    }

    /// Removes what is too old, or too much.
    async fn trim(&self) {
        let now = self.clock.unix_time().as_duration();
        let since = UnixTime::from_duration(now.saturating_sub(self.log.keep_for));
        let keep = Keep { since: Some(since), bytes: Some(KEPT_BYTES_MAX), below: None };
        for _ in 0..TRIM_STEPS_MAX {
            let trimmed = self.log.store.commit(Batch::trim(TOPIC, PARTITION, keep)).await;
            match trimmed.as_ref().map(|ack| ack.done.as_slice()) {
                Ok([Done::Removed { more: true, .. }]) => {}
                // A closed store has said so; the next trim comes.
                Ok(_) | Err(Error::Closed(_)) => return,
                Err(error) => {
                    tracing::debug!(%error, "facts not trimmed");
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
