//! A store on which one call goes wrong, as it is told.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use headgate_store::{Batch, Item, Key};
use tokio::{sync::Notify, time::sleep};

use crate::{Answer, Store, StoreError, Written};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the store is asked.
    DieBefore,
    /// The process dies when the store has acted, before it hears of it.
    DieAfter,
    /// The request is lost: nobody knows whether it arrived.
    LoseRequest,
    /// The answer is lost: nobody knows whether the request arrived.
    LoseReply,
    /// The request takes so long.
    StallBefore(Duration),
    /// The answer takes so long.
    StallAfter(Duration),
    /// The store has no time.
    Busy,
    /// The store can't be reached, this time and so many more.
    Down(usize),
}

/// A store whose n-th call goes wrong. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Failing {
    store: Arc<dyn Store>,
    /// The call that goes wrong, from 0.
    at: usize,
    fault: Option<Fault>,
    state: Arc<CallState>,
}

#[derive(Debug, Default)]
struct CallState {
    calls: AtomicUsize,
    is_dead: AtomicBool,
    death: Notify,
}

impl Failing {
    /// A store whose call number `at`, from 0, goes wrong. Without a fault, calls are counted.
    pub fn new(store: Arc<dyn Store>, at: usize, fault: Option<Fault>) -> Self {
        Self { store, at, fault, state: Arc::default() }
    }

    /// Calls up to now.
    pub fn calls(&self) -> usize {
        self.state.calls.load(Ordering::Relaxed)
    }

    /// Runs a process until it ends or dies. None: it died.
    ///
    /// # Cancel safety
    ///
    /// Dropping this drops the process.
    pub async fn run<T>(&self, process: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.state.death.notified() => None,
            done = process => Some(done),
        }
    }

    async fn die<T>(&self) -> T {
        self.state.is_dead.store(true, Ordering::Relaxed);
        self.state.death.notify_one();
        pending().await
    }

    /// The store is asked only when it is its turn: some act as soon as they are asked.
    async fn call<'a, T>(
        &'a self,
        call: impl FnOnce() -> Answer<'a, T> + Send,
    ) -> Result<T, StoreError> {
        let number = self.state.calls.fetch_add(1, Ordering::Relaxed);
        let in_doubt = || StoreError::InDoubt("no answer came".to_owned());
        if self.state.is_dead.load(Ordering::Relaxed) {
            return pending().await;
        }
        let is_down = |fault| matches!(fault, Fault::Down(more) if number <= self.at + more);
        match self.fault.filter(|fault| number == self.at || number > self.at && is_down(*fault)) {
            None => call().await,
            Some(Fault::DieBefore) => self.die().await,
            Some(Fault::DieAfter) => {
                drop(call().await);
                self.die().await
            }
            Some(Fault::LoseRequest) => Err(in_doubt()),
            Some(Fault::LoseReply) => {
                drop(call().await);
                Err(in_doubt())
            }
            Some(Fault::StallBefore(time)) => {
                sleep(time).await;
                call().await
            }
            Some(Fault::StallAfter(time)) => {
                let answer = call().await;
                sleep(time).await;
                answer
            }
            Some(Fault::Busy) => Err(StoreError::Busy),
            Some(Fault::Down(_)) => Err(StoreError::Unavailable("no route".to_owned())),
        }
    }
}

impl Store for Failing {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>> {
        Box::pin(self.call(|| self.store.get(key)))
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Written> {
        Box::pin(self.call(|| self.store.commit(batch)))
    }

    fn offset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: u32,
    ) -> Answer<'a, Option<u64>> {
        Box::pin(self.call(move || self.store.offset(group, topic, partition)))
    }

    fn emit(&self, batch: Batch, children: Vec<crate::Child>) -> Batch {
        self.store.emit(batch, children)
    }

    fn reads_first(&self) -> bool {
        self.store.reads_first()
    }

    fn shares_syncs(&self) -> bool {
        self.store.shares_syncs()
    }

    fn budget(&self) -> crate::Budget {
        self.store.budget()
    }
}
