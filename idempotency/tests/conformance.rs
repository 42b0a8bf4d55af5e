//! The verbs on the stores that need no server.

use std::sync::Arc;

use headgate_idempotency::testing::{MemoryStore, conformance};
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
