//! The way from a worker to the store: slow, and sometimes lost in one direction.

use std::{sync::Arc, time::Duration};

use headgate_store::{Batch, Item, Key};
use parking_lot::Mutex;
use tokio::time::sleep;

use super::{event::LEASE, witness::Witness};
use crate::{Answer, Store, StoreError, Written};

/// Calls of which one goes wrong.
const FAULT_IN: u32 = 10;
/// How long a caller waits for an answer that does not come.
const TIMEOUT: Duration = Duration::from_secs(1);

/// A worker's connection to the store. What was sent arrives, also when the sender is gone.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    to: Witness,
    chance: Arc<Mutex<fastrand::Rng>>,
    /// Whether anything goes wrong at all.
    calm: Arc<Mutex<bool>>,
}

/// What becomes of one call.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It takes so long there and back.
    Answered(Duration, Duration),
    /// The request is lost.
    NotSent,
    /// The answer is lost.
    NotHeard,
    /// The store has no time.
    Busy,
    /// The store can't be reached, and the caller knows.
    Down,
}

impl Network {
    pub(crate) fn new(to: Witness, seed: u64) -> Self {
        let chance = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        Self { to, chance, calm: Arc::default() }
    }

    /// From here on, everything is answered.
    pub(crate) fn calm(&self) {
        *self.calm.lock() = true;
    }

    fn fate(&self) -> Fate {
        let mut chance = self.chance.lock();
        let mut short = || Duration::from_millis(chance.u64(0..20));
        let answered = Fate::Answered(short(), short());
        if *self.calm.lock() || chance.u32(0..FAULT_IN) > 0 {
            return answered;
        }
        let long = Duration::from_millis(chance.u64(0..2_000));
        let stall = LEASE.mul_f64(chance.f64() * 2.0);
        match chance.u32(0..8) {
            0 => Fate::NotSent,
            1 => Fate::NotHeard,
            2 => Fate::Busy,
            3 => Fate::Down,
            4 => Fate::Answered(stall, long),
            5 => Fate::Answered(long, stall),
            _ => Fate::Answered(long, long),
        }
    }

    /// Sends a call on its way by a task of its own, and waits for its answer.
    async fn call<T: Send + 'static>(
        &self,
        at_store: impl FnOnce(&Witness) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let in_doubt = || StoreError::InDoubt("no answer came".to_owned());
        let to = self.to.clone();
        let (there, back, is_heard) = match self.fate() {
            Fate::Busy => return Err(StoreError::Busy),
            Fate::Down => return Err(StoreError::Unavailable("no route".to_owned())),
            Fate::NotSent => {
                sleep(TIMEOUT).await;
                return Err(in_doubt());
            }
            Fate::NotHeard => (Duration::ZERO, TIMEOUT, false),
            Fate::Answered(there, back) => (there, back, true),
        };
        let request = async move {
            sleep(there).await;
            at_store(&to)
        };
        let answer = tokio::spawn(request).await;
        sleep(back).await;
        answer.ok().filter(|_| is_heard).unwrap_or_else(|| Err(in_doubt()))
    }
}

impl Store for Network {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>> {
        let key = key.clone();
        Box::pin(self.call(move |to| to.get(&key)))
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Written> {
        Box::pin(self.call(move |to| to.commit(&batch)))
    }

    fn offset<'a>(&'a self, _: &'a str, _: &'a str, _: u32) -> Answer<'a, Option<u64>> {
        Box::pin(self.call(|to| Ok(Some(to.offset()))))
    }
}
