//! What comes in: entries of the log, and what is due in delay queues.

use std::{sync::Arc, time::Duration};

use headgate_idempotency::{Delivery, partition_of};
use headgate_store::{Due, READ_ROWS_MAX};
use tokio::{task::JoinError, time::Instant};

use super::{Look, Run};
use crate::{
    Bounds, Entry, Member,
    consumer::{
        carry::Shared,
        prefix::Prefix,
        work::{What, Work},
    },
};

/// Entries of a delay queue that are looked at at once.
const ROWS: usize = READ_ROWS_MAX;
/// A gauge need not be newer.
const BOUNDS_EVERY: Duration = Duration::from_secs(1);

impl Run {
    /// Takes entries on, and stops reading a partition that has too many open.
    pub(super) fn take_in(&mut self, partition: u32, entries: Vec<Entry>, member: &mut dyn Member) {
        let Some(prefix) = self.prefixes.get_mut(&partition) else { return };
        if let Some(metrics) = &self.shared.metrics {
            metrics.consumed(u64::try_from(entries.len()).unwrap_or(u64::MAX));
        }
        let kind = Arc::clone(&self.shared.handler.0.terms().kind);
        for entry in entries {
            let offset = entry.offset;
            if !prefix.give(offset) {
                continue;
            }
            let Some(work) = Work::of_entry(entry, &kind) else {
                prefix.settle(offset);
                continue;
            };
            let (key, class) = (Arc::clone(&work.key), work.class());
            let kept = prefix.open().saturating_sub(self.ahead.of(partition));
            if self.ahead.has(&key) || kept > self.settings.room(class) {
                self.ahead.skip(&key, class, (partition, offset));
            } else {
                self.lanes.push(&key, class, Arc::new(work));
            }
        }
        if prefix.open() >= self.settings.read_max() && self.full.insert(partition) {
            member.pause(partition);
        }
    }

    /// Reads on where enough is settled.
    pub(super) fn resume(&mut self, member: &mut dyn Member) {
        if self.full.is_empty() {
            return;
        }
        let (prefixes, half) = (&self.prefixes, self.settings.read_max() / 2);
        self.full.retain(|partition| {
            let is_full = |prefix: &Prefix| prefix.open() > half;
            let stays = prefixes.get(partition).is_some_and(is_full);
            if !stays {
                member.resume(*partition);
            }
            stays
        });
    }

    /// Looks at the delay queues, on a task of its own.
    pub(super) fn look(&mut self) {
        let every = self.shared.parts.delays.poll_every();
        self.alarms.look = self.pace.next_look(Instant::now(), every);
        if !self.looks.is_empty() || self.is_paused || self.prefixes.is_empty() {
            return;
        }
        self.look_at(false);
        if self.shared.is_ordered() {
            self.look_at(true);
        }
    }

    fn look_at(&mut self, is_ticket: bool) {
        let shared = Arc::clone(&self.shared);
        let now = Instant::now();
        let wants_bounds = !is_ticket && shared.metrics.is_some() && self.alarms.bounds <= now;
        if wants_bounds {
            self.alarms.bounds = now + BOUNDS_EVERY;
        }
        self.looks.spawn(async move {
            let Shared { parts, tickets, scope, .. } = &*shared;
            let queue = if is_ticket { tickets } else { scope };
            let found = parts.delays.due(queue, parts.clock.unix_time(), ROWS).await;
            let found = found.inspect_err(|error| {
                tracing::warn!(%error, %scope, "delay queue not read");
            });
            let bounds = if wants_bounds {
                // A gauge that stands for a second more is no loss.
                parts.log.bounds(&shared.topic).await.ok().flatten()
            } else {
                None
            };
            Look { is_ticket, found: found.unwrap_or_default(), bounds }
        });
    }

    /// Takes on what is due and ours.
    pub(super) fn found(&mut self, found: Result<Look, JoinError>) {
        let Ok(Look { is_ticket, found, bounds }) = found else { return };
        self.tell_lag(bounds);
        let is_all = found.len() < ROWS;
        let mut taken_on = 0;
        for due in found {
            let Some(work) = self.due_work(is_ticket, due) else { continue };
            let Some(taken) = work.taken().filter(|it| !self.ended.contains(it)) else { continue };
            if self.is_ours(work.partition) && self.taken.insert(taken) {
                taken_on += 1;
                self.lanes.push(&Arc::clone(&work.key), work.class(), Arc::new(work));
            }
        }
        if self.looks.is_empty() {
            self.ended.clear();
        }
        if !is_all && taken_on > 0 {
            self.alarms.look = Instant::now();
        }
    }

    fn tell_lag(&self, bounds: Option<Vec<Bounds>>) {
        let (Some(metrics), Some(bounds)) = (&self.shared.metrics, bounds) else { return };
        let lag = self.prefixes.iter().map(|(partition, prefix)| {
            let end = usize::try_from(*partition).ok().and_then(|at| bounds.get(at));
            end.map_or(0, |end| end.next.saturating_sub(prefix.next()))
        });
        metrics.lag(lag.sum());
    }

    fn due_work(&self, is_ticket: bool, due: Due) -> Option<Work> {
        let Shared { parts, topic, scope, .. } = &*self.shared;
        let partition = |key: &str| partition_of(key, parts.topics.partitions(topic));
        if is_ticket {
            let key = str::from_utf8(&due.id).ok()?;
            let (partition, key) = (partition(key), key.into());
            return Some(Work { key, partition, what: What::Ticket { due } });
        }
        let delivery = Delivery::from_delayed(scope, &due).inspect_err(|error| {
            // Written by a version that is not known here; it stays for one that is.
            tracing::error!(%error, %scope, "event that was put off is unreadable");
        });
        let delivery = delivery.ok()?;
        let key = Arc::clone(&delivery.event.partition_key);
        let partition = partition(&key);
        Some(Work { key, partition, what: What::Delayed { due, delivery } })
    }
}
