use std::sync::Arc;

use super::*;
use crate::testing::{Memory, SimDisk, conformance, crash_and_reopen, seeds};

fn settings() -> Settings {
    Settings { cache: headgate_types::ByteSize::from_bytes(1 << 20), ..Settings::default() }
}

fn open(disk: Arc<dyn Disk>) -> Result<Box<dyn Engine>, Failure> {
    Ok(Box::new(Embedded::open(disk, &settings())?))
}

/// As files above the bound are opened and written.
fn open_large(disk: Arc<dyn Disk>) -> Result<Box<dyn Engine>, Failure> {
    let quick_repair_below = headgate_types::ByteSize::default();
    Ok(Box::new(Embedded::open(disk, &Settings { quick_repair_below, ..settings() })?))
}

#[test]
fn memory_holds_to_the_suite() {
    conformance(&|| Box::new(Memory::new()));
}

#[test]
fn redb_holds_to_the_suite() {
    conformance(&|| open(Arc::new(SimDisk::new())).unwrap());
}

#[test]
fn every_acknowledged_batch_survives_crashes() {
    let mut faults = 0;
    for seed in seeds() {
        let open: &crate::testing::Open = if seed % 2 == 0 { &open } else { &open_large };
        faults += crash_and_reopen(seed, None, open).unwrap().faults;
    }
    assert!(faults > 0, "the disk never failed");
}
