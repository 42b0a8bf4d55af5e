//! A disk whose syncs take longer, as those of cloud disks do.

use std::{io, thread, time::Duration};

use headgate_store::{Disk, FileDisk};

/// A file whose every sync takes that much longer.
#[derive(Debug)]
pub(crate) struct SlowDisk {
    file: FileDisk,
    slower: Duration,
}

impl SlowDisk {
    pub(crate) const fn new(file: FileDisk, slower: Duration) -> Self {
        Self { file, slower }
    }
}

impl Disk for SlowDisk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, buffer)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        thread::sleep(self.slower);
        self.file.sync()
    }

    fn available(&self) -> io::Result<u64> {
        self.file.available()
    }
}
