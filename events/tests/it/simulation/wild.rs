//! A store in memory that is slow, down, does not answer, or carries a write out after everybody has
//! given it up, until it is calm.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use headgate_events::Delays;
use headgate_idempotency::{Answer, Store, StoreError, Written, testing::MemoryStore};
use headgate_store::{Batch, Due, Item, Key};
use headgate_types::UnixTime;
use tokio::time::sleep;

use super::{Chance, late::Stopped};

/// How late a write may be carried out.
const LATE_MILLIS_MAX: u64 = 500;

/// The store as one process sees it. Clones with another `stopped` are other processes.
#[derive(Clone, Debug)]
pub(super) struct Wild {
    pub(super) memory: MemoryStore,
    pub(super) chance: Chance,
    pub(super) is_calm: Arc<AtomicBool>,
    pub(super) stopped: Stopped,
}

/// What becomes of a call.
enum Fate {
    /// It is carried out and answered.
    Well,
    /// It is not carried out, which is known.
    Refused,
    /// Its caller does not know.
    InDoubt { is_carried_out: bool },
    /// Its caller does not know, and it is carried out when its caller has long gone on.
    Late(Duration),
}

impl Wild {
    async fn fate(&self) -> Fate {
        let (wait, dice, late) = {
            let mut chance = self.chance.lock();
            (chance.u64(0..4_000), chance.u8(..), chance.u64(0..LATE_MILLIS_MAX))
        };
        sleep(Duration::from_micros(wait)).await;
        self.stopped.store_hears().await;
        match dice {
            _ if self.is_calm.load(Relaxed) => Fate::Well,
            0..4 => Fate::Refused,
            4..8 => Fate::InDoubt { is_carried_out: false },
            8..14 => Fate::InDoubt { is_carried_out: true },
            14..20 => Fate::Late(Duration::from_millis(late)),
            _ => Fate::Well,
        }
    }
}

fn down() -> StoreError {
    StoreError::Unavailable("no route".to_owned())
}

fn in_doubt() -> StoreError {
    StoreError::InDoubt("no answer came".to_owned())
}

impl Store for Wild {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>> {
        Box::pin(async move {
            match self.fate().await {
                Fate::Well => Store::get(&self.memory, key).await,
                _ => Err(down()),
            }
        })
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Written> {
        Box::pin(async move {
            match self.fate().await {
                Fate::Well => Store::commit(&self.memory, batch).await,
                Fate::Refused => Err(down()),
                Fate::InDoubt { is_carried_out } => {
                    if is_carried_out {
                        drop(Store::commit(&self.memory, batch).await);
                    }
                    Err(in_doubt())
                }
                Fate::Late(wait) => {
                    let memory = self.memory.clone();
                    tokio::spawn(async move {
                        sleep(wait).await;
                        drop(Store::commit(&memory, batch).await);
                    });
                    Err(in_doubt())
                }
            }
        })
    }

    fn offset<'a>(&'a self, group: &'a str, topic: &'a str, at: u32) -> Answer<'a, Option<u64>> {
        self.memory.offset(group, topic, at)
    }
}

impl Delays for Wild {
    fn due<'a>(&'a self, queue: &'a str, now: UnixTime, rows: usize) -> Answer<'a, Vec<Due>> {
        Box::pin(async move {
            if !matches!(self.fate().await, Fate::Well) {
                return Err(down());
            }
            let found = self.memory.engine().due(queue, now, rows);
            found.map_err(|error| StoreError::Unavailable(error.to_string()))
        })
    }

    fn poll_every(&self) -> Duration {
        Duration::from_millis(500)
    }
}
