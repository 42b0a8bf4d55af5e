//! The floor: what this disk takes to write and sync, without a store.

use std::{os::unix::fs::FileExt, path::Path};

use anyhow::Result;
use tokio::time::Instant;

use crate::loops::Latencies;

const BYTES: usize = 64 << 10;
const WRITES: u64 = 500;

/// Writes 64 KiB and syncs, over and over, into a file that was filled with zeros before.
pub(crate) fn measure(folder: &Path) -> Result<Latencies> {
    let file = tempfile::tempfile_in(folder)?;
    let block = vec![0; BYTES];
    for number in 0..WRITES {
        file.write_all_at(&block, number * BYTES as u64)?;
    }
    file.sync_all()?;
    let block = vec![1; BYTES];
    let mut latencies = Latencies::default();
    for number in 0..WRITES {
        let start = Instant::now();
        file.write_all_at(&block, number * BYTES as u64)?;
        file.sync_data()?;
        latencies.push(start.elapsed());
    }
    Ok(latencies)
}
