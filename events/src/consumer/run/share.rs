//! The consumer's share of the partitions: taken on, given back, or lost.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::{RETRY, Revoked, Run, Running};
use crate::{
    Assigned, LogError, Member, Polled,
    consumer::{carry::Shared, prefix::Prefix},
};

impl Run {
    pub(super) async fn polled(
        &mut self,
        polled: Result<Polled, LogError>,
        member: &mut dyn Member,
    ) {
        match polled {
            Ok(Polled::Assigned(assigned)) => {
                for it in &assigned {
                    self.ahead.forget(&[it.partition]);
                    self.prefixes.insert(it.partition, Prefix::at(it.from));
                }
                protect(&Arc::clone(&self.shared), &assigned, member).await;
                self.alarms.look = Instant::now();
            }
            Ok(Polled::Revoked(partitions)) => {
                self.drop_waiting(&partitions);
                let until = Instant::now() + self.settings.drain;
                match &mut self.revoked {
                    Some(revoked) => revoked.partitions.extend(partitions),
                    None => self.revoked = Some(Revoked { partitions, until }),
                }
            }
            Ok(Polled::Lost(partitions)) => {
                self.drop_waiting(&partitions);
                for partition in &partitions {
                    self.prefixes.remove(partition);
                    self.full.remove(partition);
                }
                self.cancel(&partitions);
            }
            Ok(Polled::Entries { partition, entries }) => self.take_in(partition, entries, member),
            Err(error) => {
                tracing::warn!(%error, scope = %self.shared.scope, "log gave no answer");
                self.alarms.member = Some(Instant::now() + RETRY);
                self.commit(member).await;
            }
        }
    }

    /// Gives back partitions that were revoked, once nothing of them is at work.
    pub(super) async fn give_back(&mut self, member: &mut dyn Member) {
        let Some(Revoked { partitions, until }) = &self.revoked else { return };
        let is_over = *until <= Instant::now();
        let is_busy = |running: &Running| partitions.contains(&running.work.partition);
        if !is_over && self.running.values().any(is_busy) {
            return;
        }
        let partitions = partitions.clone();
        self.revoked = None;
        self.cancel(&partitions);
        self.commit(member).await;
        for partition in &partitions {
            self.prefixes.remove(partition);
            self.full.remove(partition);
        }
        if let Err(error) = member.release(&partitions).await {
            tracing::warn!(%error, scope = %self.shared.scope, "partitions not released in order");
        }
    }

    /// Drops deliveries where they stand. What they had committed stays, and what they had not is
    /// fenced off or gone.
    fn cancel(&self, partitions: &[u32]) {
        for running in self.running.values() {
            if partitions.contains(&running.work.partition) {
                running.abort.abort();
            }
        }
    }

    fn drop_waiting(&mut self, partitions: &[u32]) {
        self.ahead.forget(partitions);
        let taken = &mut self.taken;
        self.lanes.retain(|work| {
            let stays = !partitions.contains(&work.partition);
            if !stays && let Some(it) = work.taken() {
                taken.remove(&it);
            }
            stays
        });
    }

    pub(super) async fn stop(&mut self, member: &mut dyn Member) {
        let all: Vec<u32> = self.prefixes.keys().copied().collect();
        self.drop_waiting(&all);
        let until = Instant::now() + self.settings.drain;
        while !self.tasks.is_empty() {
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                () = sleep_until(until) => break,
            }
        }
        self.tasks.shutdown().await;
        self.commit(member).await;
        if let Err(error) = member.release(&all).await {
            tracing::warn!(%error, scope = %self.shared.scope, "group not left in order");
        }
    }
}

/// Commits where the group begins, on a log that keeps what groups have not settled: one that has
/// committed nothing yet is not known there.
async fn protect(shared: &Shared, assigned: &[Assigned], member: &mut dyn Member) {
    let Shared { parts, scope, topic, .. } = shared;
    let keeps =
        |it: &&Assigned| parts.log.commit_with(scope, topic, it.partition, it.from).is_some();
    let begins: Vec<_> = assigned.iter().filter(keeps).map(|it| (it.partition, it.from)).collect();
    if begins.is_empty() {
        return;
    }
    if let Err(error) = member.commit(&begins).await {
        tracing::warn!(%error, %scope, "where the group begins is not committed");
    }
}
