//! Tokens for development, signed by a key that lies in a folder.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use headgate_types::Clock as _;
use serde_json::{Map, Value, json};

use crate::{args::identity::Mint, clock::SystemClock, exit::Invalid, output::Output};

/// The longest that such a token may last: one that was lost is of no use the day after.
const LIFETIME_MAX: Duration = Duration::from_hours(24);
/// The private key, readable by its owner alone.
const KEY_FILE: &str = "private.pkcs8";
/// The key set that an identity source names.
const KEY_SET_FILE: &str = "jwks.json";
const KEY_ID: &str = "dev";
const SECRET_MODE: u32 = 0o600;

/// Prints a token.
///
/// # Errors
///
/// [`Invalid`] for a life that is too long, and keys that can't be read or written.
pub(super) fn mint(args: &Mint, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    if args.lifetime.is_zero() || args.lifetime > LIFETIME_MAX {
        let message = "--for is at most 24h: such tokens are for development".to_owned();
        return Err(Invalid::message(message).into());
    }
    let key = key(&args.keys)?;
    let token = sign(&key, &claims(args))?;
    let key_set = args.keys.join(KEY_SET_FILE).display().to_string();
    if let Some(path) = &args.out {
        // One that is there may be readable by others.
        drop(fs::remove_file(path));
        write_secret(path, format!("{token}\n").as_bytes())?;
    } else if output.json {
        output.json(&json!({ "token": token, "jwks_file": key_set }))?;
    } else {
        writeln!(output.out, "{token}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn claims(args: &Mint) -> Map<String, Value> {
    let now = SystemClock.unix_time().as_secs();
    let mut claims = Map::new();
    claims.insert("iat".to_owned(), now.into());
    for (name, value) in [("iss", &args.iss), ("aud", &args.aud), ("scope", &args.scope)] {
        claims.extend(value.as_ref().map(|value| (name.to_owned(), value.as_str().into())));
    }
    claims.extend(args.claims.iter().cloned());
    // What has an argument of its own is not to be undone by a further claim.
    claims.insert("sub".to_owned(), args.sub.as_str().into());
    claims.insert("exp".to_owned(), (now + args.lifetime.as_secs().max(1)).into());
    claims
}

/// The folder's key, made with its key set where there is none.
fn key(folder: &Path) -> anyhow::Result<Ed25519KeyPair> {
    let path = folder.join(KEY_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(folder, &path)?,
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    Ed25519KeyPair::from_pkcs8(&bytes)
        .map_err(|_| Invalid::message(format!("{} is no Ed25519 key", path.display())).into())
}

fn make(folder: &Path, path: &Path) -> anyhow::Result<Vec<u8>> {
    let failed = |_| anyhow!("no key could be made");
    let bytes = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(failed)?;
    let key = Ed25519KeyPair::from_pkcs8(bytes.as_ref()).map_err(|_| anyhow!("unusable key"))?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let x = URL_SAFE_NO_PAD.encode(key.public_key());
    let key_set = json!({ "keys": [{
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": KEY_ID, "x": x,
    }] });
    // Before the key: one without its set would never be verified.
    let set_path = folder.join(KEY_SET_FILE);
    fs::write(&set_path, format!("{key_set:#}\n"))
        .with_context(|| set_path.display().to_string())?;
    write_secret(path, bytes.as_ref())?;
    Ok(bytes.as_ref().to_vec())
}

/// Writes a new file that its owner alone can read.
fn write_secret(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let created = OpenOptions::new().write(true).create_new(true).mode(SECRET_MODE).open(path);
    let mut file: File = created.with_context(|| path.display().to_string())?;
    file.write_all(bytes).with_context(|| path.display().to_string())
}

fn sign(key: &Ed25519KeyPair, claims: &Map<String, Value>) -> anyhow::Result<String> {
    let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": KEY_ID });
    let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
    let signed =
        format!("{}.{}", part(serde_json::to_vec(&header)?), part(serde_json::to_vec(claims)?));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
    Ok(format!("{signed}.{signature}"))
}
