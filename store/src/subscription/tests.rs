use std::thread;

use headgate_types::UnixTime;

use super::*;
use crate::{batch::Batch, settings::Settings, store::Store, testing::Memory};

const PRODUCERS: u64 = 4;
const ENTRIES: u64 = 500;

fn store() -> Store {
    Store::with_engine(Arc::new(Memory::new()), &Settings::default()).unwrap()
}

fn append(store: &Store, topic: &str) {
    let batch = Batch::new().append(topic, 0, UnixTime::from_secs(1), "entry");
    store.submit(batch).unwrap().wait().unwrap();
}

/// A wake-up that got lost leaves a consumer waiting for ever.
#[test]
fn consumers_that_only_wait_see_every_entry() {
    let store = store();
    thread::scope(|scope| {
        for _ in 0..3 {
            let store = &store;
            scope.spawn(move || {
                let mut subscription = store.subscribe("t").unwrap();
                let end = || store.log("t", 0).unwrap().map_or(0, |bounds| bounds.end);
                while end() < PRODUCERS * ENTRIES {
                    subscription.wait().unwrap();
                }
            });
        }
        for _ in 0..PRODUCERS {
            scope.spawn(|| (0..ENTRIES).for_each(|_| append(&store, "t")));
        }
    });
}

#[test]
fn subscriptions_that_go_leave_nothing_behind() {
    let store = store();
    let first = store.subscribe("t").unwrap();
    let queue = Arc::clone(&first.queue);
    let second = store.subscribe("t").unwrap();
    drop(first);
    assert_eq!(queue.subscriptions.count.load(Ordering::SeqCst), 1);
    drop(second);
    assert_eq!(queue.subscriptions.count.load(Ordering::SeqCst), 0);
    assert!(queue.subscriptions.topics.lock().is_empty());
}

#[test]
fn subscriptions_are_bounded() {
    let store = store();
    let first = store.subscribe("t").unwrap();
    first.queue.subscriptions.count.store(SUBSCRIPTIONS_MAX, Ordering::SeqCst);
    let error = store.subscribe("t").unwrap_err();
    assert_eq!(error.code(), "HG1308");
    first.queue.subscriptions.count.store(1, Ordering::SeqCst);
}

#[test]
fn a_topic_without_a_name_is_refused() {
    assert_eq!(store().subscribe("").unwrap_err().code(), "HG1309");
}
