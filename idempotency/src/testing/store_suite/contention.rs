//! Several at once on the same items.

use std::sync::Arc;

use headgate_store::{Batch, Condition, Scalar};
use tokio::task::JoinSet;

use super::{Stand, add, commit, set, update, value};
use crate::StoreError;

/// Workers at once.
const WORKERS: usize = 8;
/// Keys that all of them want.
const KEYS: usize = 25;

pub(super) async fn of_many_claims_one_wins(stand: Stand) {
    let claims = |owner: &str| {
        let keys = (0..KEYS).map(|number| stand.key(&number.to_string()));
        let edits = || vec![set("own", owner)];
        keys.map(|key| Batch::new().update(key, edits(), Condition::Absent)).collect()
    };
    let won = race(&stand, claims).await;
    assert_eq!(won, KEYS, "each key has one winner");
}

pub(super) async fn of_many_wide_claims_one_wins(stand: Stand) {
    let claims = |owner: &str| {
        let batch = |number: usize| {
            let shared = stand.key(&number.to_string());
            let own = stand.key(&format!("{number}/{owner}"));
            let claim = Batch::new().put(own, value("1"), Condition::Absent);
            claim.update(shared, vec![set("own", owner)], Condition::Absent)
        };
        (0..KEYS).map(batch).collect()
    };
    let won = race(&stand, claims).await;
    assert_eq!(won, KEYS, "each key has one winner");
    let mut own = 0;
    for (worker, number) in (0..WORKERS).flat_map(|it| (0..KEYS).map(move |number| (it, number))) {
        let owner = worker.to_string();
        let shared = stand.content(&stand.key(&number.to_string())).await.unwrap_or_default();
        let is_winner = shared.attributes.get("own") == Some(&owner.as_str().into());
        let left = stand.get(&stand.key(&format!("{number}/{owner}"))).await.is_some();
        assert_eq!(left, is_winner, "a loser leaves nothing");
        own += usize::from(left);
    }
    assert_eq!(own, KEYS);
}

pub(super) async fn every_sum_counts(stand: Stand) {
    let key = stand.key("sum");
    let sums = |_: &str| (0..KEYS).map(|_| update(key.clone(), vec![add("n", 1, 0)])).collect();
    assert_eq!(race(&stand, sums).await, WORKERS * KEYS);
    let found = stand.content(&key).await.unwrap_or_default().attributes;
    let expected = u64::try_from(WORKERS * KEYS).unwrap_or_default();
    assert_eq!(found.get("n"), Some(&Scalar::Number(expected)));
}

/// Lets workers commit at once, each its batches in order, and counts what was carried out.
async fn race(stand: &Stand, batches: impl Fn(&str) -> Vec<Batch>) -> usize {
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let (store, batches) = (Arc::clone(&stand.store), batches(&worker.to_string()));
        workers.spawn(async move {
            let mut won = 0;
            for batch in batches {
                match commit(&*store, batch).await {
                    Ok(_) => won += 1,
                    Err(StoreError::Refused(_)) => {}
                    Err(error) => panic!("a claim is won or lost: {error}"),
                }
            }
            won
        });
    }
    workers.join_all().await.into_iter().sum()
}
