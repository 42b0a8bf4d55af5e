//! Keeps the keys of a mint in a file that its owner alone can read.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use headgate_types::UnixTime;
use serde::{Deserialize, Serialize};

use crate::passport::{
    Error,
    mint_keys::{MintKeys, Retired},
    signer::{PublicKey, Signer},
};

const FILE_NAME: &str = "passport-keys.json";
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Permission bits of everyone but the owner.
const OTHERS: u32 = 0o077;

/// A file of keys that can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It can't be read or written.
    #[error("can't read or write: {0}")]
    Io(#[from] io::Error),
    /// Others than its owner may read or write it, so that the keys are no secret.
    #[error("mode {mode:03o} lets others in, 600 is needed")]
    Mode {
        /// The permission bits.
        mode: u32,
    },
    /// Its text is not what a mint writes.
    #[error("damaged: {0}")]
    Text(#[from] serde_json::Error),
    /// One of its keys is none.
    #[error("damaged: `{key}` is no Ed25519 key")]
    Key {
        /// The key's place in the file.
        key: &'static str,
    },
    /// The keys can't be taken apart to be kept.
    #[error("keys can't be exported")]
    Export,
}

/// The file, whether it exists or not.
#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// Seconds since the epoch.
    turns_at: u64,
    current: PairText,
    next: PairText,
    retired: Vec<RetiredText>,
}

/// Members as in RFC 8037.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PairText {
    x: String,
    d: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetiredText {
    x: String,
    /// Seconds since the epoch.
    until: u64,
}

impl KeyFile {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join(FILE_NAME) }
    }

    /// Says which file has the fault.
    pub(super) fn error(&self, cause: FileError) -> Error {
        Error::File { path: self.path.clone(), cause }
    }

    /// The keys, or none when there is no file.
    pub(super) fn read(&self) -> Result<Option<MintKeys>, FileError> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mode = file.metadata()?.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            return Err(FileError::Mode { mode });
        }
        let document: Document = serde_json::from_str(&io::read_to_string(file)?)?;
        document.into_keys().map(Some)
    }

    /// Replaces the file as a whole: after a crash it holds the old keys or the new ones.
    pub(super) fn write(&self, keys: &MintKeys) -> Result<(), FileError> {
        let text = serde_json::to_vec(&Document::of(keys)?)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
        let draft = self.path.with_extension("draft");
        // A crash may have left one behind.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&draft)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&draft, &self.path)?;
        // The new name lasts once the folder is on disk.
        Ok(File::open(folder)?.sync_all()?)
    }
}

impl Document {
    fn of(keys: &MintKeys) -> Result<Self, FileError> {
        let retired = keys.retired.iter().map(|retired| RetiredText {
            x: retired.key.x.clone(),
            until: retired.until.as_secs(),
        });
        Ok(Self {
            turns_at: keys.turns_at.as_secs(),
            current: PairText::of(&keys.current)?,
            next: PairText::of(&keys.next)?,
            retired: retired.collect(),
        })
    }

    fn into_keys(self) -> Result<MintKeys, FileError> {
        let retired = self.retired.into_iter().map(|retired| {
            let key = PublicKey::from_x(retired.x).ok_or(FileError::Key { key: "retired" })?;
            Ok(Retired { key, until: UnixTime::from_secs(retired.until) })
        });
        Ok(MintKeys {
            current: self.current.into_signer("current")?,
            next: self.next.into_signer("next")?,
            retired: retired.collect::<Result<_, FileError>>()?,
            turns_at: UnixTime::from_secs(self.turns_at),
        })
    }
}

impl PairText {
    fn of(signer: &Signer) -> Result<Self, FileError> {
        let d = signer.seed().map_err(|_| FileError::Export)?;
        Ok(Self { x: signer.public().x.clone(), d })
    }

    fn into_signer(self, key: &'static str) -> Result<Arc<Signer>, FileError> {
        Signer::from_halves(&self.d, &self.x).map(Arc::new).ok_or(FileError::Key { key })
    }
}
