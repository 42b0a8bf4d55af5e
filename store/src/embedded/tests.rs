use std::sync::Arc;

use headgate_types::ByteSize;

use super::*;
use crate::{
    batch::Done,
    error::{Closed, Error},
    item::{Condition, Content},
    store::Store,
    testing::{
        Fault, Memory, Open, Picture, SimDisk, conformance, crash_and_reopen, filled, picture,
        seeds,
    },
};

const FLIPS: usize = 1_000;

fn settings() -> Settings {
    Settings { cache: ByteSize::from_bytes(1 << 20), ..Settings::default() }
}

fn open(disk: Arc<dyn Disk>) -> Result<Box<dyn Engine>, Failure> {
    Ok(Box::new(Embedded::open(disk, &settings())?))
}

/// As files above the bound are opened and written.
fn open_large(disk: Arc<dyn Disk>) -> Result<Box<dyn Engine>, Failure> {
    let settings = Settings { quick_repair_below: ByteSize::default(), ..settings() };
    Ok(Box::new(Embedded::open(disk, &settings)?))
}

fn append(payload: usize) -> Batch {
    Batch::new().append("t", 0, UnixTime::from_secs(1), vec![1; payload])
}

fn end(engine: &dyn Engine) -> u64 {
    engine.log("t", 0).unwrap().map_or(0, |bounds| bounds.end)
}

#[test]
fn memory_holds_to_the_suite() {
    conformance(&|| Box::new(Memory::new()));
}

#[test]
fn redb_holds_to_the_suite() {
    conformance(&|| open(Arc::new(SimDisk::new())).unwrap());
}

/// Two tests, so that they run side by side: each seed is run by one of them.
fn survives(open: &Open, part: u64) {
    let mut faults = 0;
    for seed in seeds().into_iter().filter(|seed| seed % 2 == part) {
        faults += crash_and_reopen(seed, None, open).unwrap().faults;
    }
    assert!(faults > 0 || seeds().len() == 1, "the disk never failed");
}

#[test]
fn every_acknowledged_batch_survives_crashes() {
    survives(&open, 0);
}

#[test]
fn every_acknowledged_batch_survives_crashes_of_a_large_file() {
    survives(&open_large, 1);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = || crash_and_reopen(3, None, &open).unwrap();
    assert_eq!(run(), run());
}

#[test]
fn a_disk_whose_syncs_lie_is_found_out() {
    let found =
        (0..8).filter(|seed| crash_and_reopen(*seed, Some(Fault::SyncsLie), &open).is_err());
    assert_eq!(found.count(), 8);
}

/// One bit turned in what was synced, a thousand times: an error, or nothing has changed.
#[test]
fn damage_is_never_an_answer() {
    for (open, crashes) in [(&open as &Open, false), (&open, true), (&open_large, true)] {
        let disk = SimDisk::new();
        let engine = open(Arc::new(disk.clone())).unwrap();
        let expected = filled(&*engine, 60).unwrap();
        if crashes {
            disk.set_fault(Some(Fault::PowerOff(1)));
        }
        drop(engine);
        disk.crash(&mut fastrand::Rng::with_seed(1));
        let mut chance = fastrand::Rng::with_seed(2);
        let mut found = 0;
        for _ in 0..FLIPS / 3 {
            let (damaged, bit) = (disk.copy(), chance.usize(..disk.bits()));
            damaged.flip_bit(bit);
            match read_all(open, damaged) {
                Ok(read) => assert!(read == expected, "bit {bit} changed an answer"),
                Err(Failure::Damaged(_)) => found += 1,
                Err(failure) => panic!("bit {bit}: {failure:?}"),
            }
        }
        assert!(found > 0, "no bit was in use");
    }
}

fn read_all(open: &Open, disk: SimDisk) -> Result<Picture, Failure> {
    let engine = open(Arc::new(disk))?;
    engine.verify()?;
    picture(&*engine)
}

#[test]
fn a_batch_without_its_sync_is_nowhere() {
    let disk = SimDisk::new();
    let engine = open(Arc::new(disk.clone())).unwrap();
    engine.commit(&[append(10)]).unwrap();
    disk.set_fault(Some(Fault::PowerOff(1)));
    engine.commit(&[append(10)]).unwrap_err();
    drop(engine);
    disk.crash(&mut fastrand::Rng::with_seed(1));
    assert_eq!(end(&*open(Arc::new(disk)).unwrap()), 1);
}

#[test]
fn a_deleted_topic_is_removed_after_a_crash_too() {
    let disk = SimDisk::new();
    let engine = open(Arc::new(disk.clone())).unwrap();
    let sweep = |engine: &dyn Engine| {
        let verdicts = engine.commit(&[Batch::sweep(UnixTime::from_secs(1))]).unwrap();
        verdicts[0].as_ref().unwrap().done.clone()
    };
    let group: Vec<_> = (0..150).map(|_| append(300)).collect();
    engine.commit(&group).unwrap();
    engine.commit(&[Batch::new().delete_topic("t")]).unwrap();
    assert_eq!(sweep(&*engine), [Done::Removed { rows: 100, more: true }]);
    disk.set_fault(Some(Fault::PowerOff(1)));
    drop(engine);
    disk.crash(&mut fastrand::Rng::with_seed(1));
    let engine = open(Arc::new(disk)).unwrap();
    assert_eq!(end(&*engine), 0, "its name stays gone");
    engine.commit(&[append(10)]).unwrap();
    assert_eq!(sweep(&*engine), [Done::Removed { rows: 52, more: false }]);
    assert_eq!(engine.read("t", 0, 0, 10).unwrap().len(), 1, "another topic of the name stays");
}

#[test]
fn a_failed_sync_closes_the_store_and_opening_recovers() {
    for sync in 1..=2 {
        let disk = SimDisk::new();
        let store = store(&disk);
        store.submit(append(10)).unwrap().wait().unwrap();
        disk.set_fault(Some(Fault::SyncFails(sync)));
        let error = store.submit(append(10)).unwrap().wait().unwrap_err();
        assert_eq!(error.code(), "HG1307");
        assert!(matches!(error, Error::Closed(Closed::WriteFailed(_))), "{error}");
        disk.set_fault(None);
        assert!(matches!(store.submit(append(10)), Err(Error::Closed(_))), "closed for good");
        drop(store);
        disk.crash(&mut fastrand::Rng::with_seed(sync));
        assert_eq!(end(&*open(Arc::new(disk)).unwrap()), 1, "what was acknowledged is there");
    }
}

fn store(disk: &SimDisk) -> Store {
    let engine = Embedded::open(Arc::new(disk.clone()), &settings()).unwrap();
    Store::with_engine(Arc::new(engine), &settings()).unwrap()
}

#[test]
fn a_full_disk_refuses_growth_and_takes_the_rest() {
    let disk = SimDisk::new();
    let store = store(&disk);
    let key = Key::new("s", "a");
    let put = Batch::new().put(key.clone(), Content::default(), Condition::Always);
    store.submit(put).unwrap().wait().unwrap();
    disk.set_available(Some(settings().free_space_min.as_bytes() - 1));
    let error = store.submit(append(10)).unwrap().wait().unwrap_err();
    assert_eq!(error.code(), "HG1306");
    let outcome = append(10).from_reserve();
    assert!(store.submit(outcome).unwrap().wait().is_ok(), "what was begun can end");
    disk.set_available(Some(100));
    let outcome = append(10).from_reserve();
    let error = store.submit(outcome).unwrap().wait().unwrap_err();
    assert_eq!(error.code(), "HG1306", "the reserve is bounded");
    let delete = Batch::new().delete(key, Condition::Present);
    let ack = store.submit(delete).unwrap().wait().unwrap();
    assert_eq!(ack.done, [Done::Deleted { existed: true }]);
    disk.set_available(None);
    assert!(store.submit(append(10)).unwrap().wait().is_ok(), "no repair once there is space");
}

#[test]
fn a_disk_that_fills_up_in_a_commit_closes_the_store() {
    let disk = SimDisk::new();
    let store = store(&disk);
    store.submit(append(10)).unwrap().wait().unwrap();
    disk.set_fault(Some(Fault::NoSpace(1)));
    let error = store.submit(append(10)).unwrap().wait().unwrap_err();
    assert!(matches!(error, Error::Closed(Closed::DiskFull)), "{error}");
    drop(store);
    disk.crash(&mut fastrand::Rng::with_seed(1));
    assert_eq!(end(&*open(Arc::new(disk)).unwrap()), 1);
}

#[test]
fn partitions_are_bounded() {
    let engine = Embedded::open(Arc::new(SimDisk::new()), &settings()).unwrap();
    let logs = u32::try_from(LOGS_MAX).unwrap();
    let filler = (0..logs).map(|log| ((log, 0), LogBounds::default()));
    engine.heads.lock().logs.extend(filler);
    let verdicts = engine.commit(&[append(10)]).unwrap();
    assert!(matches!(verdicts.as_slice(), [Err(Error::TooLarge { .. })]), "{verdicts:?}");
}
