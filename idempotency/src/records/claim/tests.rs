use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    Blame, Claim, Claimed, Commit, Effect, Fingerprint, OnLost, RecordKey, Records, Release, Scope,
    Settings, Store,
    testing::{Failing, Fault, MemoryStore, SeededRandom, sim::clock::SimClock},
};

const LEASE: Duration = Duration::from_secs(30);
const TEN_MINUTES: i64 = 600_000;

/// Two with the same seed would be one owner.
fn records(store: &MemoryStore, ahead: i64, seed: u64) -> Records {
    records_on(Arc::new(store.clone()), ahead, seed)
}

fn records_on(store: Arc<dyn Store>, ahead: i64, seed: u64) -> Records {
    let clock = Arc::new(SimClock::new(Instant::now(), ahead));
    let random = Arc::new(SeededRandom::new(seed));
    Records::new(store, clock, random, Settings::default())
}

fn claim(on_lost: OnLost) -> Claim {
    let key = RecordKey::new(&Scope::new("s").unwrap(), "k").unwrap();
    let claim = Claim::new(key, Fingerprint::of_bytes(b""), &Settings::default());
    Claim { lease: LEASE, on_lost, ..claim }
}

#[tokio::test(start_paused = true)]
async fn a_lost_key_waits_for_a_lease_whatever_the_clocks_say() {
    for holder in [-TEN_MINUTES, 0, TEN_MINUTES] {
        for contender in [-TEN_MINUTES, -1_000, 0, 1_000, TEN_MINUTES] {
            let store = MemoryStore::new();
            let lost = records(&store, holder, 1).claim(claim(OnLost::Retry)).await.unwrap();
            drop(lost);
            let contender = records(&store, contender, 2);
            let start = Instant::now();
            loop {
                match contender.claim(claim(OnLost::Retry)).await.unwrap() {
                    Claimed::Run(ticket) => break drop(ticket),
                    Claimed::Busy { until } => sleep(until.since(contender.unix_time())).await,
                    other => panic!("{other:?}"),
                }
            }
            let most = LEASE + Settings::default().skew + Duration::from_secs(1);
            assert!(start.elapsed() <= most, "{holder} {contender:?}: {:?}", start.elapsed());
            assert_eq!(contender.stats().taken_over, 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_verbs_do_is_counted() {
    let store = MemoryStore::new();
    let (first, second) = (records(&store, 0, 1), records(&store, 0, 2));
    let Claimed::Run(late) = first.claim(claim(OnLost::Hold)).await.unwrap() else { panic!() };
    sleep(LEASE * 2).await;
    assert!(matches!(second.claim(claim(OnLost::Hold)).await.unwrap(), Claimed::Held(_)));
    assert!(first.renew(&late).await.is_err());
    first.commit(late, Commit::new("done")).await.unwrap();
    assert!(matches!(second.claim(claim(OnLost::Hold)).await.unwrap(), Claimed::Replay(_)));
    let other = Claim { fingerprint: Fingerprint::of_bytes(b"x"), ..claim(OnLost::Hold) };
    assert!(matches!(second.claim(other).await.unwrap(), Claimed::Conflict));
    let (first, second) = (first.stats(), second.stats());
    assert_eq!((first.claimed, first.settled, first.fenced), (1, 1, 1));
    assert_eq!((second.held, second.replayed, second.conflicts), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_effect_whose_note_was_lost_is_known_to_the_next_attempt() {
    let store = MemoryStore::new();
    // The claim, the plan, and then the note that it was carried out.
    let failing = Failing::new(Arc::new(store.clone()), 2, Some(Fault::Down(0)));
    let first = records_on(Arc::new(failing), 0, 1);
    let Claimed::Run(ticket) = first.claim(claim(OnLost::Hold)).await.unwrap() else { panic!() };
    let planned = Effect::Planned { since: first.unix_time() };
    first.journal(&ticket, "mail", planned).await.unwrap();
    let carried = Effect::Carried { response: "sent".into() };
    assert!(first.journal(&ticket, "mail", carried.clone()).await.is_err());
    assert_eq!(ticket.effect("mail"), Some(carried.clone()), "a rerun must not repeat it");
    let (due, error) = (first.unix_time(), "503".to_owned());
    let blame = Blame::Dependency;
    let release = Release { due, error, blame, delayed: None, also: Vec::new() };
    first.release(ticket, release).await.unwrap();
    let second = records(&store, 0, 2).claim(claim(OnLost::Hold)).await.unwrap();
    let Claimed::Run(ticket) = second else { panic!("{second:?}") };
    assert_eq!(ticket.effect("mail"), Some(carried));
}
