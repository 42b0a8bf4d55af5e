//! One suite of facts for the logs that need no server.

use std::sync::Arc;

use headgate_events::{
    EmbeddedLog, Topics,
    testing::{Broker, log_suite},
};
use headgate_store::{Settings, Store};

use crate::clock::TokioClock;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_log_is_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &Settings::default()).unwrap();
    let log = EmbeddedLog::new(store, Topics::default(), Arc::new(TokioClock::new()));
    log_suite(Arc::new(log)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker_in_memory_is_a_log() {
    log_suite(Arc::new(Broker::new())).await;
}
