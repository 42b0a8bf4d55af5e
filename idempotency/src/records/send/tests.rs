use std::sync::Arc;

use tokio::time::Instant;

use crate::{
    Child, Claim, Claimed, Commit, CommitError, Fingerprint, Once, RecordKey, Records, Scope,
    Settings, StoreError, Ticket,
    testing::{Failing, Fault, MemoryStore, SeededRandom, Subject, sim::clock::SimClock},
};

struct World {
    memory: MemoryStore,
    failing: Failing,
    records: Records,
}

/// Records on a store whose call number `at`, from 0, goes wrong.
fn world(at: usize, fault: Option<Fault>) -> World {
    let memory = MemoryStore::new();
    let failing = Failing::new(memory.store(), at, fault);
    let clock = Arc::new(SimClock::new(Instant::now(), 0));
    let random = Arc::new(SeededRandom::new(1));
    let store = Arc::new(failing.clone());
    World { memory, failing, records: Records::new(store, clock, random, Settings::default()) }
}

fn claim() -> Claim {
    let key = RecordKey::new(&Scope::new("s").unwrap(), "k").unwrap();
    Claim::new(key, Fingerprint::of_bytes(b""), &Settings::default())
}

fn commit() -> Commit {
    let time = headgate_types::UnixTime::from_secs(1);
    let (id, topic) = ("child".to_owned(), "t".to_owned());
    let child = Child { id, topic, partition: 0, time, payload: "child".into() };
    Commit { emit: vec![child], ..Commit::new("done") }
}

async fn run(records: &Records) -> Ticket {
    match records.claim(claim()).await.unwrap() {
        Claimed::Run(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

async fn children(world: &World) -> usize {
    world.memory.emitted("t").await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_transaction_is_one_request_and_a_duplicate_one() {
    let world = world(0, None);
    let first = world.records.once(claim(), commit()).await.unwrap();
    assert!(matches!(first, Once::Committed(_)), "{first:?}");
    assert_eq!(world.failing.calls(), 1);
    let second = world.records.once(claim(), commit()).await.unwrap();
    assert!(matches!(second, Once::Replay(_)), "{second:?}");
    assert_eq!(world.failing.calls(), 2);
    assert!(matches!(world.records.claim(claim()).await.unwrap(), Claimed::Replay(_)));
    assert_eq!(world.failing.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_claim_and_its_commit_are_two_requests() {
    let world = world(0, None);
    let ticket = run(&world.records).await;
    world.records.commit(ticket, commit()).await.unwrap();
    assert_eq!((world.failing.calls(), children(&world).await), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_known_again() {
    for lost in [Fault::LoseReply, Fault::LoseRequest] {
        let once = world(0, Some(lost));
        let answer = once.records.once(claim(), commit()).await.unwrap();
        assert!(matches!(answer, Once::Committed(_)), "{lost:?} {answer:?}");
        assert_eq!(children(&once).await, 1);

        let claimed = world(0, Some(lost));
        assert_eq!(run(&claimed.records).await.attempt(), 1, "{lost:?}");

        let committed = world(1, Some(lost));
        let ticket = run(&committed.records).await;
        committed.records.commit(ticket, commit()).await.unwrap();
        assert_eq!(children(&committed).await, 1, "{lost:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_stays_in_doubt_can_be_tried_again() {
    // The commit's answer is lost, and the store is gone before it can be read.
    let lost = world(1, Some(Fault::LoseReply));
    let ticket = run(&lost.records).await;
    let gone = Failing::new(Arc::new(lost.failing.clone()), 1, Some(Fault::Down(100)));
    let clock = Arc::new(SimClock::new(Instant::now(), 0));
    let random = Arc::new(SeededRandom::new(2));
    let cut_off = Records::new(Arc::new(gone), clock, random, Settings::default());
    let uncommitted = cut_off.commit(ticket, commit()).await.unwrap_err();
    let in_doubt = matches!(uncommitted.error, CommitError::Store(StoreError::InDoubt(_)));
    assert!(in_doubt, "{uncommitted:?}");
    let ticket = uncommitted.ticket.unwrap();
    lost.records.commit(ticket, commit()).await.unwrap();
    assert_eq!(children(&lost).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_busy_store_is_asked_again_a_bounded_number_of_times() {
    let once_busy = world(0, Some(Fault::Busy));
    let _ticket = run(&once_busy.records).await;
    assert_eq!(once_busy.failing.calls(), 2);
    let memory = MemoryStore::new();
    let mut store = memory.store();
    for at in 0..20 {
        store = Arc::new(Failing::new(store, at, Some(Fault::Busy)));
    }
    let clock = Arc::new(SimClock::new(Instant::now(), 0));
    let random = Arc::new(SeededRandom::new(3));
    let failing = Failing::new(store, 0, None);
    let records = Records::new(Arc::new(failing.clone()), clock, random, Settings::default());
    let answer = records.claim(claim()).await;
    assert!(matches!(answer, Err(StoreError::Busy)), "{answer:?}");
    assert_eq!(failing.calls(), 7, "the first and six more");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_told_at_once() {
    let down = world(0, Some(Fault::Down(0)));
    let answer = down.records.claim(claim()).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert_eq!(down.failing.calls(), 1);
}
