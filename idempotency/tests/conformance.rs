//! The verbs, and what they ask of a store, on those that need no server.

use std::sync::Arc;

use headgate_idempotency::testing::{MemoryStore, conformance, store_suite};
use headgate_store::{Settings, Store, testing::Memory};

#[tokio::test]
async fn the_verbs_hold_on_the_store_in_memory() {
    conformance(&MemoryStore::new()).await;
}

#[tokio::test]
async fn the_verbs_hold_on_the_engine_in_memory_behind_the_committer() {
    conformance(&Store::with_engine(Arc::new(Memory::new()), &Settings::default()).unwrap()).await;
}

#[tokio::test]
async fn the_verbs_hold_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    conformance(&Store::open(folder.path(), &Settings::default()).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_memory_is_a_store() {
    store_suite(Arc::new(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_store_is_a_store() {
    let folder = tempfile::tempdir().unwrap();
    store_suite(Arc::new(Store::open(folder.path(), &Settings::default()).unwrap())).await;
}
