//! Reads a topic and writes its table.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    error::SinkError,
    rows::{self, Fate},
    running::Counts,
    table::{Database, Failure, Part},
};
use crate::{
    error::LogError,
    log::{Assigned, Entry, Log, Member, Polled},
};

/// The first wait for a database that is down; it doubles from try to try.
const WAIT: Duration = Duration::from_millis(100);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Between two tries to join.
const JOIN_EVERY: Duration = Duration::from_secs(1);
/// Entries that are read at once of what the log's group has passed and the table has not.
const BEHIND_ROWS: usize = 500;

/// One topic's way into its table.
pub(super) struct Run {
    database: Database,
    log: Arc<dyn Log>,
    member: Box<dyn Member>,
    topic: String,
    /// By partition that is ours: the next offset that the table takes.
    next: BTreeMap<u32, u64>,
    /// Entries that wait to be written, in their order.
    waiting: Vec<(Entry, Fate)>,
    /// When what waits is written, or tried again.
    due: Option<Instant>,
    /// How long the database has to be waited for. Zero: it is there.
    wait: Duration,
    /// The database knows less than it did: what is missing is read again from the log.
    is_set_back: bool,
    counts: Arc<Counts>,
}

impl Run {
    pub(super) async fn start(
        database: Database,
        log: Arc<dyn Log>,
        counts: Arc<Counts>,
    ) -> Result<Self, SinkError> {
        let topic = database.table().map(|table| table.topic.clone()).unwrap_or_default();
        let member = log.join(database.group(), &topic).await?;
        let (next, waiting) = (BTreeMap::new(), Vec::new());
        let (due, wait) = (None, Duration::ZERO);
        let is_set_back = false;
        Ok(Self { database, log, member, topic, next, waiting, due, wait, is_set_back, counts })
    }

    pub(super) async fn until(mut self, mut stopped: watch::Receiver<bool>) {
        loop {
            let due = self.due;
            let polled = tokio::select! {
                () = told(&mut stopped) => break,
                () = at(due) => {
                    self.write().await;
                    None
                }
                polled = self.member.next() => Some(polled),
            };
            let taken = match polled {
                Some(polled) => self.take(polled).await,
                None => Ok(()),
            };
            let set_back = || LogError::Unavailable("the database was set back".to_owned());
            let taken =
                taken.and_then(|()| if self.is_set_back { Err(set_back()) } else { Ok(()) });
            if let Err(error) = taken {
                tracing::warn!(%error, topic = %self.topic, "a sink joins its group anew");
                if !self.join(&mut stopped).await {
                    return;
                }
            }
        }
        self.write().await;
        // What is not durable yet is only the log's idea of where the table is.
        drop(self.member.release(&[]).await);
    }

    async fn take(&mut self, polled: Result<Polled, LogError>) -> Result<(), LogError> {
        match polled? {
            Polled::Assigned(assigned) => {
                for Assigned { partition, from } in assigned {
                    self.begin(partition, from).await?;
                }
            }
            Polled::Revoked(partitions) => {
                self.write().await;
                self.forget(&partitions);
                self.member.release(&partitions).await?;
            }
            Polled::Lost(partitions) => self.forget(&partitions),
            Polled::Entries { entries, .. } => {
                self.add(entries);
                if self.waiting.len() >= self.database.settings().batch_rows_max.get()
                    && self.wait.is_zero()
                {
                    self.write().await;
                }
            }
        }
        Ok(())
    }

    /// Goes on where the table stands, which is what counts: the log's group may be behind it, as
    /// after a crash, or before it, as when the database was restored from an older copy.
    async fn begin(&mut self, partition: u32, from: u64) -> Result<(), LogError> {
        let next = match self.database.next(partition, from).await {
            Ok(next) => next,
            Err(failure) => {
                self.tell(&failure);
                return Err(LogError::Unavailable("the database is down".to_owned()));
            }
        };
        self.next.insert(partition, next);
        let mut behind = next;
        while behind < from {
            let entries = self.log.read(&self.topic, partition, behind, BEHIND_ROWS).await?;
            let entries: Vec<_> = entries.into_iter().filter(|entry| entry.offset < from).collect();
            let Some(last) = entries.last() else { break };
            behind = last.offset + 1;
            self.add(entries);
            self.write().await;
        }
        Ok(())
    }

    fn forget(&mut self, partitions: &[u32]) {
        self.next.retain(|partition, _| !partitions.contains(partition));
        self.waiting.retain(|(entry, _)| !partitions.contains(&entry.partition));
    }

    fn add(&mut self, entries: Vec<Entry>) {
        let Some(table) = self.database.table() else { return };
        for entry in entries {
            // Others' entries, and what the table has already.
            if self.next.get(&entry.partition).is_some_and(|next| entry.offset >= *next) {
                let fate = rows::fate(table, &entry);
                self.waiting.push((entry, fate));
            }
        }
        if !self.waiting.is_empty() && self.due.is_none() {
            self.due = Some(Instant::now() + self.database.settings().batch_wait);
        }
    }

    /// Writes what waits, and tells the log how far the table is.
    async fn write(&mut self) {
        self.due = None;
        let size = self.database.settings().batch_rows_max.get();
        while !self.waiting.is_empty() {
            let count = self.waiting.len().min(size);
            let written = self.part(count).await;
            if let Err(failure) = written {
                self.hold(&failure).await;
                return;
            }
        }
        if !self.wait.is_zero() {
            self.wait = Duration::ZERO;
            for partition in self.next.keys() {
                self.member.resume(*partition);
            }
        }
    }

    /// Writes so many of the first that wait in one transaction, or one by one where a row among
    /// them does not fit.
    async fn part(&mut self, count: usize) -> Result<(), Failure> {
        match self.transaction(count).await {
            Err(Failure::Unfit(_)) if count > 1 => {
                for _ in 0..count {
                    Box::pin(self.part(1)).await?;
                }
                Ok(())
            }
            Err(Failure::Unfit(why)) => {
                if let Some((_, fate)) = self.waiting.first_mut() {
                    *fate = Fate::Rejected(why);
                }
                self.transaction(1).await
            }
            done => done,
        }
    }

    async fn transaction(&mut self, count: usize) -> Result<(), Failure> {
        let mut part = Part::default();
        let first: Vec<_> = self.waiting.iter().take(count).collect();
        for (entry, fate) in first {
            let from = self.next.get(&entry.partition).copied().unwrap_or(entry.offset);
            let (_, to) = part.moves.entry(entry.partition).or_insert((from, from));
            *to = entry.offset + 1;
            match fate {
                Fate::Row(row) => part.rows.push(row.clone()),
                Fate::Rejected(why) => part.rejected.push((entry.clone(), why.clone())),
                Fate::Passed => {}
            }
        }
        self.database.write(&part).await?;
        let Part { moves, rows, rejected } = part;
        self.counts.written.fetch_add(rows.len() as u64, Ordering::Relaxed);
        self.counts.rejected.fetch_add(rejected.len() as u64, Ordering::Relaxed);
        for (entry, why) in &rejected {
            let Entry { partition, offset, .. } = entry;
            tracing::warn!(topic = %self.topic, partition, offset, why, "an event does not fit");
        }
        self.waiting.drain(..count);
        let moved: Vec<_> = moves.iter().map(|(partition, (_, to))| (*partition, *to)).collect();
        self.next.extend(moved.iter().copied());
        if let Err(error) = self.member.commit(&moved).await {
            tracing::debug!(%error, "the log learns later how far a table is");
        }
        Ok(())
    }

    /// After a transaction that was not carried out, as far as is known.
    async fn hold(&mut self, failure: &Failure) {
        if let Failure::Moved = failure {
            self.look_again().await;
        } else {
            self.tell(failure);
            for partition in self.next.keys() {
                self.member.pause(*partition);
            }
        }
        self.due = Some(Instant::now() + self.wait);
    }

    /// Somebody has moved a partition on: a member that has it now, or a transaction of ours whose
    /// answer was lost. What the table has is not written again.
    async fn look_again(&mut self) {
        for (partition, next) in self.next.clone() {
            match self.database.next(partition, next).await {
                // Behind what was written: the database is an older copy of itself.
                Ok(found) if found < next => self.is_set_back = true,
                Ok(found) => {
                    self.next.insert(partition, found);
                }
                Err(failure) => return self.tell(&failure),
            }
        }
        let next = &self.next;
        self.waiting.retain(|(entry, _)| {
            next.get(&entry.partition).is_some_and(|next| entry.offset >= *next)
        });
    }

    fn tell(&mut self, failure: &Failure) {
        if self.wait.is_zero() {
            tracing::warn!(?failure, topic = %self.topic, "a sink waits for its database");
        }
        self.counts.retried.fetch_add(1, Ordering::Relaxed);
        self.wait = (self.wait * 2).clamp(WAIT, WAIT_MAX);
    }

    /// Joins again, after a member that can't go on. False: it was stopped meanwhile.
    async fn join(&mut self, stopped: &mut watch::Receiver<bool>) -> bool {
        self.next.clear();
        self.waiting.clear();
        self.due = None;
        self.is_set_back = false;
        loop {
            tokio::select! {
                () = told(stopped) => return false,
                () = sleep(JOIN_EVERY) => {}
            }
            match self.log.join(self.database.group(), &self.topic).await {
                Ok(member) => {
                    self.member = member;
                    return true;
                }
                Err(error) => tracing::debug!(%error, "a sink can't join its group yet"),
            }
        }
    }
}

/// Waits until the sink is stopped.
async fn told(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stopped| *stopped).await);
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
