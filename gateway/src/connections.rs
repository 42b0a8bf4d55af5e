//! How many connections there may be, in all and from one client address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use headgate_telemetry::Refusal;
use parking_lot::Mutex;

/// Counts connections; each is counted until its guard is dropped.
#[derive(Debug)]
pub(crate) struct Connections {
    max: AtomicUsize,
    per_client_max: AtomicUsize,
    open: AtomicUsize,
    /// Holds only addresses that have connections, so it is bounded by `max`.
    by_client: Mutex<HashMap<IpAddr, usize>>,
}

impl Connections {
    pub(crate) fn new(max: usize, per_client_max: usize) -> Arc<Self> {
        let by_client = Mutex::default();
        let (max, per_client_max) = (AtomicUsize::new(max), AtomicUsize::new(per_client_max));
        Arc::new(Self { max, per_client_max, open: AtomicUsize::new(0), by_client })
    }

    /// Sets the limits from now on. Connections above a lower one stay.
    pub(crate) fn limit(&self, max: usize, per_client_max: usize) {
        self.max.store(max, Ordering::Relaxed);
        self.per_client_max.store(per_client_max, Ordering::Relaxed);
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes one place, or says which limit is reached. None stands for a proxy, whose clients share
    /// no limit.
    pub(crate) fn enter(self: &Arc<Self>, client: Option<IpAddr>) -> Result<Place, Refusal> {
        // Taken first and given back on refusal, so that two that race never both pass the limit.
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.max.load(Ordering::Relaxed) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::InAll);
        }
        let Some(client) = client.map(|client| client.to_canonical()) else {
            return Ok(Place { connections: Arc::clone(self), client: None });
        };
        let mut by_client = self.by_client.lock();
        let count = by_client.entry(client).or_default();
        if *count >= self.per_client_max.load(Ordering::Relaxed) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::PerClient);
        }
        *count += 1;
        drop(by_client);
        Ok(Place { connections: Arc::clone(self), client: Some(client) })
    }

    fn leave(&self, client: Option<IpAddr>) {
        if let Some(client) = client {
            let mut by_client = self.by_client.lock();
            if let Some(count) = by_client.get_mut(&client) {
                *count -= 1;
                if *count == 0 {
                    by_client.remove(&client);
                }
            }
        }
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One connection's place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Arc<Connections>,
    client: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.leave(self.client);
    }
}

#[cfg(test)]
mod tests;
