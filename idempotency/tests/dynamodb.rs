//! The store on DynamoDB, against DynamoDB Local.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of a test are tests too"
)]

#[path = "dynamodb/costs.rs"]
mod costs;
#[path = "dynamodb/proxy.rs"]
mod proxy;

use std::{sync::Arc, time::Duration};

use headgate_idempotency::{
    DynamoDb, OsRandom, Random, Store, StoreError, Written,
    dynamodb::{SHARDS, Settings},
    testing::{DynamoDbLocal, conformance, store_suite},
};
use headgate_store::{Batch, Condition, Content, Edit, Key, Operation, Scalar};
use headgate_types::UnixTime;

use crate::proxy::Proxy;

/// A table of this test. None: the run leaves DynamoDB Local out.
async fn table() -> Option<DynamoDb> {
    let local = DynamoDbLocal::shared()?;
    Some(table_at(local.endpoint()).await)
}

async fn table_at(endpoint: &str) -> DynamoDb {
    let table = DynamoDb::connect(settings(endpoint)).await.unwrap();
    table.create_table().await.unwrap();
    table
}

fn settings(endpoint: &str) -> Settings {
    let name = format!("headgate-{:016x}", OsRandom.bits());
    // The machine may be busy with other tests.
    let (attempt, operation) = (Duration::from_secs(10), Duration::from_mins(1));
    let attempts_max = 20.try_into().unwrap();
    Settings {
        attempt_timeout: attempt,
        operation_timeout: operation,
        attempts_max,
        ..Settings::local(endpoint, name)
    }
}

fn key() -> Key {
    Key::new("test", "key")
}

fn add(when: Condition) -> Batch {
    let edit = Edit::Add { name: "n".to_owned(), amount: 1, from: 0 };
    Batch::new().update(key(), vec![edit], when)
}

async fn sum(store: &DynamoDb) -> Option<Scalar> {
    store.get(&key()).await.unwrap()?.content.attributes.remove("n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_a_store() {
    let Some(table) = table().await else { return };
    store_suite(Arc::new(table)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_verbs_hold_on_a_table() {
    let Some(table) = table().await else { return };
    conformance(&table).await;
}

#[tokio::test]
async fn the_documented_costs_are_what_is_counted() {
    let Some(table) = table().await else { return };
    costs::check(table).await;
}

#[tokio::test]
async fn a_table_is_made_once() {
    let Some(table) = table().await else { return };
    table.create_table().await.unwrap();
}

#[tokio::test]
async fn a_table_that_is_not_there_is_unavailable() {
    let Some(local) = DynamoDbLocal::shared() else { return };
    let store = DynamoDb::connect(settings(local.endpoint())).await.unwrap();
    let answer = store.get(&key()).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    let answer = store.commit(add(Condition::Always)).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
}

/// A store behind a proxy that loses answers, and the same table without it.
async fn lossy() -> Option<(Proxy, DynamoDb, DynamoDb)> {
    let local = DynamoDbLocal::shared()?;
    behind(Proxy::to(local.endpoint()).await, local).await
}

async fn behind(proxy: Proxy, local: &DynamoDbLocal) -> Option<(Proxy, DynamoDb, DynamoDb)> {
    let attempts_max = 4.try_into().unwrap();
    let settings = Settings { attempts_max, ..settings(&proxy.endpoint()) };
    let straight = Settings { endpoint: Some(local.endpoint().to_owned()), ..settings.clone() };
    let straight = DynamoDb::connect(straight).await.unwrap();
    straight.create_table().await.unwrap();
    let store = DynamoDb::connect(settings).await.unwrap();
    // A connection is there before an answer is lost.
    store.get(&key()).await.unwrap();
    Some((proxy, store, straight))
}

#[tokio::test]
async fn a_put_whose_answer_was_lost_is_not_refused_by_itself() {
    let Some((proxy, store, straight)) = lossy().await else { return };
    proxy.lose(1);
    let claim = Batch::new().put(key(), Content::default(), Condition::Absent);
    let written = store.commit(claim).await.unwrap();
    assert_eq!(proxy.left(), 0, "an answer was lost");
    let found = straight.get(&key()).await.unwrap().unwrap();
    assert_eq!(found.version, written.version);
}

#[tokio::test]
async fn an_update_whose_answer_was_lost_takes_effect_once() {
    let Some((proxy, store, straight)) = lossy().await else { return };
    let owned = vec![Edit::Set("own".to_owned(), "me".into())];
    store.commit(Batch::new().update(key(), owned, Condition::Absent)).await.unwrap();
    // All hold after their own write too. The first is sent again, the others are looked after.
    let held = [Condition::equals("own", "me"), Condition::Always, Condition::Present];
    for (when, expected) in held.into_iter().zip(1_u64..) {
        proxy.lose(1);
        let written = store.commit(add(when)).await.unwrap();
        assert_eq!(proxy.left(), 0, "an answer was lost");
        assert_eq!(sum(&straight).await, Some(expected.into()));
        let found = straight.get(&key()).await.unwrap().unwrap();
        assert_eq!(found.version, written.version);
    }
}

#[tokio::test]
async fn a_transaction_whose_answer_was_lost_takes_effect_once() {
    let Some((proxy, store, straight)) = lossy().await else { return };
    proxy.lose(2);
    let child = Batch::append(add(Condition::Always), "t", 0, UnixTime::from_secs(1), "child");
    let written = store.commit(child).await.unwrap();
    assert_eq!(proxy.left(), 0, "two answers were lost");
    assert_eq!(sum(&straight).await, Some(1.into()));
    assert_eq!(straight.get(&key()).await.unwrap().unwrap().version, written.version);
}

#[tokio::test]
async fn a_transaction_that_is_refused_is_so_after_a_lost_answer_too() {
    let Some((proxy, store, straight)) = lossy().await else { return };
    proxy.lose(1);
    let other = Batch::new().put(Key::new("test", "other"), Content::default(), Condition::Always);
    let batch = other.update(key(), Vec::new(), Condition::Present);
    let answer = store.commit(batch).await;
    assert_eq!(proxy.left(), 0, "an answer was lost");
    let Err(StoreError::Refused(refused)) = answer else { panic!("not refused: {answer:?}") };
    assert_eq!((refused.operation, refused.current), (1, None));
    assert_eq!(straight.get(&Key::new("test", "other")).await.unwrap(), None);
}

#[tokio::test]
async fn a_write_that_another_one_may_have_hidden_is_in_doubt() {
    let Some((proxy, store, straight)) = lossy().await else { return };
    straight.commit(add(Condition::Always)).await.unwrap();
    // Refused, but its first answer is lost: it could as well have been carried out and then
    // written over.
    proxy.lose(1);
    let answer = store.commit(add(Condition::Absent)).await;
    assert_eq!(proxy.left(), 0, "an answer was lost");
    assert!(matches!(answer, Err(StoreError::InDoubt(_))), "{answer:?}");
    proxy.lose(1);
    let entry = Operation::Take { queue: "q".to_owned(), due: UnixTime::default(), id: "i".into() };
    let answer = store.commit(Batch::new().with(entry)).await;
    assert!(matches!(answer, Err(StoreError::InDoubt(_))), "{answer:?}");
}

/// A batch whose answer is lost, while another writer is on the item before that is known.
async fn overtaken(batch: Batch) -> Option<(Result<Written, StoreError>, DynamoDb)> {
    let local = DynamoDbLocal::shared()?;
    let (proxy, store, straight) = behind(Proxy::holding(local.endpoint()).await, local).await?;
    proxy.lose(1);
    let sent = tokio::spawn(async move { store.commit(batch).await });
    proxy.held().await;
    straight.commit(add(Condition::Present)).await.unwrap();
    proxy.tell();
    Some((sent.await.unwrap(), straight))
}

#[tokio::test]
async fn a_write_that_was_overtaken_is_not_carried_out_again() {
    let Some((answer, straight)) = overtaken(add(Condition::Always)).await else { return };
    assert!(matches!(answer, Err(StoreError::InDoubt(_))), "{answer:?}");
    assert_eq!(sum(&straight).await, Some(2.into()), "each took effect once");
}

#[tokio::test]
async fn a_transaction_that_was_overtaken_is_known_by_its_token() {
    // It leaves nothing that nobody else writes, by which it could be recognized.
    let check = Operation::Check { key: Key::new("test", "other"), when: Condition::Absent };
    let Some((answer, straight)) = overtaken(add(Condition::Always).with(check)).await else {
        return;
    };
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(sum(&straight).await, Some(2.into()), "each took effect once");
}

#[tokio::test]
async fn a_write_that_gets_no_answer_is_in_doubt() {
    let Some((proxy, store, straight)) = lossy().await else { return };
    proxy.lose(usize::MAX);
    for when in [Condition::Always, Condition::equals("n", 1)] {
        let answer = store.commit(add(when)).await;
        assert!(matches!(answer, Err(StoreError::InDoubt(_))), "{answer:?}");
    }
    let answer = store.get(&key()).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert_eq!(sum(&straight).await, Some(2.into()), "each took effect once");
}

#[tokio::test]
async fn a_delete_whose_answer_was_lost_is_found_done() {
    let Some((proxy, store, straight)) = lossy().await else { return };
    straight.commit(add(Condition::Always)).await.unwrap();
    proxy.lose(1);
    store.commit(Batch::new().delete(key(), Condition::Always)).await.unwrap();
    assert_eq!(proxy.left(), 0, "an answer was lost");
    assert_eq!(straight.get(&key()).await.unwrap(), None);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    // The port was free a moment ago, and nobody listens on it.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings = Settings { attempts_max: 2.try_into().unwrap(), ..settings(&endpoint) };
    let store = DynamoDb::connect(settings).await.unwrap();
    let answer = store.commit(add(Condition::Always)).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert_eq!(store.consumed().requests, 2);
}

#[tokio::test]
async fn delayed_entries_come_in_order_and_outgoing_ones_go() {
    let Some(store) = table().await else { return };
    let at = UnixTime::from_secs;
    let batch =
        [(300, "a"), (5, "c"), (5, "b"), (6, "a")].iter().fold(Batch::new(), |batch, (due, id)| {
            let (queue, due, id) = ("q".to_owned(), at(*due), (*id).into());
            batch.with(Operation::Schedule { queue, due, id, payload: "p".into() })
        });
    store.commit(batch.append("t", 3, at(1), "one").append("t", 3, at(1), "two")).await.unwrap();
    let due = |now, rows| {
        let store = store.clone();
        async move {
            let found = store.due("q", at(now), rows).await.unwrap();
            found.iter().map(|due| (due.due.as_secs(), due.id.to_vec())).collect::<Vec<_>>()
        }
    };
    let before = store.consumed().requests;
    assert_eq!(due(4, 10).await, []);
    assert_eq!(store.consumed().requests - before, u64::from(SHARDS), "one for each shard");
    assert_eq!(due(5, 10).await, [(5, b"b".to_vec()), (5, b"c".to_vec())]);
    assert_eq!(due(1_000, 3).await.last(), Some(&(6, b"a".to_vec())));
    let mut outgoing = Vec::new();
    for shard in 0..SHARDS {
        outgoing.extend(store.outbox(shard, 10).await.unwrap());
    }
    let shown: Vec<_> = outgoing.iter().map(|it| (it.partition, it.payload.as_ref())).collect();
    assert_eq!(shown, [(3, b"one".as_slice()), (3, b"two".as_slice())]);
    for entry in &outgoing {
        store.published(std::slice::from_ref(entry)).await.unwrap();
    }
    for shard in 0..SHARDS {
        assert_eq!(store.outbox(shard, 10).await.unwrap(), []);
    }
}

#[tokio::test]
async fn what_never_left_is_not_in_doubt() {
    let settings = Settings { attempts_max: 2.try_into().unwrap(), ..settings("no address") };
    let store = DynamoDb::connect(settings).await.unwrap();
    for batch in
        [add(Condition::Always), add(Condition::Absent).append("t", 0, UnixTime::default(), "x")]
    {
        let answer = store.commit(batch).await;
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
}
