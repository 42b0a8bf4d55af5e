use std::{collections::BTreeMap, thread};

use super::*;
use crate::{
    batch::{Done, Keep},
    item::{Compare, Condition, Content, Edit, Scalar},
    settings::Settings,
};

fn pair(store: &Store, access: Access) -> UnixStream {
    let (here, there) = UnixStream::pair().unwrap();
    let store = store.clone();
    thread::spawn(move || answer(&store, there, access).unwrap());
    here
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &Settings::default()).unwrap();
    (folder, store)
}

fn key() -> Key {
    Key::new("s", Bytes::from_static(&[0, 255, 7]))
}

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

fn content() -> Content {
    let attributes = [
        ("number".to_owned(), Scalar::Number(u64::MAX)),
        ("bytes".to_owned(), Scalar::Bytes(Bytes::from_static(&[0, 1, 254]))),
    ];
    let value = Bytes::from_static(&[0, 128, 255]);
    Content { attributes: BTreeMap::from(attributes), value, expires: Some(at(9)) }
}

#[test]
fn every_call_gives_what_the_store_gives() {
    let (_folder, store) = store();
    let remote = Remote::new(pair(&store, Access::All), Some(pair(&store, Access::All))).unwrap();
    let put = Batch::new().put(key(), content(), Condition::Absent);
    let work = Batch::new()
        .append("t", 3, at(5), vec![0, 255])
        .with(crate::batch::Operation::CommitOffset {
            group: "g".to_owned(),
            topic: "t".to_owned(),
            partition: 3,
            offset: 1,
        })
        .with(crate::batch::Operation::Schedule {
            queue: "q".to_owned(),
            due: at(6),
            id: Bytes::from_static(b"id"),
            payload: Bytes::from_static(b"late"),
        });
    let verdicts = remote.commit(&[put.clone(), put, work]).unwrap();
    assert_eq!(verdicts[0].as_ref().unwrap().done, [Done::Written]);
    let Err(Error::Refused(refused)) = &verdicts[1] else { panic!("{verdicts:?}") };
    assert_eq!(refused.current.as_ref().unwrap().content, content());
    assert_eq!(verdicts[2].as_ref().unwrap().done[0], Done::Appended { offset: 0 });

    assert_eq!(remote.get(&key()).unwrap(), store.get(&key()).unwrap());
    assert_eq!(remote.get(&Key::new("s", "none")).unwrap(), None);
    let page = remote.scan("s", None, 10).unwrap();
    assert_eq!((page.len(), &page), (1, &store.scan("s", None, 10).unwrap()));
    assert_eq!(remote.scan("s", Some(&key().key), 10).unwrap(), []);
    assert_eq!(remote.log("t", 3).unwrap().unwrap().end, 1);
    assert_eq!(Engine::read(&remote, "t", 3, 0, 10).unwrap(), store.read("t", 3, 0, 10).unwrap());
    assert_eq!(remote.offset("g", "t", 3).unwrap(), Some(1));
    assert_eq!(remote.logs().unwrap(), store.logs().unwrap());
    assert_eq!(remote.offsets("t", 3).unwrap(), [("g".to_owned(), 1)]);
    assert_eq!(remote.due("q", at(6), 10).unwrap(), store.due("q", at(6), 10).unwrap());
    remote.verify().unwrap();
    assert!(remote.size().unwrap().file_bytes > 0);
}

#[test]
fn every_operation_arrives_as_it_was() {
    use crate::batch::Operation;
    let when = Condition::All(vec![
        Condition::Any(vec![Condition::Always, Condition::Absent, Condition::Present]),
        Condition::VersionIs(7),
        Condition::NoAttribute("a".to_owned()),
        Condition::ExpiredBy(at(3)),
        Condition::Attribute {
            name: "b".to_owned(),
            compare: Compare::Greater,
            value: Scalar::Number(2),
        },
    ]);
    let edits = vec![
        Edit::Set("a".to_owned(), Scalar::Number(1)),
        Edit::Add { name: "b".to_owned(), amount: 2, from: 3 },
        Edit::Remove("c".to_owned()),
        Edit::Value(Bytes::from_static(&[9])),
        Edit::Expires(None),
        Edit::Expires(Some(at(4))),
    ];
    let batch = Batch::new()
        .with(Operation::Check { key: key(), when: when.clone() })
        .put(key(), content(), when.clone())
        .update(key(), edits, when.clone())
        .delete(key(), when)
        .append("t", 1, at(2), vec![0, 255])
        .delete_topic("t")
        .with(Operation::Take { queue: "q".to_owned(), due: at(6), id: Bytes::from_static(b"id") })
        .from_reserve();
    let keep = Keep { since: Some(at(1)), bytes: Some(2), below: None };
    for batch in [batch, Batch::trim("t", 1, keep), Batch::sweep(at(8))] {
        let text = serde_json::to_string(&Call::Commit(vec![batch.clone()])).unwrap();
        let Call::Commit(back) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
        assert_eq!(back, [batch]);
    }
}

#[test]
fn who_may_only_read_is_told_to_come_again() {
    let (_folder, store) = store();
    let batch = Batch::new().put(key(), content(), Condition::Always);
    let without = Remote::new(pair(&store, Access::All), None).unwrap();
    let refused =
        Remote::new(pair(&store, Access::All), Some(pair(&store, Access::Reads))).unwrap();
    for remote in [without, refused] {
        let verdicts = remote.commit(std::slice::from_ref(&batch)).unwrap();
        assert!(matches!(verdicts.as_slice(), [Err(Error::Busy)]), "{verdicts:?}");
    }
    assert_eq!(store.get(&key()).unwrap(), None);
}

#[test]
fn an_end_that_is_gone_is_a_failure() {
    let (here, there) = UnixStream::pair().unwrap();
    drop(there);
    let remote = Remote::new(here, None).unwrap();
    assert!(remote.get(&key()).is_err());
}

#[test]
fn what_is_no_call_ends_the_answering() {
    let (_folder, store) = store();
    for frame in [b"\xff\xff\xff\xff".as_slice(), b"\0\0\0\x02{}"] {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(frame).unwrap();
        assert!(answer(&store, there, Access::All).is_err());
    }
}
