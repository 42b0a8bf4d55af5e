//! Runs a handler for the events of a topic: keys side by side, each key's events in their order.
//!
//! An event that can't be handled never holds up the others. What fails goes to a durable delay
//! queue and comes back from there, what fails for good goes to the dead letters, and while
//! something that the handler needs is down, its events wait and burn no attempt.

mod ahead;
mod backlog;
mod breakers;
mod carry;
mod lanes;
mod prefix;
mod run;
mod settings;
mod work;

use std::sync::Arc;

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

pub use self::settings::{Concurrency, Settings};
use self::{carry::Shared, run::Run};
use crate::{Deliver, LogError, Parts, Topic, delays::FAR};

/// Orders that wait for the consumer at most.
const ORDERS_MAX: usize = 16;
/// Keys that a status names at most.
const KEYS_SHOWN: usize = 100;

/// A handler's consumer, which runs until it is stopped. Dropped, it stops where it stands; what
/// was not committed comes again.
#[derive(Debug)]
pub struct Consumer {
    handle: ConsumerHandle,
    running: JoinHandle<()>,
}

/// Gives a running consumer orders, and asks how it is doing.
#[derive(Clone, Debug)]
pub struct ConsumerHandle {
    orders: mpsc::Sender<Order>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Order {
    Pause(bool),
    Status(oneshot::Sender<Status>),
    Stop,
}

/// How a consumer is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The handler, and its group.
    pub scope: String,
    /// The topic.
    pub topic: String,
    /// The type of the events that it takes.
    pub kind: String,
    /// Whether somebody paused it.
    pub is_paused: bool,
    /// What is down that the handler needs. None: nothing.
    pub down: Option<String>,
    /// Deliveries that may be at work at once.
    pub limit: u32,
    /// Deliveries at work.
    pub in_flight: u32,
    /// The partitions that it reads.
    pub partitions: Vec<PartitionStatus>,
    /// Keys whose events wait for one that is tried again, the first hundred. Only where the
    /// handler asks for order.
    pub blocked_keys: Vec<String>,
}

/// How far a consumer has come with a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionStatus {
    /// The partition.
    pub partition: u32,
    /// Everything below it is settled.
    pub settled: u64,
    /// Events that are read and not settled.
    pub open: usize,
    /// Entries that are not settled.
    pub lag: u64,
}

impl Consumer {
    /// Joins the handler's group and starts on tokio's current runtime. The topic and the one of
    /// its dead letters are made if they are not there.
    ///
    /// # Errors
    ///
    /// [`LogError`]: the log has no such topics, or the group can't be joined.
    pub async fn start(
        parts: Parts,
        handler: Arc<dyn Deliver>,
        settings: Settings,
    ) -> Result<Self, LogError> {
        let terms = handler.terms();
        let topic = parts.topics.get(&terms.topic);
        let topics = [topic, parts.topics.get(&Topic::dead_letters(&terms.scope).name)];
        parts.log.ensure(&topics).await?;
        let member = parts.log.join(&terms.scope, &terms.topic).await?;
        let shared = Arc::new(Shared::new(parts, handler));
        let (orders, received) = mpsc::channel(ORDERS_MAX);
        let run = Run::new(Arc::clone(&shared), settings);
        let running = tokio::spawn(run.until_stopped(member, received));
        Ok(Self { handle: ConsumerHandle { orders, shared }, running })
    }

    /// Gives it orders.
    pub fn handle(&self) -> ConsumerHandle {
        self.handle.clone()
    }

    /// Takes no more events, waits for those at work as long as the settings say, and commits.
    pub async fn stop(mut self) {
        // It has stopped already if nobody takes the order.
        if self.handle.orders.send(Order::Stop).await.is_ok()
            && let Err(error) = (&mut self.running).await
        {
            tracing::error!(%error, "consumer did not stop in order");
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl ConsumerHandle {
    /// Begins no more deliveries until it is resumed. Those at work end.
    pub async fn pause(&self) {
        self.order(Order::Pause(true)).await;
    }

    /// Goes on.
    pub async fn resume(&self) {
        self.order(Order::Pause(false)).await;
    }

    /// How it is doing. None: it has stopped.
    pub async fn status(&self) -> Option<Status> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Status(answer)).await;
        let status = answered.await.ok()?;
        let Shared { parts, .. } = &*self.shared;
        let bounds = parts.log.bounds(&status.topic).await.ok().flatten().unwrap_or_default();
        let keys = parts.delays.due(&self.shared.tickets, FAR, KEYS_SHOWN).await;
        let keys = keys.unwrap_or_default().into_iter();
        let blocked_keys = keys.map(|due| String::from_utf8_lossy(&due.id).into_owned()).collect();
        let with_lag = |it: PartitionStatus| {
            let end = usize::try_from(it.partition).ok().and_then(|at| bounds.get(at));
            let lag = end.map_or(0, |bounds| bounds.next.saturating_sub(it.settled));
            PartitionStatus { lag, ..it }
        };
        let partitions = status.partitions.iter().copied().map(with_lag).collect();
        Some(Status { partitions, blocked_keys, ..status })
    }

    async fn order(&self, order: Order) {
        // A consumer that has stopped needs no orders.
        if self.orders.send(order).await.is_err() {
            tracing::debug!(scope = %self.shared.scope, "consumer has stopped");
        }
    }
}
