//! The whole vocabulary of conditions against items that differ where it matters.

use headgate_store::{Batch, Compare, Condition, Content, Item, Operation, Refused, Scalar};

use super::{Stand, at, value};

/// Every condition against every item, for each kind of operation, alone and beside another: a
/// store must do what [`Condition::holds`] says of the item.
pub(super) async fn hold_as_they_are_meant(stand: Stand) {
    for (number, content) in items().into_iter().enumerate() {
        let key = stand.key(&number.to_string());
        let mut current = None;
        if let Some(content) = content {
            let put = Batch::new().put(key.clone(), content.clone(), Condition::Always);
            let version = stand.done(put).await.version;
            current = Some(Item { version, content });
        }
        for condition in conditions(current.as_ref()) {
            let holds = condition.holds(current.as_ref());
            for batch in asking(&stand, &key, &condition) {
                let operation = batch.operations().len() - 1;
                let (text, expected) = (format!("{batch:?}"), current.clone());
                let answer = stand.commit(batch).await;
                match answer {
                    Ok(_) if holds => {
                        // What it wrote is undone, so that the next one finds the same content.
                        let when = Condition::Always;
                        current = match current {
                            None => {
                                stand.done(Batch::new().delete(key.clone(), when)).await;
                                None
                            }
                            Some(Item { content, .. }) => {
                                let put = Batch::new().put(key.clone(), content.clone(), when);
                                Some(Item { version: stand.done(put).await.version, content })
                            }
                        };
                        if matches!(condition, Condition::VersionIs(_)) {
                            break;
                        }
                    }
                    Err(crate::StoreError::Refused(refused)) if !holds => {
                        assert_eq!(refused, Refused { operation, current: expected }, "{text}");
                    }
                    other => panic!("holds: {holds}, but the store answers {other:?} to {text}"),
                }
            }
        }
    }
}

/// An item that is not there, an empty one, and some with attributes.
fn items() -> Vec<Option<Content>> {
    let with = |attributes: &[(&str, Scalar)], expires: Option<u64>| {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let attributes = attributes.collect();
        Some(Content { attributes, expires: expires.map(at), ..value("v") })
    };
    vec![
        None,
        Some(Content::default()),
        with(&[("x", 7.into())], Some(4_000_000_000_000)),
        with(&[("x", "m".into()), ("size", 1.into())], None),
    ]
}

fn conditions(current: Option<&Item>) -> Vec<Condition> {
    let mut found = vec![
        Condition::Always,
        Condition::Absent,
        Condition::Present,
        Condition::VersionIs(0),
        Condition::NoAttribute("x".to_owned()),
        Condition::NoAttribute("size".to_owned()),
        Condition::ExpiredBy(at(4_000_000_000_000)),
        Condition::ExpiredBy(at(4_000_000_000_001)),
    ];
    found.extend(current.map(|item| Condition::VersionIs(item.version)));
    let values: [Scalar; 6] = [6.into(), 7.into(), 10.into(), "m".into(), "ma".into(), "".into()];
    for value in values {
        for compare in [Compare::Equal, Compare::NotEqual, Compare::Less, Compare::Greater] {
            found.push(Condition::Attribute {
                name: "x".to_owned(),
                compare,
                value: value.clone(),
            });
        }
    }
    let (x, other) = (|| Condition::equals("x", 7), || Condition::equals("size", 1));
    found.extend([
        Condition::All(vec![]),
        Condition::Any(vec![]),
        Condition::All(vec![Condition::Any(vec![])]),
        Condition::Any(vec![Condition::Always, x()]),
        Condition::All(vec![Condition::Present, x()]),
        Condition::Any(vec![x(), other()]),
        Condition::All(vec![Condition::Any(vec![x(), other()]), Condition::Present]),
        Condition::Any(vec![
            Condition::Absent,
            Condition::All(vec![Condition::NoAttribute("size".to_owned()), x()]),
            Condition::Any(vec![Condition::All(vec![other()]), Condition::Any(vec![])]),
        ]),
        // As many terms as are allowed.
        Condition::Any((0..63).map(|number| Condition::equals("x", number)).collect()),
    ]);
    found
}

/// Batches whose last operation has the condition.
fn asking(stand: &Stand, key: &headgate_store::Key, when: &Condition) -> Vec<Batch> {
    let operations = [
        Operation::Put { key: key.clone(), content: value("put"), when: when.clone() },
        Operation::Update { key: key.clone(), edits: Vec::new(), when: when.clone() },
        Operation::Delete { key: key.clone(), when: when.clone() },
        Operation::Check { key: key.clone(), when: when.clone() },
    ];
    let beside = || Batch::new().put(stand.key("beside"), value("x"), Condition::Always);
    let [put, update, delete, check] = operations;
    vec![
        Batch::new().with(put),
        beside().with(update.clone()),
        Batch::new().with(update),
        Batch::new().with(delete),
        beside().with(check),
    ]
}
