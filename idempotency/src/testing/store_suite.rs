//! Facts about single batches that hold on every store.

mod conditions;
mod contention;
mod model;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_store::{
    Batch, Condition, Content, Edit, Item, KEY_BYTES_MAX, Key, NAME_BYTES_MAX, Operation, Refused,
    Scalar, VALUE_BYTES_MAX,
};
use headgate_types::UnixTime;

use crate::{OsRandom, Random, Store, StoreError, Written};

/// Bytes of a value that every store takes.
const LARGE: usize = 300 << 10;

/// Checks every fact, each on keys of its own, so that a table can be used again.
///
/// # Panics
///
/// When a fact does not hold; the message names it.
pub async fn store_suite(store: Arc<dyn Store>) {
    let new = || Stand { store: Arc::clone(&store), name: format!("{:016x}", OsRandom.bits()) };
    an_item_is_read_as_it_was_put(new()).await;
    keys_are_bytes_and_spaces_are_apart(new()).await;
    a_refused_batch_leaves_no_trace(new()).await;
    the_refusal_names_the_first_operation_and_its_item(new()).await;
    a_version_is_never_used_twice(new()).await;
    a_batch_gives_one_version(new()).await;
    an_update_makes_or_changes_an_item(new()).await;
    an_item_is_there_after_it_expired(new()).await;
    a_sum_that_fails_refuses_the_batch(new()).await;
    a_batch_that_comes_again_is_refused_by_itself(new()).await;
    of_two_takes_one_succeeds(new()).await;
    what_is_not_valid_is_not_written(new()).await;
    large_values_are_kept(new()).await;
    conditions::hold_as_they_are_meant(new()).await;
    contention::of_many_claims_one_wins(new()).await;
    contention::of_many_wide_claims_one_wins(new()).await;
    contention::every_sum_counts(new()).await;
    model::agrees(new()).await;
}

/// A store with names of one fact.
struct Stand {
    store: Arc<dyn Store>,
    name: String,
}

impl Stand {
    fn key(&self, name: &str) -> Key {
        Key::new("suite", format!("{}/{name}", self.name))
    }

    async fn get(&self, key: &Key) -> Option<Item> {
        self.store.get(key).await.expect("the store answers")
    }

    async fn content(&self, key: &Key) -> Option<Content> {
        self.get(key).await.map(|item| item.content)
    }

    async fn commit(&self, batch: Batch) -> Result<Written, StoreError> {
        commit(&*self.store, batch).await
    }

    async fn done(&self, batch: Batch) -> Written {
        self.commit(batch).await.expect("the batch is carried out")
    }

    async fn refused(&self, batch: Batch) -> Refused {
        match self.commit(batch).await {
            Err(StoreError::Refused(refused)) => refused,
            other => panic!("a condition does not hold, but the store answers {other:?}"),
        }
    }

    async fn invalid(&self, batch: Batch) {
        let answer = self.commit(batch).await;
        assert!(matches!(answer, Err(StoreError::Invalid(_))), "it is not valid: {answer:?}");
    }
}

/// Commits, again and again while the store is busy: that says nothing about the batch.
async fn commit(store: &dyn Store, batch: Batch) -> Result<Written, StoreError> {
    const ATTEMPTS_MAX: usize = 1_000;
    for _ in 0..ATTEMPTS_MAX {
        match store.commit(batch.clone()).await {
            Err(StoreError::Busy) => tokio::task::yield_now().await,
            answer => return answer,
        }
    }
    panic!("the store is busy for ever");
}

fn value(text: &'static str) -> Content {
    Content { value: text.into(), ..Content::default() }
}

fn at(millis: u64) -> UnixTime {
    UnixTime::from_duration(Duration::from_millis(millis))
}

fn update(key: Key, edits: Vec<Edit>) -> Batch {
    Batch::new().update(key, edits, Condition::Always)
}

fn add(name: &str, amount: u64, from: u64) -> Edit {
    Edit::Add { name: name.to_owned(), amount, from }
}

fn set(name: &str, value: impl Into<Scalar>) -> Edit {
    Edit::Set(name.to_owned(), value.into())
}

async fn an_item_is_read_as_it_was_put(stand: Stand) {
    let mut whole = value("v");
    whole.expires = Some(at(4_102_444_800_123));
    whole.attributes.insert("n".to_owned(), Scalar::Number(u64::MAX));
    whole.attributes.insert("zero".to_owned(), Scalar::Number(0));
    whole.attributes.insert("b".to_owned(), Scalar::from("\0bytes"));
    whole.attributes.insert("empty".to_owned(), Scalar::Bytes(Bytes::new()));
    let key = stand.key("a");
    assert_eq!(stand.get(&key).await, None);
    let written = stand.done(Batch::new().put(key.clone(), whole.clone(), Condition::Absent)).await;
    let expected = Item { version: written.version, content: whole };
    assert_eq!(stand.get(&key).await, Some(expected));
    stand.done(Batch::new().put(key.clone(), Content::default(), Condition::Present)).await;
    assert_eq!(stand.content(&key).await, Some(Content::default()), "nothing of before is left");
    stand.done(Batch::new().delete(key.clone(), Condition::Always)).await;
    assert_eq!(stand.get(&key).await, None);
}

async fn keys_are_bytes_and_spaces_are_apart(stand: Stand) {
    let mut longest = stand.name.clone().into_bytes();
    longest.resize(KEY_BYTES_MAX, 0xff);
    let text = format!("{}#=~", stand.name);
    let mut binary = text.clone().into_bytes();
    binary.push(0);
    let keys = [
        Key::new("s", text.clone()),
        Key::new("s#=", text),
        Key::new("s", binary),
        Key::new("s", longest),
        Key::new("ü".repeat(NAME_BYTES_MAX / 2), stand.name.clone()),
    ];
    for (key, number) in keys.iter().zip(0..) {
        let content = Content { value: vec![number].into(), ..Content::default() };
        stand.done(Batch::new().put(key.clone(), content, Condition::Absent)).await;
    }
    for (key, number) in keys.iter().zip(0_u8..) {
        let found = stand.content(key).await.map(|content| content.value);
        assert_eq!(found.as_deref(), Some([number].as_slice()), "{key:?} has its own value");
    }
}

async fn a_refused_batch_leaves_no_trace(stand: Stand) {
    let (a, b, c) = (stand.key("a"), stand.key("b"), stand.key("c"));
    stand.done(Batch::new().put(a.clone(), value("1"), Condition::Always)).await;
    stand.done(Batch::new().put(c.clone(), value("1"), Condition::Always)).await;
    let before = stand.get(&c).await;
    let batch = Batch::new()
        .put(b.clone(), value("lost"), Condition::Absent)
        .update(c.clone(), vec![set("own", "lost")], Condition::Present)
        .append(stand.name.clone(), 0, at(1), "lost")
        .put(a.clone(), value("lost"), Condition::Absent);
    stand.refused(batch).await;
    assert_eq!(stand.get(&b).await, None);
    assert_eq!(stand.get(&c).await, before);
    assert_eq!(stand.content(&a).await, Some(value("1")));
}

async fn the_refusal_names_the_first_operation_and_its_item(stand: Stand) {
    let (a, b) = (stand.key("a"), stand.key("b"));
    stand.done(Batch::new().put(a.clone(), value("1"), Condition::Always)).await;
    let standing = stand.get(&a).await;
    let batch = Batch::new()
        .put(b.clone(), value("2"), Condition::Absent)
        .put(a.clone(), value("2"), Condition::Absent)
        .put(stand.key("c"), value("2"), Condition::Present);
    let refused = stand.refused(batch).await;
    assert_eq!(refused, Refused { operation: 1, current: standing.clone() });
    let alone = stand.refused(Batch::new().put(a.clone(), value("2"), Condition::Absent)).await;
    assert_eq!(alone, Refused { operation: 0, current: standing.clone() });
    let check = Operation::Check { key: a.clone(), when: Condition::VersionIs(1) };
    let alone = stand.refused(Batch::new().with(check.clone())).await;
    assert_eq!(alone, Refused { operation: 0, current: standing.clone() });
    let beside = Batch::new().put(b.clone(), value("2"), Condition::Absent).with(check);
    assert_eq!(stand.refused(beside).await, Refused { operation: 1, current: standing });
    let missing = stand.refused(Batch::new().delete(b.clone(), Condition::Present)).await;
    assert_eq!(missing, Refused { operation: 0, current: None });
}

async fn a_version_is_never_used_twice(stand: Stand) {
    let key = stand.key("a");
    let mut versions = Vec::new();
    for _ in 0..5 {
        let put = Batch::new().put(key.clone(), value("1"), Condition::Always);
        versions.push(stand.done(put).await.version);
        versions.push(stand.done(update(key.clone(), Vec::new())).await.version);
        let last = versions.last().copied().unwrap_or_default();
        assert_eq!(stand.get(&key).await.map(|item| item.version), Some(last));
        stand.done(Batch::new().delete(key.clone(), Condition::VersionIs(last))).await;
    }
    stand.done(Batch::new().put(key.clone(), value("1"), Condition::Absent)).await;
    for version in &versions {
        let stale = Condition::VersionIs(*version);
        stand.refused(Batch::new().put(key.clone(), value("2"), stale)).await;
    }
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 10, "each write has its own");
}

async fn a_batch_gives_one_version(stand: Stand) {
    let (a, b) = (stand.key("a"), stand.key("b"));
    let batch = Batch::new().put(a.clone(), value("1"), Condition::Absent).update(
        b.clone(),
        vec![set("own", "1")],
        Condition::Absent,
    );
    let written = stand.done(batch).await;
    for key in [a, b] {
        assert_eq!(stand.get(&key).await.map(|item| item.version), Some(written.version));
    }
}

async fn an_update_makes_or_changes_an_item(stand: Stand) {
    let key = stand.key("a");
    let edits = |owner: &str| vec![add("fn", 1, 100), set("own", owner)];
    stand.done(update(key.clone(), edits("one"))).await;
    stand.done(update(key.clone(), edits("two"))).await;
    let found = stand.content(&key).await.unwrap_or_default().attributes;
    assert_eq!(found.get("fn"), Some(&Scalar::Number(102)));
    assert_eq!(found.get("own"), Some(&"two".into()));
    let mine = Condition::All(vec![Condition::equals("own", "one"), Condition::equals("fn", 101)]);
    let late = Batch::new().update(key.clone(), vec![Edit::Remove("own".to_owned())], mine);
    stand.refused(late).await;
    let in_order = vec![
        set("sum", 5),
        add("sum", 2, 100),
        set("gone", "x"),
        Edit::Remove("gone".to_owned()),
        Edit::Remove("fn".to_owned()),
        add("fn", 1, 7),
        add("new", 1, 10),
        add("new", 2, 20),
        Edit::Value("v".into()),
        Edit::Expires(Some(at(1))),
        Edit::Expires(None),
    ];
    stand.done(update(key.clone(), in_order)).await;
    let found = stand.content(&key).await.unwrap_or_default();
    let number = |name: &str| found.attributes.get(name).cloned();
    assert_eq!(number("sum"), Some(Scalar::Number(7)));
    assert_eq!(number("gone"), None);
    assert_eq!(number("fn"), Some(Scalar::Number(8)));
    assert_eq!(number("new"), Some(Scalar::Number(13)));
    assert_eq!((found.value.as_ref(), found.expires), (b"v".as_slice(), None));
    stand.done(update(key.clone(), vec![Edit::Value(Bytes::new())])).await;
    assert_eq!(stand.content(&key).await.unwrap_or_default().value, "");
}

async fn an_item_is_there_after_it_expired(stand: Stand) {
    let key = stand.key("a");
    let content = Content { expires: Some(at(5_001)), ..value("1") };
    stand.done(Batch::new().put(key.clone(), content.clone(), Condition::Always)).await;
    assert_eq!(stand.content(&key).await, Some(content));
    let again = |now| {
        let content = Content { expires: Some(at(5_001)), ..value("2") };
        Batch::new().put(key.clone(), content, Condition::ExpiredBy(at(now)))
    };
    stand.refused(again(5_001)).await;
    stand.done(again(5_002)).await;
    let off = update(key.clone(), vec![Edit::Expires(None)]);
    stand.done(off).await;
    stand.refused(again(u64::MAX)).await;
}

async fn a_sum_that_fails_refuses_the_batch(stand: Stand) {
    let (a, b) = (stand.key("a"), stand.key("b"));
    let lost = |edits| update(a.clone(), edits).put(b.clone(), value("lost"), Condition::Always);
    stand.invalid(lost(vec![set("n", u64::MAX), add("n", 1, 0)])).await;
    stand.invalid(lost(vec![set("n", "bytes"), add("n", 1, 0)])).await;
    assert_eq!(stand.get(&a).await, None);
    stand.done(update(a.clone(), vec![set("n", u64::MAX - 1), set("b", "bytes")])).await;
    stand.done(update(a.clone(), vec![add("n", 1, 0)])).await;
    let before = stand.get(&a).await;
    stand.invalid(lost(vec![add("n", 1, 0)])).await;
    stand.invalid(update(a.clone(), vec![add("n", 1, 0)])).await;
    stand.invalid(lost(vec![add("b", 1, 0)])).await;
    stand.invalid(update(a.clone(), vec![add("new", 1, u64::MAX)])).await;
    assert_eq!(stand.get(&a).await, before);
    assert_eq!(stand.get(&b).await, None);
}

async fn a_batch_that_comes_again_is_refused_by_itself(stand: Stand) {
    let key = stand.key("a");
    let claim = Batch::new().put(key.clone(), value("1"), Condition::Absent);
    let first = stand.done(claim.clone()).await;
    let refused = stand.refused(claim).await;
    assert_eq!(refused.current.map(|item| item.version), Some(first.version));
    let step = Batch::new()
        .update(key.clone(), vec![add("n", 1, 0)], Condition::VersionIs(first.version))
        .put(stand.key("b"), value("1"), Condition::Absent);
    let second = stand.done(step.clone()).await;
    let refused = stand.refused(step).await;
    assert_eq!(refused.current.map(|item| item.version), Some(second.version));
    let found = stand.content(&key).await.unwrap_or_default().attributes;
    assert_eq!(found.get("n"), Some(&Scalar::Number(1)), "it took effect once");
}

async fn of_two_takes_one_succeeds(stand: Stand) {
    let (queue, id) = (stand.name.clone(), Bytes::from_static(b"id\0"));
    let entry = |payload: &'static str| Operation::Schedule {
        queue: queue.clone(),
        due: at(5),
        id: id.clone(),
        payload: payload.into(),
    };
    let take = || {
        let (queue, id) = (queue.clone(), id.clone());
        Batch::new().with(Operation::Take { queue, due: at(5), id })
    };
    let missing = Refused { operation: 0, current: None };
    assert_eq!(stand.refused(take()).await, missing);
    stand.done(Batch::new().with(entry("p"))).await;
    stand.done(Batch::new().with(entry("in its place"))).await;
    stand.done(take()).await;
    assert_eq!(stand.refused(take()).await, missing);
    stand.done(Batch::new().with(entry("p"))).await;
    let key = stand.key("a");
    let beside = |when| take().put(key.clone(), value("1"), when);
    stand.done(beside(Condition::Absent)).await;
    assert_eq!(stand.refused(beside(Condition::Always)).await, missing);
}

async fn what_is_not_valid_is_not_written(stand: Stand) {
    let key = stand.key("a");
    stand.invalid(Batch::new()).await;
    let twice = Batch::new().put(key.clone(), value("1"), Condition::Always);
    stand.invalid(twice.delete(key.clone(), Condition::Always)).await;
    let huge = Content { value: vec![0; VALUE_BYTES_MAX + 1].into(), ..Content::default() };
    stand.invalid(Batch::new().put(key.clone(), huge, Condition::Always)).await;
    let many = (0..=stand.store.budget().operations)
        .fold(Batch::new(), |batch, _| batch.append(stand.name.clone(), 0, at(1), "x"));
    stand.invalid(many.put(key.clone(), value("1"), Condition::Always)).await;
    assert_eq!(stand.get(&key).await, None);
}

async fn large_values_are_kept(stand: Stand) {
    let large = |byte| Content { value: vec![byte; LARGE].into(), ..Content::default() };
    let keys: Vec<_> = (0..3).map(|number: u8| stand.key(&number.to_string())).collect();
    let batch = keys.iter().zip(0..).fold(Batch::new(), |batch, (key, number)| {
        batch.put(key.clone(), large(number), Condition::Absent)
    });
    stand.done(batch).await;
    for (key, number) in keys.iter().zip(0..) {
        assert_eq!(stand.content(key).await, Some(large(number)));
    }
    let first = stand.key("0");
    let refused = stand.refused(Batch::new().put(first, large(9), Condition::Absent)).await;
    assert_eq!(refused.current.map(|item| item.content), Some(large(0)), "it comes back whole");
}
