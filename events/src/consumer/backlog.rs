//! Order where it is asked for: a key with an event that is tried again keeps its later events
//! behind that one, durably and outside of the log, so that other keys go on.
//!
//! A key that waits has a marker, a backlog with its events in their order, the failed one first,
//! and a ticket in a delay queue that says when it goes on. They come into being with the failed
//! attempt, in one commit. Events that come later ask for the marker with the write that adds them,
//! and the marker goes only as it was seen with an empty backlog, so no event is left behind,
//! whoever believes that the partition is his.

use std::time::Duration;

use headgate_idempotency::{Deferral, Delivery, RecordKey, StoreError};
use headgate_store::{Batch, Condition, Content, Due, Edit, Key, Operation};
use headgate_types::{Event, UnixTime};

use super::{
    carry::{STORE, Shared, take},
    work::Report,
};
use crate::delays::FAR;

/// The space of the markers of keys that wait.
const SPACE: &str = "hg.blocked";
/// How many events were added, in a marker.
const ADDED: &str = "added";
/// Events of a key that are handled before others get their turn.
const TURN_MAX: usize = 64;
/// Looks at a marker that changes from look to look.
const LOOKS_MAX: usize = 4;

/// Where a key's events wait.
#[derive(Clone, Debug)]
struct Backlog {
    marker: Key,
    queue: String,
}

impl Shared {
    fn backlog(&self, key: &str) -> Backlog {
        let scope = self.handler.0.scope();
        let name = RecordKey::new(scope, key.to_owned());
        // A partition key is never empty, and shorter than a record's key may be.
        let name = name.expect("a partition key names a record");
        let queue = format!("backlog#{}", name.effect_key("#backlog"));
        Backlog { marker: Key::new(SPACE, name.item().key.clone()), queue }
    }

    /// Handles an event, or puts it behind its key's events that wait.
    pub(super) async fn carry_in_order(
        &self,
        event: &Event,
        (partition, at): (u32, u64),
        offset: Option<Operation>,
    ) -> Report {
        let backlog = self.backlog(&event.partition_key);
        let store = self.parts.records.store();
        for _ in 0..LOOKS_MAX {
            match store.get(&backlog.marker).await {
                Err(error) => return Report::down(STORE, &error),
                Ok(None) => {
                    let also = offset.iter().cloned().collect();
                    let deferral = self.deferral(event, &backlog, (partition, at), offset.clone());
                    let delivery = Delivery {
                        also,
                        deferral: Some(deferral),
                        ..Delivery::first(event.clone())
                    };
                    return self.deliver_once(&delivery).await;
                }
                Ok(Some(_)) => {
                    let Ok(payload) = Delivery::to_payload(event, 1) else {
                        return Report::settled();
                    };
                    let added = Edit::Add { name: ADDED.to_owned(), amount: 1, from: 0 };
                    let marker = backlog.marker.clone();
                    let batch = Batch::new()
                        .update(marker, vec![added], Condition::Present)
                        .with(backlog.put((partition, at), payload));
                    let batch = offset.iter().cloned().fold(batch, Batch::with);
                    match store.commit(batch).await {
                        Ok(_) => return Report::settled(),
                        // The key goes on since the look.
                        Err(StoreError::Refused(_)) => {}
                        Err(error) => return Report::down(STORE, &error),
                    }
                }
            }
        }
        self.soon()
    }

    /// The first event of a key that fails blocks the key.
    fn deferral(
        &self,
        event: &Event,
        backlog: &Backlog,
        at: (u32, u64),
        offset: Option<Operation>,
    ) -> Deferral {
        let (backlog, tickets) = (backlog.clone(), self.tickets.clone());
        let key = event.partition_key.clone();
        Deferral::new(move |again| {
            let blocked = Operation::Put {
                key: backlog.marker.clone(),
                content: Content::default(),
                when: Condition::Absent,
            };
            let event = backlog.put(at, again.payload.clone());
            let ticket = ticket(&tickets, again.due, &key);
            [blocked, event, ticket].into_iter().chain(offset.clone()).collect()
        })
    }

    /// Handles a key's events that wait, one after the other, until one fails or none is left.
    pub(super) async fn drain(&self, key: &str, ticket: &Due) -> Report {
        let backlog = self.backlog(key);
        for _ in 0..TURN_MAX {
            let head = match self.parts.delays.due(&backlog.queue, FAR, 1).await {
                Ok(found) => found.into_iter().next(),
                Err(error) => return Report::down(STORE, &error),
            };
            let Some(head) = head else {
                match self.unblock(&backlog, ticket).await {
                    Ok(true) => return Report::settled(),
                    Ok(false) => continue,
                    Err(report) => return report,
                }
            };
            self.redelivered();
            let taken = take(&backlog.queue, head.due, &head.id);
            let delivery = match Delivery::from_payload(&head.payload) {
                Ok(delivery) => delivery,
                Err(error) => {
                    // Written by a version that is not known here; the rest can go on.
                    tracing::error!(%error, scope = %self.scope, "event that waited is unreadable");
                    match self.take(taken).await {
                        Ok(()) => continue,
                        Err(report) => return report,
                    }
                }
            };
            let deferral = Some(self.deferral_again(&backlog, &head, ticket, key));
            let delivery = Delivery { also: vec![taken.clone()], deferral, ..delivery };
            match self.deliver(&delivery).await {
                Err(report) => return report,
                Ok((report, _)) if report.due.is_some() => return report,
                Ok((_, true)) => {}
                Ok((_, false)) => {
                    if let Err(report) = self.take(taken).await {
                        return report;
                    }
                }
            }
        }
        Report::again(None)
    }

    /// The event keeps its place at the head of its key, and the key gets another ticket.
    fn deferral_again(&self, backlog: &Backlog, head: &Due, old: &Due, key: &str) -> Deferral {
        let (queue, tickets, key) = (backlog.queue.clone(), self.tickets.clone(), key.to_owned());
        let (head_due, head_id) = (head.due, head.id.clone());
        let old = old.clone();
        Deferral::new(move |again| {
            // Two operations on one entry would be refused.
            let due = again.due.max(old.due + Duration::from_millis(1));
            let head = Operation::Schedule {
                queue: queue.clone(),
                due: head_due,
                id: head_id.clone(),
                payload: again.payload.clone(),
            };
            vec![take(&tickets, old.due, &old.id), ticket(&tickets, due, &key), head]
        })
    }

    /// Lets a key go on for which nothing waits. False: something came meanwhile.
    async fn unblock(&self, backlog: &Backlog, ticket: &Due) -> Result<bool, Report> {
        let store = self.parts.records.store();
        let taken = take(&self.tickets, ticket.due, &ticket.id);
        let marker = store.get(&backlog.marker).await;
        let Some(marker) = marker.map_err(|error| Report::down(STORE, &error))? else {
            return self.take(taken).await.map(|()| true);
        };
        // What was added before the marker was seen is seen in the backlog.
        let left = self.parts.delays.due(&backlog.queue, FAR, 1).await;
        if !left.map_err(|error| Report::down(STORE, &error))?.is_empty() {
            return Ok(false);
        }
        let as_seen = Condition::VersionIs(marker.version);
        let batch = Batch::new().delete(backlog.marker.clone(), as_seen).with(taken);
        match store.commit(batch).await {
            Ok(_) => Ok(true),
            Err(StoreError::Refused(refused)) => Ok(refused.operation > 0),
            Err(error) => Err(Report::down(STORE, &error)),
        }
    }
}

impl Backlog {
    /// An event in its place, which is its offset's: the queue is read in the order of its times.
    fn put(&self, (partition, offset): (u32, u64), payload: bytes::Bytes) -> Operation {
        Operation::Schedule {
            queue: self.queue.clone(),
            due: UnixTime::from_duration(Duration::from_millis(offset)),
            id: format!("{partition}").into(),
            payload,
        }
    }
}

fn ticket(queue: &str, due: UnixTime, key: &str) -> Operation {
    Operation::Schedule {
        queue: queue.to_owned(),
        due,
        id: key.to_owned().into(),
        payload: bytes::Bytes::new(),
    }
}
