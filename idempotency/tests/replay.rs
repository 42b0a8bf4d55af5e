//! Duplicates by the ten thousand on the embedded store: each is answered the same bytes.

use std::sync::Arc;

use bytes::Bytes;
use headgate_idempotency::{
    Claim, Claimed, Commit, Fingerprint, Once, OsRandom, RecordKey, Records, Scope, Settings,
    testing::ManualClock,
};
use headgate_store::{Settings as StoreSettings, Store, VALUE_BYTES_MAX};

const KEYS: usize = 50;
const DUPLICATES: usize = 50_000;

#[tokio::test]
async fn every_duplicate_is_answered_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = Store::open(folder.path(), &StoreSettings::default()).expect("the folder is new");
    let (clock, random) = (Arc::new(ManualClock::new()), Arc::new(OsRandom));
    let records = Records::new(Arc::new(store), clock, random, Settings::default());
    let scope = Scope::new("replay").expect("the name is plain");
    let mut chance = fastrand::Rng::with_seed(1);
    let mut results = Vec::new();
    for number in 0..KEYS {
        let most = if number < 2 { VALUE_BYTES_MAX } else { 1 << (number % 14) };
        let length = if number == 0 { most } else { chance.usize(0..=most) };
        let result: Bytes = (0..length).map(|_| chance.u8(..)).collect();
        let answer = records.once(claim(&scope, number, b"a"), Commit::new(result.clone())).await;
        assert!(matches!(answer, Ok(Once::Committed(_))), "{answer:?}");
        results.push(result);
    }
    for _ in 0..DUPLICATES {
        // Large results are the rare ones.
        let number = chance.usize(0..KEYS).max(chance.usize(0..KEYS));
        match records.claim(claim(&scope, number, b"a")).await.expect("the store is open") {
            Claimed::Replay(recorded) => assert!(recorded.result == results[number], "{number}"),
            other => panic!("{other:?}"),
        }
    }
    for number in 0..KEYS {
        let other = records.claim(claim(&scope, number, b"b")).await;
        assert!(matches!(other, Ok(Claimed::Conflict)), "{other:?}");
    }
    assert_eq!(records.stats().conflicts, KEYS as u64);
    assert_eq!(records.stats().replayed, DUPLICATES as u64);
}

fn claim(scope: &Scope, number: usize, payload: &[u8]) -> Claim {
    let key = RecordKey::new(scope, number.to_string()).expect("the key is short");
    Claim::new(key, Fingerprint::of_bytes(payload), &Settings::default())
}
