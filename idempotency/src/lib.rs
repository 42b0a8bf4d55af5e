//! One recorded outcome for each key, over conditional writes.
//!
//! A [`Store`] writes batches under conditions; `headgate_store`'s own is the embedded one.

mod embedded;
mod store;

pub use crate::store::{Answer, Store, StoreError, Written};
