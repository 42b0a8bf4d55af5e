//! Processes that are stopped for a while, and go on as if nothing had happened: their partitions
//! are others' by then. What they have begun reaches the store before they hear of it.

use std::{sync::Arc, time::Duration};

use headgate_events::{
    Answer, Log, Member, Polled,
    testing::{Before, Broker},
};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// Until when a process is stopped.
#[derive(Clone, Debug, Default)]
pub(super) struct Stopped(Arc<Mutex<Option<(Instant, Instant)>>>);

impl Stopped {
    /// Stops the process. It hears of the broker so much later than the store hears of it.
    pub(super) fn stop(&self, length: Duration, later: Duration) {
        let until = Instant::now() + length;
        *self.0.lock() = Some((until, until + later));
    }

    pub(super) async fn store_hears(&self) {
        let until = self.0.lock().map(|(store, _)| store);
        if let Some(until) = until {
            sleep_until(until).await;
        }
    }

    async fn broker_hears(&self) {
        let until = self.0.lock().map(|(_, broker)| broker);
        if let Some(until) = until {
            sleep_until(until).await;
        }
    }
}

/// The broker as one process sees it.
#[derive(Debug)]
pub(super) struct Late {
    pub(super) broker: Broker,
    pub(super) stopped: Stopped,
}

impl Before for Late {
    fn behind(&self) -> &dyn Log {
        &self.broker
    }

    fn joining<'a>(&'a self, group: &'a str, topic: &'a str) -> Answer<'a, Box<dyn Member>> {
        Box::pin(async move {
            let member = self.broker.join(group, topic).await?;
            let stopped = self.stopped.clone();
            Ok(Box::new(LateMember { member, stopped }) as Box<dyn Member>)
        })
    }
}

#[derive(Debug)]
struct LateMember {
    member: Box<dyn Member>,
    stopped: Stopped,
}

impl Member for LateMember {
    fn next(&mut self) -> Answer<'_, Polled> {
        Box::pin(async {
            self.stopped.broker_hears().await;
            self.member.next().await
        })
    }

    fn pause(&mut self, partition: u32) {
        self.member.pause(partition);
    }

    fn resume(&mut self, partition: u32) {
        self.member.resume(partition);
    }

    fn commit<'a>(&'a mut self, offsets: &'a [(u32, u64)]) -> Answer<'a, ()> {
        Box::pin(async move {
            self.stopped.broker_hears().await;
            self.member.commit(offsets).await
        })
    }

    fn release<'a>(&'a mut self, partitions: &'a [u32]) -> Answer<'a, ()> {
        Box::pin(async move {
            self.stopped.broker_hears().await;
            self.member.release(partitions).await
        })
    }
}
