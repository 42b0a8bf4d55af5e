//! Where a secret is. It is read when it is needed, so that it never stands in a configuration, and
//! checking one takes no secrets.

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

/// The variable of the environment or the file that holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// A variable, by its name.
    Env(String),
    /// A file. White space at the secret's ends is no part of it.
    File(PathBuf),
}

/// Why a secret can't be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The variable is not set, or is no text.
    #[error("the variable {0} is not set")]
    Unset(String),
    /// The file can't be read.
    #[error("the file {file} can't be read", file = .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// There is nothing in it.
    #[error("the secret in {0} is empty")]
    Empty(Secret),
}

impl Secret {
    /// The same one for a process that works elsewhere: a file's path begins at a folder.
    #[must_use]
    pub fn below(&self, folder: &Path) -> Self {
        match self {
            Self::Env(name) => Self::Env(name.clone()),
            Self::File(file) => Self::File(folder.join(file)),
        }
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`SecretError`]: there is none.
    pub fn read(&self) -> Result<String, SecretError> {
        let text = match self {
            Self::Env(name) => env::var(name).map_err(|_| SecretError::Unset(name.clone()))?,
            Self::File(file) => fs::read_to_string(file)
                .map_err(|error| SecretError::Unreadable(file.clone(), error))?,
        };
        match text.trim() {
            "" => Err(SecretError::Empty(self.clone())),
            text => Ok(text.to_owned()),
        }
    }
}

impl SecretError {
    /// The stable code, with a page in `docs/errors`.
    pub const fn code(&self) -> &'static str {
        "HG1044"
    }
}

/// Text that names no place of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected env:NAME or file:PATH")]
pub struct ParseSecretError;

impl FromStr for Secret {
    type Err = ParseSecretError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() && name.bytes().all(is_plain) => {
                Ok(Self::Env(name.to_owned()))
            }
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err(ParseSecretError),
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests;
