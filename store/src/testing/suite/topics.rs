//! Facts about topics that go, and about waiting for entries.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use super::{at, commit, done, put};
use crate::{
    batch::{Batch, Done, Keep, Operation, STEP_ROWS_MAX},
    engine::Engine,
    error::{Closed, Error},
    item::Condition,
    settings::Settings,
    store::Store,
    subscription::Subscription,
};

fn append(topic: &str, partition: u32) -> Batch {
    Batch::new().append(topic, partition, at(1), "x")
}

fn offset(group: &str, topic: &str, partition: u32) -> Operation {
    let (group, topic) = (group.to_owned(), topic.to_owned());
    Operation::CommitOffset { group, topic, partition, offset: 1 }
}

pub(super) fn a_deleted_topic_is_gone_at_once(engine: &dyn Engine) {
    done(engine, append("t", 0).append("t", 3, at(1), "x").append("u", 0, at(1), "kept"));
    done(engine, Batch::new().with(offset("g", "t", 0)).with(offset("g", "u", 0)));
    let delete = || Batch::new().delete_topic("t");
    assert_eq!(done(engine, delete()), [Done::Deleted { existed: true }]);
    assert_eq!(engine.log("t", 0).expect("it works"), None);
    assert_eq!(engine.log("t", 3).expect("it works"), None);
    assert!(engine.read("t", 0, 0, 10).expect("it works").is_empty());
    assert_eq!(engine.offset("g", "t", 0).expect("it works"), None);
    assert!(engine.offsets("t", 0).expect("it works").is_empty());
    let logs = engine.logs().expect("it works");
    let names: Vec<_> = logs.iter().map(|(topic, part, _)| (topic.as_str(), *part)).collect();
    assert_eq!(names, [("u", 0)], "another topic stays");
    assert_eq!(engine.offset("g", "u", 0).expect("it works"), Some(1));
    assert_eq!(done(engine, delete()), [Done::Deleted { existed: false }]);
}

pub(super) fn a_deleted_topic_can_be_made_again(engine: &dyn Engine) {
    done(engine, append("t", 0).append("t", 0, at(1), "x").with(offset("g", "t", 0)));
    let group = [Batch::new().delete_topic("t"), append("t", 0)];
    let verdicts = engine.commit(&group).expect("the engine works");
    let last = verdicts.last().and_then(|verdict| verdict.as_ref().ok());
    assert_eq!(last.map(|ack| ack.done.clone()), Some(vec![Done::Appended { offset: 0 }]));
    // The sweep takes what the first topic of the name left, and nothing of the second.
    let removed = Done::Removed { rows: 5, more: false };
    assert_eq!(done(engine, Batch::sweep(at(0))), [removed]);
    assert_eq!(engine.read("t", 0, 0, 10).expect("it works").len(), 1);
    assert_eq!(engine.offset("g", "t", 0).expect("it works"), None);
}

pub(super) fn a_deletion_that_is_refused_leaves_the_topic(engine: &dyn Engine) {
    done(engine, append("t", 0));
    let batch = put("a", "1", Condition::Present).delete_topic("t");
    assert!(commit(engine, batch).is_err(), "the item is absent");
    assert_eq!(engine.read("t", 0, 0, 10).expect("it works").len(), 1);
    assert_eq!(done(engine, Batch::sweep(at(0))), [Done::Removed { rows: 0, more: false }]);
}

pub(super) fn sweeps_remove_deleted_topics_step_by_step(engine: &dyn Engine) {
    let group: Vec<_> = (0..STEP_ROWS_MAX).map(|_| append("t", 0)).collect();
    engine.commit(&group).expect("the engine works");
    done(engine, append("u", 0).with(offset("g", "u", 0)));
    done(engine, append("kept", 0));
    done(engine, Batch::new().delete_topic("t").delete_topic("u"));
    let step = |rows, more| [Done::Removed { rows, more }];
    assert_eq!(done(engine, Batch::sweep(at(0))), step(STEP_ROWS_MAX, true));
    // Partition and row of the first topic, and entry, partition, offset and row of the second.
    assert_eq!(done(engine, Batch::sweep(at(0))), step(6, false));
    assert_eq!(done(engine, Batch::sweep(at(0))), step(0, false));
    assert_eq!(engine.read("kept", 0, 0, 10).expect("it works").len(), 1);
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll(subscription: &mut Subscription, count: &Arc<Count>) -> Poll<Result<(), Error>> {
    let waker = Waker::from(Arc::clone(count));
    std::pin::pin!(subscription.changed()).poll(&mut Context::from_waker(&waker))
}

fn is_told(subscription: &mut Subscription) -> bool {
    matches!(poll(subscription, &Arc::default()), Poll::Ready(Ok(())))
}

fn commit_to(store: &Store, batch: Batch) {
    let pending = store.submit(batch).expect("the store is open");
    pending.wait().expect("the batch is carried out");
}

fn store(engine: Box<dyn Engine>) -> Store {
    Store::with_engine(Arc::from(engine), &Settings::default()).expect("a thread can be started")
}

pub(super) fn a_subscription_is_told_of_its_topic(engine: Box<dyn Engine>) {
    let store = store(engine);
    let mut subscription = store.subscribe("t").expect("the store is open");
    assert!(!is_told(&mut subscription), "nothing happened yet");
    commit_to(&store, append("t", 0));
    assert!(is_told(&mut subscription), "what comes before the wait ends it");
    assert!(!is_told(&mut subscription), "one change is told once");
    commit_to(&store, append("u", 0));
    commit_to(&store, Batch::trim("t", 0, Keep { bytes: Some(0), ..Keep::default() }));
    let refused = put("a", "1", Condition::Present).append("t", 0, at(1), "lost");
    store.submit(refused).expect("the store is open").wait().expect_err("the item is absent");
    assert!(!is_told(&mut subscription), "nothing happened to the topic");
    commit_to(&store, append("t", 5).append("t", 6, at(1), "x"));
    assert!(is_told(&mut subscription), "every partition counts");
    commit_to(&store, Batch::new().delete_topic("t"));
    assert!(is_told(&mut subscription), "so does the deletion");
}

pub(super) fn who_waits_is_woken_before_the_acknowledgement(engine: Box<dyn Engine>) {
    let store = store(engine);
    let mut subscription = store.subscribe("t").expect("the store is open");
    let count = Arc::<Count>::default();
    assert!(poll(&mut subscription, &count).is_pending());
    commit_to(&store, append("t", 0));
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert_eq!(store.read("t", 0, 0, 10).expect("the store is open").len(), 1);
    commit_to(&store, append("t", 0));
    assert_eq!(count.0.load(Ordering::SeqCst), 1, "who is on the way is not woken again");
    assert!(is_told(&mut subscription));
}

pub(super) fn a_store_that_closes_wakes_all_who_wait(engine: Box<dyn Engine>) {
    let store = store(engine);
    let mut subscription = store.subscribe("t").expect("the store is open");
    let count = Arc::<Count>::default();
    assert!(poll(&mut subscription, &count).is_pending());
    drop(store);
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    let end = poll(&mut subscription, &count);
    assert!(matches!(end, Poll::Ready(Err(Error::Closed(Closed::Stopped)))), "{end:?}");
}
