//! What a handler is, and the terms on which it is run.

use std::{sync::Arc, time::Duration};

use headgate_types::Event;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    claim::OnLost,
    context::{Context, Mode},
    fault::Fault,
    partition::PARTITIONS_DEFAULT,
    settings::Settings,
};

/// How long another service honors a key, unless it is said. Stripe's shortest.
const WINDOW: Duration = Duration::from_hours(24);
/// Longer than any call should take, and short enough to notice that one hangs.
const TIMEOUT: Duration = Duration::from_mins(5);
/// The first wait: a hiccup of a neighbor is over by then.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait: somebody may watch for the recovery.
const LONGEST: Duration = Duration::from_mins(5);
/// Attempts with these waits take a quarter of an hour at most.
const ATTEMPTS_MAX: u32 = 8;

/// Work that an event causes. The attribute [`handler`](crate::handler) writes this.
pub trait Handler: Send + Sync + 'static {
    /// What an event's data is decoded to, from JSON.
    type Data: DeserializeOwned + Send;
    /// The result, recorded as JSON.
    type Output: Serialize + Send;
    /// How effects outside are made safe.
    type Mode: Mode;

    /// The terms. Read once.
    fn terms(&self) -> Terms;

    /// What names the work that an event asks for. None: the event's own key, or else its source
    /// and id.
    fn key(&self, _event: &Event<Self::Data>) -> Option<String> {
        None
    }

    /// Does the work. It may be started several times for one event; what it hands to the context
    /// takes effect for one of them.
    ///
    /// # Errors
    ///
    /// [`Fault`], by what follows from it.
    fn handle(
        &self,
        event: Event<Self::Data>,
        cx: &mut Context<Self::Mode>,
    ) -> impl Future<Output = Result<Self::Output, Fault>> + Send;
}

/// The terms on which a handler is run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Terms {
    /// Keeps the handler's keys apart from others': a name that never changes.
    pub scope: Arc<str>,
    /// The topic that its events come from.
    pub topic: Arc<str>,
    /// Their type.
    pub kind: Arc<str>,
    /// How long an outcome is kept from its commit on. Longer than an event can come again.
    pub ttl: Duration,
    /// How long a claim holds without a beat. Not used in mode transactional.
    pub lease: Duration,
    /// How long one run may take. After that it is dropped where it stands, which is a
    /// [`Fault::Retry`], and a doubt about the effect that it was in.
    pub timeout: Duration,
    /// How long other services honor the key of an effect. Used in mode keyed.
    pub window: Duration,
    /// What becomes of work whose worker is lost. Not used in mode transactional.
    pub on_lost: OnLost,
    /// The waits between attempts, and how many there are.
    pub retry: Backoff,
    /// Which events wait for one that is tried again.
    pub order: Order,
    /// Partitions of the topics that it emits to.
    pub partitions: u32,
    /// What it is called to whoever owns a series: the owner is told, on
    /// [`PUSH_TOPIC`](crate::PUSH_TOPIC), how it settled the series' first event. None: he is not.
    pub told_as: Option<Arc<str>>,
}

impl Terms {
    /// The usual terms: outcomes are kept and leases held as [`Settings`] has it by default, lost
    /// work is tried again, and no event waits for another.
    pub fn new(scope: &str, topic: &str, kind: &str) -> Self {
        let Settings { lease, ttl, .. } = Settings::default();
        Self {
            scope: scope.into(),
            topic: topic.into(),
            kind: kind.into(),
            ttl,
            lease,
            timeout: TIMEOUT,
            window: WINDOW,
            on_lost: OnLost::Retry,
            retry: Backoff::default(),
            order: Order::Unordered,
            partitions: PARTITIONS_DEFAULT,
            told_as: None,
        }
    }
}

/// Which events wait for one that is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// None.
    #[default]
    Unordered,
    /// Those of its partition key.
    PerKey,
}

/// The waits between attempts: exponential, with full jitter (AWS, "Exponential Backoff And
/// Jitter", 2015).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The first wait at most.
    pub first: Duration,
    /// What each next wait is longer by, from 1.
    pub factor: f64,
    /// The longest wait.
    pub longest: Duration,
    /// Attempts, the first one included. An event that failed so often is given up.
    pub attempts_max: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: FIRST, factor: 2.0, longest: LONGEST, attempts_max: ATTEMPTS_MAX }
    }
}

impl Backoff {
    /// The wait after an attempt, counted from 1: anything up to the longest that it may be, by 64
    /// random bits.
    pub fn wait(&self, attempt: u32, bits: u64) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let longest = self.longest.as_secs_f64();
        let most = (self.first.as_secs_f64() * self.factor.powi(exponent)).min(longest);
        // 53 bits are what a double holds.
        let share = (bits >> 11) as f64 / (1_u64 << 53) as f64;
        Duration::try_from_secs_f64(most * share).unwrap_or(self.longest)
    }
}

#[cfg(test)]
mod tests;
