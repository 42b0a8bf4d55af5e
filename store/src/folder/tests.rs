use std::os::unix::fs::FileExt;

use headgate_types::UnixTime;

use super::*;
use crate::{
    batch::{Batch, Durability},
    store::{Store, compact},
};

fn append() -> Batch {
    Batch::new().append("t", 0, UnixTime::from_secs(1), vec![7; 1_000])
}

fn open(folder: &Path) -> Result<Store, Error> {
    Store::open(folder, &Settings::default())
}

#[test]
fn a_second_opening_names_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("HG1301", false));
    assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
    drop(store);
    assert!(open(folder.path()).is_ok());
}

#[test]
fn an_acknowledgement_says_that_it_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let ack = store.submit(append()).unwrap().wait().unwrap();
    assert_eq!(ack.durability, Durability::Synced);
    drop(store);
    assert_eq!(open(folder.path()).unwrap().log("t", 0).unwrap().unwrap().end, 1);
}

#[test]
fn a_file_that_was_never_finished_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(UNFINISHED), "half of it").unwrap();
    open(folder.path()).unwrap().submit(append()).unwrap().wait().unwrap();
    assert!(!folder.path().join(UNFINISHED).exists());
}

#[test]
fn something_else_in_place_of_the_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(DATA), vec![1; 16_384]).unwrap();
    assert_eq!(open(folder.path()).unwrap_err().code(), "HG1302");
    assert_eq!(fs::read(folder.path().join(DATA)).unwrap(), vec![1; 16_384], "left as it is");
}

#[test]
fn a_file_that_was_cut_short_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let file = OpenOptions::new().write(true).open(folder.path().join(DATA)).unwrap();
    let len = file.metadata().unwrap().len();
    for cut in [1, 4_096, len / 2 / 4_096 * 4_096] {
        file.set_len(len - cut).unwrap();
        assert_eq!(open(folder.path()).unwrap_err().code(), "HG1302", "{cut} bytes cut off");
    }
}

#[test]
fn a_newer_format_is_refused_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let file = OpenOptions::new().read(true).write(true).open(folder.path().join(DATA)).unwrap();
    for at in [0, 4_096] {
        let mut copy = [0; 512];
        file.read_exact_at(&mut copy, at).unwrap();
        copy[8] += 1;
        let sum = crc32fast::hash(&copy[..508]);
        copy[508..].copy_from_slice(&sum.to_le_bytes());
        file.write_all_at(&copy, at).unwrap();
    }
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, Error::Format { found: 3, known: 2, .. }), "{error}");
}

#[test]
fn compacting_gives_freed_space_back() {
    let folder = tempfile::tempdir().unwrap();
    let keep = crate::batch::Keep { bytes: Some(0), ..Default::default() };
    let store = open(folder.path()).unwrap();
    let pending: Vec<_> = (0..1_000).map(|_| store.submit(append()).unwrap()).collect();
    assert!(pending.into_iter().all(|pending| pending.wait().is_ok()));
    for _ in 0..10 {
        store.submit(Batch::trim("t", 0, keep)).unwrap().wait().unwrap();
    }
    let before = store.size().unwrap().file_bytes;
    drop(store);
    assert!(compact(folder.path(), &Settings::default()).unwrap());
    let store = open(folder.path()).unwrap();
    assert!(store.size().unwrap().file_bytes < before);
    assert_eq!(store.log("t", 0).unwrap().unwrap().start, 1_000);
}

#[test]
fn space_that_is_freed_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let keep = crate::batch::Keep { bytes: Some(50_000), ..Default::default() };
    let rounds = 100;
    let mut largest = 0;
    for _ in 0..rounds {
        let pending: Vec<_> = (0..100).map(|_| store.submit(append()).unwrap()).collect();
        assert!(pending.into_iter().all(|pending| pending.wait().is_ok()));
        store.submit(Batch::trim("t", 0, keep)).unwrap().wait().unwrap();
        largest = largest.max(store.size().unwrap().file_bytes);
    }
    // How the appends fall into batches decides when the file grows or shrinks: only a bound holds always.
    let written = rounds * 100 * 1_000;
    assert!(largest < written / 3, "{largest} bytes for 50,000 kept, after {written}");
}
