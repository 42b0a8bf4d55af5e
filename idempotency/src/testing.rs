//! For tests of stores, and of what stands on them.

mod dynamodb_local;
mod store_suite;

pub use crate::testing::{dynamodb_local::DynamoDbLocal, store_suite::store_suite};
