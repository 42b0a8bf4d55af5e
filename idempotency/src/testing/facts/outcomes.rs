//! What a commit writes, and what a duplicate is told.

use std::time::Duration;

use bytes::Bytes;
use headgate_store::{Condition, Operation};

use crate::{
    Claim, Claimed, Commit, CommitError, Fingerprint, Position, RecordKey, SPACE, Scope, Seen,
    StateWrite,
    testing::bench::{Bench, TTL},
};

pub(crate) async fn a_result_is_replayed_byte_for_byte(bench: Bench<'_>) {
    let scope = Scope::new(&bench.name()).expect("plain");
    for length in [0, 1, 1_000, 40_000] {
        let result: Bytes = (0..=u8::MAX).cycle().take(length).collect();
        let key = RecordKey::new(&scope, format!("{length}")).expect("short");
        let claim = || Claim { key: key.clone(), ..bench.claim() };
        let ticket = bench.run(claim()).await;
        let commit = Commit::new(result.clone());
        bench.records.commit(ticket, commit).await.expect("the claim is held");
        for _ in 0..2 {
            let answer = bench.claimed(claim()).await;
            let Claimed::Replay(recorded) = answer else { panic!("{answer:?}") };
            assert_eq!(recorded.result, result);
            assert_eq!((recorded.rejected, recorded.attempts), (false, 1));
        }
        let outcome = bench.records.outcome(&key).await.expect("the store answers");
        assert_eq!(outcome.map(|recorded| recorded.result), Some(result));
    }
}

pub(crate) async fn another_payload_is_a_conflict(bench: Bench<'_>) {
    let other = || Claim { fingerprint: Fingerprint::of_bytes(b"other"), ..bench.claim() };
    let ticket = bench.run(bench.claim()).await;
    assert!(matches!(bench.claimed(other()).await, Claimed::Conflict), "while it runs");
    bench.records.commit(ticket, Commit::new("done")).await.expect("the claim is held");
    assert!(matches!(bench.claimed(other()).await, Claimed::Conflict), "when it is done");
    bench.clock.advance(TTL + Duration::from_secs(1));
    let _ticket = bench.run(other()).await;
}

/// Nothing where offsets are kept elsewhere.
fn offset(bench: &Bench<'_>, offset: u64) -> Vec<Operation> {
    if !bench.keeps_offsets() {
        return Vec::new();
    }
    let (group, topic) = (bench.name(), bench.name());
    vec![Operation::CommitOffset { group, topic, partition: 0, offset }]
}

pub(crate) async fn a_commit_is_written_as_a_whole(bench: Bench<'_>) {
    let ticket = bench.run(bench.claim()).await;
    let commit = Commit { also: offset(&bench, 8), ..bench.commit(Seen::Absent, "everything") };
    let committed = bench.records.commit(ticket, commit).await.expect("the claim is held");
    bench.only("everything").await;
    assert_eq!(bench.offset().await, bench.keeps_offsets().then_some(8));
    let state = bench.state().await.expect("it was written");
    assert_eq!(state.version, committed.version, "a later write can build on the answer");
}

pub(crate) async fn changed_state_leaves_nothing_of_a_commit(bench: Bench<'_>) {
    let ticket = bench.run(bench.claim()).await;
    let stale = || Commit { also: offset(&bench, 8), ..bench.commit(Seen::Version(1), "stale") };
    let uncommitted =
        bench.records.commit(ticket, stale()).await.expect_err("there is no such version");
    let expected = bench.state_key();
    assert!(
        matches!(&uncommitted.error, CommitError::StateConflict { key } if *key == expected),
        "{uncommitted:?}"
    );
    bench.nothing().await;
    let ticket = uncommitted.ticket.expect("the claim is still held");
    let fresh = bench.commit(Seen::Absent, "fresh");
    let first = bench.records.commit(ticket, fresh).await.expect("the claim is held");
    bench.only("fresh").await;
    let gone =
        StateWrite { key: bench.state_key(), seen: Seen::Version(first.version), content: None };
    let scope = Scope::new(&bench.name()).expect("plain");
    let key = RecordKey::new(&scope, "next").expect("short");
    let ticket = bench.run(Claim { key, ..bench.claim() }).await;
    let commit = Commit { state: vec![gone], ..Commit::new("gone") };
    bench.records.commit(ticket, commit).await.expect("the version stands");
    assert_eq!(bench.state().await, None);
}

pub(crate) async fn a_commit_above_the_budget_asks_to_split(bench: Bench<'_>) {
    let budget = bench.records.store().budget();
    let ticket = bench.run(bench.claim()).await;
    let children = (0..budget.operations).map(|_| bench.child("one")).collect();
    let wide = Commit { emit: children, ..Commit::new("wide") };
    let uncommitted = bench.records.commit(ticket, wide).await.expect_err("it is too much");
    let is_wide = matches!(uncommitted.error, CommitError::TooLarge { what: "operations", .. });
    assert!(is_wide, "{uncommitted:?}");
    let ticket = uncommitted.ticket.expect("the claim is still held");
    let large = Commit::new(vec![0; budget.result_bytes + 1]);
    let uncommitted = bench.records.commit(ticket, large).await.expect_err("it is too large");
    assert!(matches!(uncommitted.error, CommitError::TooLarge { .. }), "{uncommitted:?}");
    bench.nothing().await;
    let ticket = uncommitted.ticket.expect("the claim is still held");
    bench.records.commit(ticket, Commit::new("small")).await.expect("it is small");
}

pub(crate) async fn records_are_no_state(bench: Bench<'_>) {
    let ticket = bench.run(bench.claim()).await;
    let mut write = bench.write(Seen::Absent, "forged");
    SPACE.clone_into(&mut write.key.space);
    let forged = Commit { state: vec![write], ..Commit::new("forged") };
    let uncommitted = bench.records.commit(ticket, forged).await.expect_err("it is reserved");
    assert!(matches!(uncommitted.error, CommitError::ReservedSpace), "{uncommitted:?}");
    let ticket = uncommitted.ticket.expect("the claim is still held");
    let (key, when) = (bench.key().item().clone(), Condition::Always);
    let smuggled =
        Commit { also: vec![Operation::Delete { key, when }], ..Commit::new("smuggled") };
    let uncommitted = bench.records.commit(ticket, smuggled).await.expect_err("it is reserved");
    assert!(matches!(uncommitted.error, CommitError::ReservedSpace), "{uncommitted:?}");
}

pub(crate) async fn an_outcome_expires(bench: Bench<'_>) {
    let first = bench.run(bench.claim()).await;
    let fence = first.fence();
    bench.records.commit(first, Commit::new("one")).await.expect("the claim is held");
    bench.clock.advance(TTL);
    assert_eq!(bench.replay().await.result, "one", "it is kept for its whole time");
    bench.clock.advance(Duration::from_millis(1));
    let second = bench.run(bench.claim()).await;
    assert_eq!(second.attempt(), 1, "attempts begin anew");
    assert!(second.fence() > fence, "fences do not");
}

pub(crate) async fn a_refusal_is_replayed(bench: Bench<'_>) {
    let ticket = bench.run(bench.claim()).await;
    let commit = bench.commit(Seen::Absent, "no funds");
    bench.records.reject(ticket, commit).await.expect("the claim is held");
    bench.only("no funds").await;
    let recorded = bench.replay().await;
    assert_eq!((recorded.result.as_ref(), recorded.rejected), (b"no funds".as_slice(), true));
}

pub(crate) async fn a_group_offset_is_a_watermark(bench: Bench<'_>) {
    if !bench.keeps_offsets() {
        return;
    }
    let at = Position { group: bench.name(), topic: bench.name(), partition: 0 };
    let watermark = bench.records.watermark(&at).await.expect("the store answers");
    assert!(!watermark.is_settled(0), "nothing is settled yet");
    let ticket = bench.run(bench.claim()).await;
    let commit = Commit { also: offset(&bench, 8), ..Commit::new("done") };
    bench.records.commit(ticket, commit).await.expect("the claim is held");
    bench.clock.advance(Duration::from_hours(24 * 365));
    let watermark = bench.records.watermark(&at).await.expect("the store answers");
    assert!(watermark.is_settled(7), "known although the record has expired");
    assert!(!watermark.is_settled(8));
    let late = Commit { also: offset(&bench, 3), ..Commit::new("late") };
    let ticket = bench.run(bench.claim()).await;
    bench.records.commit(ticket, late).await.expect("the claim is held");
    assert_eq!(bench.offset().await, Some(8), "a former owner's offset is harmless");
}
