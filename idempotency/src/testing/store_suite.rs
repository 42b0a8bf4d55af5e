//! Facts that hold for every store.
use crate::Store;
use std::sync::Arc;
/// Checks.
pub async fn store_suite(store: Arc<dyn Store>) {
    let _ = store;
}
