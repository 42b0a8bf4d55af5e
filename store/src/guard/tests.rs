use redb::StorageBackend as _;

use super::{header::HEADER_AT, *};
use crate::testing::SimDisk;

#[test]
fn every_length_leads_back_to_its_blocks() {
    for blocks in [0, 1, 2, GROUP - 1, GROUP, GROUP + 1, 2 * GROUP, 3 * GROUP + 5] {
        assert_eq!(blocks_of(file_len(blocks)), Some(blocks));
        assert_eq!(blocks_of(file_len(blocks) + 1), None);
    }
    assert_eq!(blocks_of(FIRST_GROUP - 1), None);
    assert_eq!(blocks_of(file_len(GROUP) + BLOCK_BYTES), None, "sums of nothing");
}

#[test]
fn blocks_never_share_a_place() {
    let places: Vec<_> = (0..2 * GROUP + 2).map(place).collect();
    assert!(places.is_sorted_by(|a, b| a + BLOCK_BYTES <= *b));
    assert_eq!(places.last(), Some(&(file_len(2 * GROUP + 2) - BLOCK_BYTES)));
}

fn open(disk: &SimDisk) -> Guard {
    Guard::open(Arc::new(disk.clone())).unwrap()
}

/// A guard with content across the border of two groups.
fn written(disk: &SimDisk) -> Guard {
    let guard = open(disk);
    guard.set_len((GROUP as u64 + 8) * BLOCK_BYTES).unwrap();
    guard.write(0, &[9; HEADER]).unwrap();
    guard.write((GROUP as u64 - 1) * BLOCK_BYTES, &[5; 4 * BLOCK]).unwrap();
    guard.sync_data().unwrap();
    guard
}

#[test]
fn what_was_written_is_read_after_opening() {
    let disk = SimDisk::new();
    drop(written(&disk));
    let guard = open(&disk);
    let (mut header, mut blocks) = ([0; HEADER], vec![0; 4 * BLOCK]);
    guard.read(0, &mut header).unwrap();
    guard.read((GROUP as u64 - 1) * BLOCK_BYTES, &mut blocks).unwrap();
    assert_eq!(header, [9; HEADER]);
    assert_eq!(blocks, [5; 4 * BLOCK]);
}

#[test]
fn a_block_that_was_never_written_is_no_content() {
    let guard = written(&SimDisk::new());
    let error = guard.read(BLOCK_BYTES, &mut [0; BLOCK]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn one_copy_of_the_header_is_enough() {
    for copy in [0, BLOCK] {
        let disk = SimDisk::new();
        drop(written(&disk));
        disk.flip_bit((copy + HEADER_AT + 3) * 8);
        let mut header = [0; HEADER];
        open(&disk).read(0, &mut header).unwrap();
        assert_eq!(header, [9; HEADER]);
    }
    let disk = SimDisk::new();
    drop(written(&disk));
    for copy in [0, BLOCK] {
        disk.flip_bit((copy + HEADER_AT) * 8);
    }
    assert!(matches!(Guard::open(Arc::new(disk)), Err(Failure::Damaged(_))));
}

#[test]
fn nothing_is_written_after_a_sync_that_failed() {
    let disk = SimDisk::new();
    let guard = written(&disk);
    disk.set_fault(Some(crate::testing::Fault::SyncFails(1)));
    guard.write(BLOCK_BYTES, &[1; BLOCK]).unwrap();
    guard.sync_data().unwrap_err();
    let before = disk.accesses();
    guard.sync_data().unwrap_err();
    guard.write(BLOCK_BYTES, &[1; BLOCK]).unwrap_err();
    guard.set_len(BLOCK_BYTES).unwrap_err();
    assert_eq!(disk.accesses(), before);
}

#[test]
fn a_file_that_shrank_and_grew_holds_nothing_old() {
    let disk = SimDisk::new();
    let guard = written(&disk);
    guard.set_len((GROUP as u64 - 1) * BLOCK_BYTES).unwrap();
    guard.set_len((GROUP as u64 + 8) * BLOCK_BYTES).unwrap();
    guard.sync_data().unwrap();
    drop(guard);
    assert!(open(&disk).state.read().sums.iter().all(|sum| *sum == 0));
}

#[test]
fn blocks_are_read_before_they_are_on_the_disk() {
    let disk = SimDisk::new();
    let guard = written(&disk);
    let before = disk.accesses();
    guard.write(2 * BLOCK_BYTES, &[3; 2 * BLOCK]).unwrap();
    guard.write(2 * BLOCK_BYTES, &[4; BLOCK]).unwrap();
    let mut blocks = vec![0; 2 * BLOCK];
    guard.read(2 * BLOCK_BYTES, &mut blocks).unwrap();
    assert_eq!(blocks, [[4; BLOCK], [3; BLOCK]].concat());
    assert_eq!(disk.accesses(), before, "they are kept for the sync");
}

#[test]
fn neighbors_are_written_together_in_the_order_of_their_places() {
    let disk = SimDisk::new();
    let guard = written(&disk);
    disk.set_fault(None);
    for block in [4, 9, 3, 2] {
        guard.write(block * BLOCK_BYTES, &[1; BLOCK]).unwrap();
    }
    guard.sync_data().unwrap();
    assert_eq!(disk.accesses(), 4, "two runs, their sums and the sync");
    let mut blocks = vec![0; 3 * BLOCK];
    guard.read(2 * BLOCK_BYTES, &mut blocks).unwrap();
    assert_eq!(blocks, [1; 3 * BLOCK]);
}

#[test]
fn what_is_kept_for_a_sync_is_bounded() {
    let disk = SimDisk::new();
    let guard = open(&disk);
    let blocks = 5_000;
    guard.set_len((blocks + 1) * BLOCK_BYTES).unwrap();
    let before = disk.accesses();
    for block in 1..=blocks {
        guard.write(block * BLOCK_BYTES, &[1; BLOCK]).unwrap();
    }
    assert!(disk.accesses() > before, "written without a sync");
    let mut block = [0; BLOCK];
    for at in [1, blocks] {
        guard.read(at * BLOCK_BYTES, &mut block).unwrap();
        assert_eq!(block, [1; BLOCK]);
    }
}
