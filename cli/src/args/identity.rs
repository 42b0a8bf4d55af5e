//! Arguments of the verbs about tokens and Passports.

use std::{path::PathBuf, time::Duration};

use clap::{Subcommand, ValueHint};

use crate::args::{Admin, Config};

/// What to do with a token.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Shows what a token says, without asking whether it is true.
    Decode(Decode),
    /// Verifies a token as the edge would, against each identity source. Exit code 1 when none
    /// vouches for it.
    Verify(Verify),
    /// Makes a token for development, signed by a key that is made beside it.
    Mint(Mint),
}

/// A token.
#[derive(Debug, clap::Args)]
pub(crate) struct Decode {
    /// The token; `-` reads it from standard input, where no shell keeps it.
    #[arg(default_value = "-")]
    pub(crate) token: String,
}

/// A token and who should vouch for it.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// The token; `-` reads it from standard input, where no shell keeps it.
    #[arg(default_value = "-")]
    pub(crate) token: String,

    #[command(flatten)]
    pub(crate) config: Config,

    /// Asks this identity source only.
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
}

/// What a token for development says.
#[derive(Debug, clap::Args)]
pub(crate) struct Mint {
    /// Says that the token is for development: whoever reads the key's file can be anybody.
    #[arg(long, required = true)]
    pub(crate) dev: bool,

    /// Folder of the key and of `jwks.json`, which an identity source names in `jwks_file`. Made
    /// when it is missing.
    #[arg(long, value_name = "DIR", default_value = "dev-keys", value_hint = ValueHint::DirPath)]
    pub(crate) keys: PathBuf,

    /// The subject.
    #[arg(long, value_name = "TEXT")]
    pub(crate) sub: String,

    /// The issuer.
    #[arg(long, value_name = "TEXT")]
    pub(crate) iss: Option<String>,

    /// The audience.
    #[arg(long, value_name = "TEXT")]
    pub(crate) aud: Option<String>,

    /// The scopes, in one text with spaces between them.
    #[arg(long, value_name = "WORDS")]
    pub(crate) scope: Option<String>,

    /// A further claim, as JSON or as a text.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    pub(crate) claims: Vec<(String, serde_json::Value)>,

    /// Writes the token to this file, readable by its owner alone, in place of printing it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,

    /// How long it is good, at most a day.
    #[arg(long = "for", value_name = "LENGTH", default_value = "1h", value_parser = crate::plan::length)]
    pub(crate) lifetime: Duration,
}

/// What to do with Passports.
#[derive(Debug, Subcommand)]
pub(crate) enum Passport {
    /// Lets the next key sign Passports now. The one before stays published until its last Passport
    /// has ended.
    Rotate(Rotate),
}

/// Which edge.
#[derive(Debug, clap::Args)]
pub(crate) struct Rotate {
    #[command(flatten)]
    pub(crate) admin: Admin,

    /// Rotates even if some upstreams may not have read the next key; they refuse Passports until
    /// they read the keys again.
    #[arg(long)]
    pub(crate) force: bool,
}

fn claim(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("a claim is NAME=VALUE")?;
    if name.is_empty() {
        return Err("a claim has a name".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}
