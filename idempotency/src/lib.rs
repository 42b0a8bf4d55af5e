//! One recorded outcome for each key, over conditional writes.
//!
//! A [`Store`] writes batches under conditions; `headgate_store`'s own is the embedded one.

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
mod embedded;
mod store;

#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "dynamodb")]
pub use crate::dynamodb::DynamoDb;
pub use crate::store::{Answer, Store, StoreError, Written};
