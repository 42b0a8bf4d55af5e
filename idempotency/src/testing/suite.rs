//! Facts about the verbs that hold on every store.

use std::sync::Arc;

use bytes::Bytes;
use headgate_types::UnixTime;

use crate::{
    store::{Answer, Store},
    testing::{bench::Bench, facts},
};

/// A time that lies behind every other.
pub(super) const FAR: UnixTime = UnixTime::from_secs(1 << 40);

/// A store under test, with what a consumer would see of it.
pub trait Subject: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn Store>;

    /// The payloads of all children that were emitted into the first partition of a topic.
    fn emitted<'a>(&'a self, topic: &'a str) -> Answer<'a, Vec<Bytes>>;

    /// The payloads of all entries of a delay queue, due or not.
    fn delayed<'a>(&'a self, queue: &'a str) -> Answer<'a, Vec<Bytes>>;

    /// Whether consumer offsets are kept with the records, and not by a log of its own.
    fn keeps_offsets(&self) -> bool {
        true
    }
}

/// The embedded store, opened by whoever tests it.
impl Subject for headgate_store::Store {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    fn emitted<'a>(&'a self, topic: &'a str) -> Answer<'a, Vec<Bytes>> {
        let entries = self.read(topic, 0, 0, usize::MAX).expect("the store is open");
        Box::pin(async { Ok(entries.into_iter().map(|entry| entry.payload).collect()) })
    }

    fn delayed<'a>(&'a self, queue: &'a str) -> Answer<'a, Vec<Bytes>> {
        let entries = self.due(queue, FAR, usize::MAX).expect("the store is open");
        Box::pin(async { Ok(entries.into_iter().map(|due| due.payload).collect()) })
    }
}

/// A table, which exists already.
#[cfg(feature = "dynamodb")]
impl Subject for crate::DynamoDb {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    fn emitted<'a>(&'a self, topic: &'a str) -> Answer<'a, Vec<Bytes>> {
        Box::pin(async move {
            let mut payloads = Vec::new();
            for shard in 0..crate::dynamodb::SHARDS {
                let entries = self.outbox(shard, usize::MAX).await?;
                let ours = entries.into_iter().filter(|it| it.topic == topic && it.partition == 0);
                payloads.extend(ours.map(|entry| entry.payload));
            }
            Ok(payloads)
        })
    }

    fn delayed<'a>(&'a self, queue: &'a str) -> Answer<'a, Vec<Bytes>> {
        Box::pin(async move {
            let entries = self.due(queue, FAR, usize::MAX).await?;
            Ok(entries.into_iter().map(|due| due.payload).collect())
        })
    }

    fn keeps_offsets(&self) -> bool {
        false
    }
}

/// Checks every fact, each in names of its own, so that a table can be used again. The suite brings
/// its own clock; only the waits between retries take real time.
///
/// # Panics
///
/// When a fact does not hold; the message names it.
pub async fn conformance(subject: &dyn Subject) {
    let new = || Bench::new(subject);
    facts::claims::a_key_is_claimed_once(new()).await;
    facts::claims::of_many_claims_at_once_one_wins(new()).await;
    facts::claims::a_beat_keeps_the_claim(new()).await;
    facts::claims::a_lost_claim_is_taken_and_its_late_worker_is_fenced(new()).await;
    facts::claims::a_beat_that_is_not_seen_to_move_ends_a_lease_too(new()).await;
    facts::claims::a_worker_that_may_have_acted_is_held(new()).await;
    facts::claims::a_late_worker_settles_what_is_held_for_it(new()).await;
    facts::claims::journaled_effects_are_found_by_the_next_attempt(new()).await;
    facts::claims::a_record_of_another_key_is_not_touched(new()).await;
    facts::outcomes::a_result_is_replayed_byte_for_byte(new()).await;
    facts::outcomes::another_payload_is_a_conflict(new()).await;
    facts::outcomes::a_commit_is_written_as_a_whole(new()).await;
    facts::outcomes::changed_state_leaves_nothing_of_a_commit(new()).await;
    facts::outcomes::a_commit_above_the_budget_asks_to_split(new()).await;
    facts::outcomes::records_are_no_state(new()).await;
    facts::outcomes::an_outcome_expires(new()).await;
    facts::outcomes::a_refusal_is_replayed(new()).await;
    facts::outcomes::a_group_offset_is_a_watermark(new()).await;
    facts::failures::a_release_counts_attempts_and_waits(new()).await;
    facts::failures::a_sick_dependency_costs_no_attempt(new()).await;
    facts::failures::a_dead_letter_is_written_once(new()).await;
    facts::failures::a_resolution_is_made_once(new()).await;
    facts::failures::a_resolution_fences_the_late_worker(new()).await;
    facts::failures::a_key_that_is_brought_back_runs_again(new()).await;
    facts::once::an_event_is_committed_once(new()).await;
    facts::once::of_many_commits_at_once_one_takes_place(new()).await;
    facts::once::a_failed_attempt_is_made_again(new()).await;
    facts::once::a_claim_stands_in_the_way(new()).await;
    facts::once::a_lost_claim_does_not(new()).await;
    facts::once::an_expired_outcome_does_not(new()).await;
    facts::once::changed_state_leaves_nothing(new()).await;
    facts::waiting::keys_that_wait_are_found(new()).await;
    facts::waiting::what_is_at_work_does_not_wait(new()).await;
}
