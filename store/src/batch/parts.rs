//! A batch on its way to another process.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Batch, Operation};

/// What a batch consists of.
#[derive(Serialize, Deserialize)]
pub(super) struct Parts {
    operations: Vec<Operation>,
    uses_reserve: bool,
}

impl From<Parts> for Batch {
    fn from(parts: Parts) -> Self {
        Self { operations: Arc::new(parts.operations), uses_reserve: parts.uses_reserve }
    }
}

impl From<Batch> for Parts {
    fn from(batch: Batch) -> Self {
        let operations = Arc::unwrap_or_clone(batch.operations);
        Self { operations, uses_reserve: batch.uses_reserve }
    }
}
