//! Batches by chance, against the model in memory.

use headgate_store::{
    Batch, Compare, Condition, Content, Edit, Engine, Error, Item, Key, Operation, Scalar,
    testing::Memory,
};

use super::{Stand, at};
use crate::StoreError;

const BATCHES: usize = 150;
const KEYS: u8 = 5;

/// The same batches, often refused, do the same on the store as on the model.
pub(super) async fn agrees(stand: Stand) {
    let (model, mut chance) = (Memory::new(), fastrand::Rng::with_seed(23));
    for number in 0..BATCHES {
        let batch = batch(&stand, &mut chance);
        let shown = format!("batch {number}: {batch:?}");
        let verdicts = model.commit(std::slice::from_ref(&batch)).expect("the model works");
        let expected = verdicts.into_iter().next().expect("a verdict for each batch");
        let found = stand.commit(batch).await;
        match (found, expected) {
            (Ok(_), Ok(_)) | (Err(StoreError::Invalid(_)), Err(Error::Invalid(_))) => {}
            (Err(StoreError::Refused(found)), Err(Error::Refused(expected))) => {
                let content = |item: Option<Item>| item.map(|item| item.content);
                assert_eq!(found.operation, expected.operation, "{shown}");
                assert_eq!(content(found.current), content(expected.current), "{shown}");
            }
            (found, expected) => panic!("{found:?}, not {expected:?}: {shown}"),
        }
    }
    for number in 0..KEYS {
        let key = key(&stand, number);
        let expected = model.get(&key).expect("the model works").map(|item| item.content);
        assert_eq!(stand.content(&key).await, expected, "{key:?}");
    }
}

fn key(stand: &Stand, number: u8) -> Key {
    stand.key(&number.to_string())
}

/// A valid batch.
fn batch(stand: &Stand, chance: &mut fastrand::Rng) -> Batch {
    let mut batch = Batch::new();
    for _ in 0..chance.usize(1..4) {
        let longer = batch.clone().with(operation(stand, chance));
        // Two operations on one item are not valid.
        if longer.validate().is_ok() {
            batch = longer;
        }
    }
    batch
}

fn operation(stand: &Stand, chance: &mut fastrand::Rng) -> Operation {
    let (key, when) = (key(stand, chance.u8(..KEYS)), condition(chance, 2));
    match chance.u8(..8) {
        0 => Operation::Check { key, when },
        1 => Operation::Delete { key, when },
        2..=4 => {
            let edits = (0..chance.usize(..5)).map(|_| edit(chance)).collect();
            Operation::Update { key, edits, when }
        }
        _ => {
            let mut content =
                Content { value: vec![chance.u8(..); 3].into(), ..Content::default() };
            content.expires = chance.bool().then(|| at(chance.u64(..1_000) + 4_000_000_000_000));
            content.attributes.insert(name(chance), scalar(chance));
            content.attributes.insert(name(chance), scalar(chance));
            Operation::Put { key, content, when }
        }
    }
}

/// An edit whose sums are of numbers in range: what a bad sum and a refusal in one batch are
/// answered with is not the same everywhere.
fn edit(chance: &mut fastrand::Rng) -> Edit {
    match chance.u8(..6) {
        0 => Edit::Remove(name(chance)),
        1 => Edit::Value(vec![chance.u8(..); chance.usize(..3)].into()),
        2 => Edit::Expires(chance.bool().then(|| at(chance.u64(..1_000) + 4_000_000_000_000))),
        3 => Edit::Set(name(chance), scalar(chance)),
        _ => {
            let (amount, from) = (chance.u64(..5), chance.u64(..5));
            Edit::Add { name: "sum".to_owned(), amount, from }
        }
    }
}

fn condition(chance: &mut fastrand::Rng, depth: usize) -> Condition {
    let compares = [Compare::Equal, Compare::NotEqual, Compare::Less, Compare::Greater];
    let inside = |chance: &mut fastrand::Rng| {
        let terms = chance.usize(..4);
        (0..terms).map(|_| condition(chance, depth - 1)).collect()
    };
    match chance.u8(..10) {
        0 => Condition::Absent,
        1 => Condition::Present,
        2 => Condition::ExpiredBy(at(chance.u64(..1_000) + 4_000_000_000_000)),
        3 => Condition::NoAttribute(name(chance)),
        4 | 5 => Condition::Attribute {
            name: name(chance),
            compare: *chance.choice(&compares).expect("there are some"),
            value: scalar(chance),
        },
        6 if depth > 0 => Condition::All(inside(chance)),
        7 if depth > 0 => Condition::Any(inside(chance)),
        _ => Condition::Always,
    }
}

fn name(chance: &mut fastrand::Rng) -> String {
    (*chance.choice(&["a", "b", "value"]).expect("there are some")).to_owned()
}

fn scalar(chance: &mut fastrand::Rng) -> Scalar {
    if chance.bool() {
        return chance.u64(..4).into();
    }
    Scalar::from(*chance.choice(&["", "x", "y"]).expect("there are some"))
}
