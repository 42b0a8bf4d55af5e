use std::{future::pending, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    Claim, Claimed, Commit, Fingerprint, Lost, RecordKey, Records, Scope, Settings, Store, Ticket,
    testing::{Failing, Fault, MemoryStore, SeededRandom, sim::clock::SimClock},
};

const LEASE: Duration = Duration::from_secs(30);

fn records(store: Arc<dyn Store>, seed: u64) -> Records {
    let clock = Arc::new(SimClock::new(Instant::now(), 0));
    Records::new(store, clock, Arc::new(SeededRandom::new(seed)), Settings::default())
}

fn claim() -> Claim {
    let key = RecordKey::new(&Scope::new("s").unwrap(), "k").unwrap();
    let claim = Claim::new(key, Fingerprint::of_bytes(b""), &Settings::default());
    Claim { lease: LEASE, ..claim }
}

async fn run(records: &Records) -> Ticket {
    match records.claim(claim()).await.unwrap() {
        Claimed::Run(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_takes_many_leases_is_held_and_committed() {
    let store = Arc::new(MemoryStore::new());
    let (worker, other) = (records(store.clone(), 1), records(store, 2));
    let ticket = run(&worker).await;
    let watch = async {
        for _ in 0..100 {
            sleep(Duration::from_secs(3)).await;
            let answer = other.claim(claim()).await.unwrap();
            assert!(matches!(answer, Claimed::Busy { .. }), "{answer:?}");
        }
    };
    worker.while_held(&ticket, watch).await.unwrap();
    worker.commit(ticket, Commit::new("done")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn work_ends_before_its_lease_when_the_store_is_gone() {
    let down = Fault::Down(usize::MAX / 2);
    let store = Failing::new(Arc::new(MemoryStore::new()), 1, Some(down));
    let worker = records(Arc::new(store), 1);
    let start = Instant::now();
    let ticket = run(&worker).await;
    let lost = worker.while_held(&ticket, pending::<()>()).await;
    assert_eq!(lost, Err(Lost::LeaseOver));
    assert_eq!(start.elapsed().as_secs(), 27, "a tenth before the lease is over");
}

#[tokio::test(start_paused = true)]
async fn work_ends_before_its_lease_when_the_store_hangs() {
    let stall = Fault::StallBefore(LEASE * 10);
    let store = Failing::new(Arc::new(MemoryStore::new()), 1, Some(stall));
    let worker = records(Arc::new(store), 1);
    let start = Instant::now();
    let ticket = run(&worker).await;
    let lost = worker.while_held(&ticket, pending::<()>()).await;
    assert_eq!((lost, start.elapsed().as_secs()), (Err(Lost::LeaseOver), 27));
}

#[tokio::test(start_paused = true)]
async fn work_goes_on_when_a_beat_is_lost() {
    let fault = Some(Fault::Down(1));
    let store = Failing::new(Arc::new(MemoryStore::new()), 1, fault);
    let worker = records(Arc::new(store.clone()), 1);
    let ticket = run(&worker).await;
    worker.while_held(&ticket, sleep(LEASE * 2)).await.unwrap();
    assert!(store.calls() > 6, "{}", store.calls());
}

#[tokio::test(start_paused = true)]
async fn work_ends_when_its_key_is_somebody_elses() {
    let store = Arc::new(MemoryStore::new());
    let (worker, other) = (records(store.clone(), 1), records(store, 2));
    let ticket = run(&worker).await;
    sleep(LEASE + Duration::from_secs(3)).await;
    let taken = run(&other).await;
    assert!(taken.fence() > ticket.fence());
    let lost = worker.while_held(&ticket, pending::<()>()).await;
    assert_eq!(lost, Err(Lost::LeaseOver), "it knows by its own clock");
    assert!(worker.renew(&ticket).await.is_err(), "and from the store");
}
