//! Outcomes without a claim.

use std::time::Duration;

use crate::{
    Blame, Claim, Commit, CommitError, Fingerprint, HeldAs, OnLost, Once, Outcome, Park, Release,
    Seen,
    testing::bench::{Bench, TTL},
};

fn committed(answer: &Once) -> bool {
    matches!(answer, Once::Committed(_))
}

pub(crate) async fn an_event_is_committed_once(bench: Bench<'_>) {
    let first = bench.once(bench.commit(Seen::Absent, "first")).await;
    assert!(committed(&first), "{first:?}");
    let second = bench.once(bench.commit(Seen::Absent, "second")).await;
    let Once::Replay(recorded) = second else { panic!("{second:?}") };
    assert_eq!((recorded.result.as_ref(), recorded.attempts), (b"first".as_slice(), 1));
    bench.only("first").await;
    assert_eq!(bench.replay().await.result, "first", "a claim sees it too");
    let other = Claim { fingerprint: Fingerprint::of_bytes(b"other"), ..bench.claim() };
    let other = bench.records.once(other, Commit::new("other")).await;
    assert!(matches!(other, Ok(Once::Conflict)), "{other:?}");
}

pub(crate) async fn of_many_commits_at_once_one_takes_place(bench: Bench<'_>) {
    let once = || bench.once(Commit { emit: vec![bench.child("one")], ..Commit::new("one") });
    let answers = tokio::join!(once(), once(), once(), once(), once(), once());
    let answers: [_; 6] = answers.into();
    let took = answers.iter().filter(|answer| committed(answer)).count();
    let replays = answers.iter().filter(|answer| matches!(answer, Once::Replay(_))).count();
    assert_eq!((took, replays), (1, 5), "{answers:?}");
    assert_eq!(bench.emitted().await, ["one"]);
}

pub(crate) async fn a_failed_attempt_is_made_again(bench: Bench<'_>) {
    let due = bench.now() + Duration::from_mins(1);
    for blame in [Blame::Handler, Blame::Dependency, Blame::Handler] {
        let failed =
            Release { due, error: "503".to_owned(), blame, delayed: None, also: Vec::new() };
        let answer = bench.records.once(bench.claim(), Outcome::Retry(failed)).await;
        assert!(matches!(answer, Ok(Once::Committed(_))), "{answer:?}");
        assert_eq!(bench.busy(bench.claim()).await, due);
    }
    let other = Claim { fingerprint: Fingerprint::of_bytes(b"other"), ..bench.claim() };
    let other = bench.records.once(other, Commit::new("other")).await;
    assert!(matches!(other, Ok(Once::Conflict)), "{other:?}");
    let answer = bench.once(bench.commit(Seen::Absent, "done")).await;
    assert!(committed(&answer), "an event that is handed over early is not held up: {answer:?}");
    assert_eq!(bench.replay().await.attempts, 3, "the dependency's does not count");
    let park = Outcome::Park(Park { error: "poison".to_owned(), ..Park::default() });
    let late = bench.records.once(bench.claim(), park).await;
    assert!(matches!(late, Ok(Once::Replay(_))), "{late:?}");
}

pub(crate) async fn a_claim_stands_in_the_way(bench: Bench<'_>) {
    let _ticket = bench.run(bench.claim()).await;
    let answer = bench.once(bench.commit(Seen::Absent, "once")).await;
    assert!(matches!(answer, Once::Busy { .. }), "{answer:?}");
    bench.nothing().await;
}

pub(crate) async fn a_lost_claim_does_not(bench: Bench<'_>) {
    let late = bench.run(bench.claim()).await;
    bench.pass_lease();
    let answer = bench.once(bench.commit(Seen::Absent, "once")).await;
    assert!(committed(&answer), "{answer:?}");
    crate::testing::bench::fenced(bench.records.commit(late, Commit::new("late")).await);
    bench.only("once").await;
    let recorded = bench.replay().await;
    assert_eq!((recorded.result.as_ref(), recorded.attempts), (b"once".as_slice(), 2));
    let hold = Claim { on_lost: OnLost::Hold, ..bench.claim() };
    let replay = bench.records.once(hold, Commit::new("again")).await;
    assert!(matches!(replay, Ok(Once::Replay(_))), "{replay:?}");
    let park = Claim { key: other_key(&bench), ..bench.claim() };
    let parked = Outcome::Park(Park { error: "poison".to_owned(), ..Park::default() });
    let answer = bench.records.once(park.clone(), parked).await;
    assert!(matches!(answer, Ok(Once::Committed(_))), "{answer:?}");
    let held = bench.records.once(park, Commit::new("again")).await;
    assert!(matches!(&held, Ok(Once::Held(held)) if held.state == HeldAs::Parked), "{held:?}");
}

fn other_key(bench: &Bench<'_>) -> crate::RecordKey {
    let scope = crate::Scope::new(&bench.name()).expect("plain");
    crate::RecordKey::new(&scope, "other").expect("short")
}

pub(crate) async fn an_expired_outcome_does_not(bench: Bench<'_>) {
    assert!(committed(&bench.once(Commit::new("one")).await));
    let fence = bench.replay().await.fence;
    bench.clock.advance(TTL + Duration::from_millis(1));
    assert!(committed(&bench.once(Commit::new("two")).await));
    let recorded = bench.replay().await;
    assert_eq!(recorded.result, "two");
    assert!(recorded.fence > fence, "fences rise");
}

pub(crate) async fn changed_state_leaves_nothing(bench: Bench<'_>) {
    let stale = bench.commit(Seen::Version(1), "stale");
    let answer = bench.records.once(bench.claim(), stale).await;
    assert!(matches!(answer, Err(CommitError::StateConflict { .. })), "{answer:?}");
    bench.nothing().await;
    assert!(committed(&bench.once(bench.commit(Seen::Absent, "fresh")).await));
    bench.only("fresh").await;
}
