use std::{os::unix::net::UnixStream, sync::Arc, thread};

use headgate_types::UnixTime;

use super::*;
use crate::{
    item::{Condition, Content},
    remote::{Access, answer},
    store::Store,
};

fn settings() -> Settings {
    Settings::default()
}

fn front(movable: &Arc<Movable>) -> Store {
    Store::with_engine(Arc::clone(movable) as Arc<dyn Engine>, &settings()).unwrap()
}

fn put(store: &Store, key: &'static str) -> Result<(), Error> {
    let batch = Batch::new().put(Key::new("s", key), Content::default(), Condition::Always);
    store.submit(batch)?.wait().map(|_| ())
}

fn has(store: &Store, key: &'static str) -> bool {
    store.get(&Key::new("s", key)).unwrap().is_some()
}

/// A connection to a store, whose end is answered by a thread.
fn to(store: &Store, access: Access) -> UnixStream {
    let (here, there) = UnixStream::pair().unwrap();
    let store = store.clone();
    thread::spawn(move || answer(&store, there, access));
    here
}

#[test]
fn engine_moves_and_both_stores_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let old = Arc::new(Movable::open(folder.path(), &settings()).unwrap());
    let old_store = front(&old);
    put(&old_store, "before").unwrap();

    let reads = Remote::new(to(&old_store, Access::Reads), None).unwrap();
    let new = Arc::new(Movable::remote(folder.path(), &settings(), reads));
    let new_store = front(&new);
    assert!(has(&new_store, "before"), "the new one sees what the old one has");
    assert!(matches!(put(&new_store, "too early"), Err(Error::Busy)));

    let away = old.let_go();
    // Asked while the engine is nowhere: carried out once it is there.
    let meanwhile = {
        let store = old_store.clone();
        thread::spawn(move || put(&store, "meanwhile"))
    };
    new.take().unwrap();
    let streams = (to(&new_store, Access::All), to(&new_store, Access::All));
    away.there(Remote::new(streams.0, Some(streams.1)).unwrap());

    meanwhile.join().unwrap().unwrap();
    put(&old_store, "after").unwrap();
    put(&new_store, "too").unwrap();
    for store in [&old_store, &new_store] {
        for key in ["before", "meanwhile", "after", "too"] {
            assert!(has(store, key), "{key}");
        }
    }
}

#[test]
fn engine_comes_back_when_nobody_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let old = Arc::new(Movable::open(folder.path(), &settings()).unwrap());
    let store = front(&old);
    put(&store, "before").unwrap();
    // Another process that opens the engine and dies.
    let away = old.let_go();
    let other = Movable::open(folder.path(), &settings()).unwrap();
    let dies = thread::spawn(move || drop(other));
    away.back().unwrap();
    dies.join().unwrap();
    put(&store, "after").unwrap();
    assert!(has(&store, "before") && has(&store, "after"));
}

#[test]
fn engine_that_is_lost_closes_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let old = Arc::new(Movable::open(folder.path(), &settings()).unwrap());
    let store = front(&old);
    drop(old.let_go());
    assert!(matches!(put(&store, "x"), Err(Error::Closed(_))));
    assert!(matches!(store.due("q", UnixTime::from_secs(1), 1), Err(Error::Closed(_))));
}
