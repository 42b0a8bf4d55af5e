use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use bytes::Bytes;
use headgate_types::{ByteSize, UnixTime};

use super::*;
use crate::{
    batch::{Done, Keep},
    engine::{Due, Entry, Failure, LogBounds, Size, Verdict},
    item::{Condition, Content, Item, Key},
    store::Store,
    testing::Memory,
};

/// What the engine does with a group once it is let go on.
#[derive(Clone, Copy, PartialEq)]
enum Turn {
    Commit,
    Fail,
    Panic,
}

/// An engine that tells of each group and waits for its turn.
#[derive(Debug)]
struct Stepped {
    memory: Memory,
    entered: SyncSender<usize>,
    turns: Mutex<Receiver<Turn>>,
}

impl Engine for Stepped {
    fn commit(&self, group: &[Batch]) -> Result<Vec<Verdict>, Failure> {
        self.entered.send(group.len()).unwrap();
        let turn = self.turns.lock().recv().unwrap_or(Turn::Commit);
        assert!(turn != Turn::Panic, "as the test wants it");
        if turn == Turn::Fail {
            return Err(Failure::Io(io::Error::other("the sync fails")));
        }
        self.memory.commit(group)
    }

    fn get(&self, key: &Key) -> Result<Option<Item>, Failure> {
        self.memory.get(key)
    }

    fn scan(&self, _: &str, _: Option<&[u8]>, _: usize) -> Result<Vec<(Bytes, Item)>, Failure> {
        unreachable!("not read here")
    }

    fn log(&self, topic: &str, partition: u32) -> Result<Option<LogBounds>, Failure> {
        self.memory.log(topic, partition)
    }

    fn read(&self, _: &str, _: u32, _: u64, _: usize) -> Result<Vec<Entry>, Failure> {
        Err(Failure::Damaged("a block".to_owned()))
    }

    fn offset(&self, _: &str, _: &str, _: u32) -> Result<Option<u64>, Failure> {
        unreachable!("not read here")
    }

    fn logs(&self) -> Result<Vec<(String, u32, LogBounds)>, Failure> {
        unreachable!("not read here")
    }

    fn offsets(&self, _: &str, _: u32) -> Result<Vec<(String, u64)>, Failure> {
        unreachable!("not read here")
    }

    fn due(&self, _: &str, _: UnixTime, _: usize) -> Result<Vec<Due>, Failure> {
        unreachable!("not read here")
    }

    fn verify(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn size(&self) -> Result<Size, Failure> {
        self.memory.size()
    }
}

struct Scene {
    store: Store,
    groups: Receiver<usize>,
    turns: SyncSender<Turn>,
    engine: Arc<Stepped>,
}

fn scene(settings: &Settings) -> Scene {
    let (entered, groups) = sync_channel(64);
    let (turns, turned) = sync_channel(64);
    let engine = Stepped { memory: Memory::new(), entered, turns: Mutex::new(turned) };
    let engine = Arc::new(engine);
    let store = Store::with_engine(Arc::<Stepped>::clone(&engine), settings).unwrap();
    Scene { store, groups, turns, engine }
}

/// A scene whose committer holds one group, so that what is submitted now waits.
fn busy(settings: &Settings) -> (Scene, Pending) {
    let scene = scene(settings);
    let first = scene.store.submit(append()).unwrap();
    assert_eq!(scene.groups.recv().unwrap(), 1);
    (scene, first)
}

fn append() -> Batch {
    Batch::new().append("t", 0, UnixTime::from_secs(1), "entry")
}

fn reason<T>(result: Result<T, Error>) -> Option<Closed> {
    match result {
        Err(Error::Closed(reason)) => Some(reason),
        _ => None,
    }
}

#[test]
fn what_waits_during_a_sync_is_the_next_group() {
    let (scene, first) = busy(&Settings::default());
    let waiting: Vec<_> = (0..10).map(|_| scene.store.submit(append()).unwrap()).collect();
    scene.turns.send(Turn::Commit).unwrap();
    scene.turns.send(Turn::Commit).unwrap();
    assert_eq!(scene.groups.recv().unwrap(), 10);
    assert_eq!(first.wait().unwrap().done, [Done::Appended { offset: 0 }]);
    for (pending, offset) in waiting.into_iter().zip(1..) {
        assert_eq!(pending.wait().unwrap().done, [Done::Appended { offset }]);
    }
    let stats = scene.store.stats();
    assert_eq!((stats.acknowledged, stats.groups, stats.waiting), (11, 2, 0));
}

#[test]
fn a_group_is_bounded_in_batches_and_bytes() {
    let bytes = append().bytes();
    let by_batches = Settings { group_batches_max: 3, ..Settings::default() };
    let by_bytes = Settings {
        group_bytes_max: ByteSize::from_bytes(u64::try_from(3 * bytes).unwrap()),
        ..Settings::default()
    };
    for settings in [by_batches, by_bytes] {
        let (scene, _first) = busy(&settings);
        let _waiting: Vec<_> = (0..4).map(|_| scene.store.submit(append()).unwrap()).collect();
        scene.turns.send(Turn::Commit).unwrap();
        assert_eq!(scene.groups.recv().unwrap(), 3);
        scene.turns.send(Turn::Commit).unwrap();
        assert_eq!(scene.groups.recv().unwrap(), 1);
        drop(scene.turns);
    }
}

#[test]
fn a_full_queue_refuses_at_once() {
    let (scene, _first) = busy(&Settings { queue_batches_max: 2, ..Settings::default() });
    let _waiting = [scene.store.submit(append()).unwrap(), scene.store.submit(append()).unwrap()];
    assert!(matches!(scene.store.submit(append()), Err(Error::Busy)));
    assert_eq!(scene.store.stats().busy, 1);
    drop(scene.turns);
}

#[test]
fn a_queue_is_bounded_in_bytes_too() {
    let queue_bytes_max = ByteSize::from_bytes(10);
    let (scene, _first) = busy(&Settings { queue_bytes_max, ..Settings::default() });
    let _alone = scene.store.submit(append()).unwrap();
    assert!(matches!(scene.store.submit(append()), Err(Error::Busy)));
    drop(scene.turns);
}

#[test]
fn one_step_of_upkeep_rides_with_a_group() {
    let (scene, _first) = busy(&Settings::default());
    let trim = || Batch::trim("t", 0, Keep { bytes: Some(0), ..Keep::default() });
    let upkeep = [scene.store.submit(trim()).unwrap(), scene.store.submit(trim()).unwrap()];
    let live = [scene.store.submit(append()).unwrap(), scene.store.submit(append()).unwrap()];
    scene.turns.send(Turn::Commit).unwrap();
    assert_eq!(scene.groups.recv().unwrap(), 3);
    scene.turns.send(Turn::Commit).unwrap();
    assert_eq!(scene.groups.recv().unwrap(), 1);
    scene.turns.send(Turn::Commit).unwrap();
    let removed: Vec<_> = upkeep.map(|pending| pending.wait().unwrap().done).into();
    let step = |rows| vec![Done::Removed { rows, more: false }];
    assert_eq!(removed, [step(3), step(0)], "what is live goes first");
    assert!(live.into_iter().all(|pending| pending.wait().is_ok()));
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged() {
    let (scene, first) = busy(&Settings::default());
    let waiting = scene.store.submit(append()).unwrap();
    scene.turns.send(Turn::Fail).unwrap();
    let failed = Closed::WriteFailed("the sync fails".into());
    assert_eq!(reason(first.wait()), Some(failed.clone()));
    assert_eq!(reason(waiting.wait()), Some(failed.clone()));
    assert_eq!(reason(scene.store.submit(append())), Some(failed.clone()));
    assert_eq!(reason(scene.store.get(&Key::new("s", "a"))), Some(failed.clone()));
    assert_eq!(scene.store.stats().closed, Some(failed));
    assert!(scene.groups.try_recv().is_err(), "the engine is not asked again");
}

#[test]
fn a_panic_of_the_engine_leaves_nobody_waiting() {
    let (scene, first) = busy(&Settings::default());
    let waiting = scene.store.submit(append()).unwrap();
    scene.turns.send(Turn::Panic).unwrap();
    assert_eq!(reason(first.wait()), Some(Closed::CommitterGone));
    assert_eq!(reason(waiting.wait()), Some(Closed::CommitterGone));
    assert_eq!(reason(scene.store.submit(append())), Some(Closed::CommitterGone));
}

#[test]
fn a_read_that_finds_damage_closes_the_store() {
    let scene = scene(&Settings::default());
    let damaged = Some(Closed::Damaged("a block".into()));
    assert_eq!(reason(scene.store.read("t", 0, 0, 1)), damaged);
    assert_eq!(reason(scene.store.submit(append())), damaged);
}

#[test]
fn the_last_handle_waits_for_what_was_submitted() {
    let (scene, first) = busy(&Settings::default());
    let put = Batch::new().put(Key::new("s", "a"), Content::default(), Condition::Always);
    let waiting = scene.store.submit(put).unwrap();
    drop(scene.turns);
    drop(scene.store);
    assert!(first.wait().is_ok() && waiting.wait().is_ok());
    assert!(scene.engine.get(&Key::new("s", "a")).unwrap().is_some());
}
