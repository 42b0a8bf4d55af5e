//! Attempts that fail, and keys that wait for a person.

use std::time::Duration;

use crate::{
    Blame, Claim, Commit, CommitError, Delayed, HeldAs, Hold, OnLost, Park, Release, Resolution,
    Seen,
    testing::bench::{Bench, fenced},
};

const WAIT: Duration = Duration::from_mins(1);

fn release(bench: &Bench<'_>, blame: Blame) -> Release {
    let delayed = Delayed { queue: bench.name(), id: "id".into(), payload: "event".into() };
    let error = "the service answered 503".to_owned();
    let due = bench.now() + WAIT;
    Release { due, error, blame, delayed: Some(delayed), also: Vec::new() }
}

pub(crate) async fn a_release_counts_attempts_and_waits(bench: Bench<'_>) {
    for attempt in 1..4 {
        let ticket = bench.run(bench.claim()).await;
        assert_eq!(ticket.attempt(), attempt);
        let release = release(&bench, Blame::Handler);
        let due = release.due;
        bench.records.release(ticket, release).await.expect("the claim is held");
        assert_eq!(bench.busy(bench.claim()).await, due, "it is not due");
        assert_eq!(bench.delayed().await.len(), usize::try_from(attempt).expect("small"));
        bench.clock.advance(WAIT);
    }
    assert_eq!(bench.delayed().await[0], "event");
    bench.nothing().await;
}

pub(crate) async fn a_sick_dependency_costs_no_attempt(bench: Bench<'_>) {
    for _ in 0..3 {
        let ticket = bench.run(bench.claim()).await;
        assert_eq!(ticket.attempt(), 1);
        let release = release(&bench, Blame::Dependency);
        bench.records.release(ticket, release).await.expect("the claim is held");
        bench.clock.advance(WAIT);
    }
}

fn park(bench: &Bench<'_>) -> Park {
    let emit = vec![bench.child("dead letter")];
    Park { error: "poison".to_owned(), emit, ..Park::default() }
}

pub(crate) async fn a_dead_letter_is_written_once(bench: Bench<'_>) {
    let late = bench.run(bench.claim()).await;
    bench.pass_lease();
    let ticket = bench.run(bench.claim()).await;
    bench.records.park(ticket, park(&bench)).await.expect("the claim is held");
    fenced(bench.records.park(late, park(&bench)).await);
    assert_eq!(bench.emitted().await, ["dead letter"]);
    let held = bench.held(bench.claim()).await;
    assert_eq!((held.state, held.error.as_str()), (HeldAs::Parked, "poison"));
    assert_eq!(held.attempts, 2);
}

pub(crate) async fn a_resolution_is_made_once(bench: Bench<'_>) {
    let ticket = bench.run(Claim { on_lost: OnLost::Hold, ..bench.claim() }).await;
    let hold = Hold { error: "timed out".to_owned(), ..Hold::default() };
    bench.records.hold(ticket, hold).await.expect("the claim is held");
    let held = bench.held(bench.claim()).await;
    assert_eq!((held.state, held.error.as_str()), (HeldAs::InDoubt, "timed out"));
    let happened = || Resolution::Done(bench.commit(Seen::Absent, "it happened"));
    let key = bench.key();
    bench.records.resolve(&key, &held, happened()).await.expect("it is held");
    let again = bench.records.resolve(&key, &held, happened()).await;
    assert!(matches!(again, Err(CommitError::Fenced)), "{again:?}");
    bench.only("it happened").await;
    assert_eq!(bench.replay().await.result, "it happened");
    assert_eq!(bench.records.held(&key).await.expect("the store answers"), None);
}

pub(crate) async fn a_resolution_fences_the_late_worker(bench: Bench<'_>) {
    let claim = || Claim { on_lost: OnLost::Hold, ..bench.claim() };
    let late = bench.run(claim()).await;
    bench.pass_lease();
    let held = bench.held(claim()).await;
    let resolution = Resolution::Done(Commit::new("the same result"));
    bench.records.resolve(&bench.key(), &held, resolution).await.expect("it is held");
    let commit =
        Commit { state: vec![bench.write(Seen::Absent, "late")], ..Commit::new("the same result") };
    fenced(bench.records.commit(late, commit).await);
    bench.nothing().await;
}

pub(crate) async fn a_key_that_is_brought_back_runs_again(bench: Bench<'_>) {
    let ticket = bench.run(bench.claim()).await;
    let fence = ticket.fence();
    bench.records.park(ticket, park(&bench)).await.expect("the claim is held");
    let held = bench.held(bench.claim()).await;
    let back =
        || Resolution::Retry(Release { due: bench.now(), ..release(&bench, Blame::Handler) });
    let key = bench.key();
    bench.records.resolve(&key, &held, back()).await.expect("it is parked");
    let twice = bench.records.resolve(&key, &held, back()).await;
    assert!(matches!(twice, Err(CommitError::Fenced)), "a double click brings back once");
    assert_eq!(bench.delayed().await, ["event"]);
    let ticket = bench.run(bench.claim()).await;
    assert_eq!(ticket.attempt(), 1, "attempts begin anew");
    assert!(ticket.fence() > fence);
}
