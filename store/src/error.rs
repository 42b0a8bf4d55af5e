//! What can go wrong, by who can do something about it.

use std::{fmt, io, path::PathBuf, sync::Arc};

use crate::engine::{Failure, Refused};

/// Why a store could not be opened, or did not take a batch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process, or another store of this process, has the folder open.
    #[error("another process has the store in {} open", folder.display())]
    Locked {
        /// The store's folder.
        folder: PathBuf,
    },
    /// The file's contents are not what was written.
    #[error("the store in {} is damaged: {detail}", folder.display())]
    Damaged {
        /// The store's folder.
        folder: PathBuf,
        /// Where and how.
        detail: String,
    },
    /// A newer version wrote the file.
    #[error("the store in {} has format {found}, and this version reads up to {known}", folder.display())]
    Format {
        /// The store's folder.
        folder: PathBuf,
        /// The file's format.
        found: u32,
        /// The newest format that this version reads.
        known: u32,
    },
    /// The folder or its file could not be read or written.
    #[error("the store in {} can't be opened", folder.display())]
    Open {
        /// The store's folder.
        folder: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// As many batches wait as may wait. Nothing was written.
    #[error("the store's queue is full")]
    Busy,
    /// The file system has too little space for a batch that grows the store. Nothing was written.
    #[error("the disk of the store is full")]
    Full,
    /// The store takes and answers nothing any more. A batch that waited for its acknowledgement
    /// may have been written or not, as a whole.
    #[error("the store is closed: {0}")]
    Closed(Closed),
    /// A part of the batch is larger than its limit. Nothing was written.
    #[error("{what} has {size}, and at most {max} are allowed")]
    TooLarge {
        /// The part.
        what: &'static str,
        /// Its size, in bytes or in number.
        size: usize,
        /// The limit, in the same unit.
        max: usize,
    },
    /// The batch can't be carried out as it is. Nothing was written.
    #[error("the batch is not valid: {0}")]
    Invalid(&'static str),
    /// A condition did not hold. Nothing was written.
    #[error("the condition of operation {} does not hold", .0.operation)]
    Refused(Refused),
}

impl Error {
    /// The stable code, with a page in `docs/errors`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "HG1301",
            Self::Damaged { .. } => "HG1302",
            Self::Format { .. } => "HG1303",
            Self::Open { .. } => "HG1304",
            Self::Busy => "HG1305",
            Self::Full => "HG1306",
            Self::Closed(_) => "HG1307",
            Self::TooLarge { .. } => "HG1308",
            Self::Invalid(_) => "HG1309",
            Self::Refused(_) => "HG1310",
        }
    }

    /// Whether the same batch may succeed a little later, without anybody's help.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy)
    }

    pub(crate) fn opening(folder: PathBuf, failure: Failure) -> Self {
        match failure {
            Failure::Damaged(detail) => Self::Damaged { folder, detail },
            Failure::Format { found, known } => Self::Format { folder, found, known },
            Failure::Io(source) => Self::Open { folder, source },
        }
    }
}

/// Why a store closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed {
    /// Its last handle was dropped.
    Stopped,
    /// A write or a sync failed. What the disk holds since then is known after opening again.
    WriteFailed(Arc<str>),
    /// The disk was full in the middle of a commit, in spite of the space kept free.
    DiskFull,
    /// Something was read that is not what was written.
    Damaged(Arc<str>),
    /// The committer failed; its thread is gone.
    CommitterGone,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("it was stopped"),
            Self::WriteFailed(detail) => write!(f, "a write to the disk failed: {detail}"),
            Self::DiskFull => f.write_str("the disk was full during a commit"),
            Self::Damaged(detail) => write!(f, "its file is damaged: {detail}"),
            Self::CommitterGone => f.write_str("its committer is gone"),
        }
    }
}

impl From<Failure> for Closed {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Damaged(detail) => Self::Damaged(detail.into()),
            Failure::Format { found, .. } => Self::Damaged(format!("format {found}").into()),
            Failure::Io(error) if error.kind() == io::ErrorKind::StorageFull => Self::DiskFull,
            Failure::Io(error) => Self::WriteFailed(error.to_string().into()),
        }
    }
}
