//! The disk below an engine, so that tests can put a worse one there.

use std::{fmt, fs::File, io, os::unix::fs::FileExt};

/// A file as an engine sees it. Writes are lost by a crash unless a sync came after them.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Bytes of the file.
    ///
    /// # Errors
    ///
    /// What the operating system says. So have the others.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills the buffer from the offset on.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len), and when the file ends before the buffer.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes all of the bytes from the offset on.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file, or lengthens it with zeros.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Returns when all earlier writes and lengths survive a crash.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len). After an error, nothing since the last sync can be relied on, and a
    /// second try proves nothing.
    fn sync(&self) -> io::Result<()>;

    /// Bytes that may still be written to the file system.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    fn available(&self) -> io::Result<u64>;
}

/// A file of the operating system.
#[derive(Debug)]
pub struct FileDisk {
    file: File,
}

impl FileDisk {
    /// Takes a file that is open for reading and writing.
    pub const fn new(file: File) -> Self {
        Self { file }
    }
}

impl Disk for FileDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn available(&self) -> io::Result<u64> {
        let status = rustix::fs::fstatvfs(&self.file)?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }
}
