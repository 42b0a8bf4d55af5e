//! `headgate token`: what tokens say, whether the edge believes them, and some for development.

mod dev;

use std::{io, io::Read as _, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use headgate_gateway::identity::{Denied, Verified};
use headgate_types::{Clock as _, UnixTime};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{runtime, sync::watch};

use crate::{
    args::identity::{Decode, Token, Verify},
    clock::SystemClock,
    exit::{self, Invalid},
    output::{Output, columns},
    unserved::{WRITER_END, unserved},
};

/// Bytes of a token that is read: the edge takes fewer.
const TOKEN_BYTES_MAX: u64 = 64 << 10;

/// Decodes, verifies or makes a token.
///
/// # Errors
///
/// [`Invalid`] for what is no token, the configuration's faults, and keys that can't be kept.
pub(crate) fn token(args: &Token, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    match args {
        Token::Decode(args) => decode(args, output),
        Token::Verify(args) => verify(args, output),
        Token::Mint(args) => dev::mint(args, output),
    }
}

fn read(token: &str) -> anyhow::Result<String> {
    let mut text = token.to_owned();
    if token == "-" {
        text.clear();
        io::stdin().take(TOKEN_BYTES_MAX).read_to_string(&mut text).context("standard input")?;
    }
    let text = text.trim();
    Ok(text.strip_prefix("Bearer ").unwrap_or(text).to_owned())
}

fn decode(args: &Decode, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let token = read(&args.token)?;
    let (header, claims) = parts(&token)
        .ok_or_else(|| Invalid::message("no JSON Web Token: it has not three parts".to_owned()))?;
    let now = SystemClock.unix_time();
    if output.json {
        output.json(&json!({ "header": header, "claims": claims, "verified": false }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let out = &mut output.out;
    writeln!(out, "Not verified: anybody can write this.\n\n{header:#}\n{claims:#}\n")?;
    let times = ["iat", "nbf", "exp"].into_iter().filter_map(|name| {
        let at = UnixTime::from_secs(claims.get(name)?.as_u64()?);
        Some(vec![name.to_owned(), at.to_string(), from_now(at, now)])
    });
    out.write_all(columns(&times.collect::<Vec<_>>()).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Header and claims of a token that is one.
fn parts(token: &str) -> Option<(Value, Value)> {
    let mut parts = token.split('.');
    let mut part = || {
        let bytes = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
        serde_json::from_slice::<Value>(&bytes).ok().filter(Value::is_object)
    };
    let (header, claims) = (part()?, part()?);
    (parts.next().is_some() && parts.next().is_none()).then_some((header, claims))
}

fn from_now(at: UnixTime, now: UnixTime) -> String {
    let (ahead, behind) = (at.since(now).as_secs(), now.since(at).as_secs());
    if ahead > 0 { format!("in {ahead} s") } else { format!("{behind} s ago") }
}

/// What one identity source says of a token.
#[derive(Debug, Serialize)]
struct Said {
    source: String,
    verified: bool,
    /// Why not.
    reason: Option<String>,
    subject: Option<String>,
    device_id: Option<String>,
    scopes: Vec<String>,
    expires_at: Option<String>,
}

fn verify(args: &Verify, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let mut loaded = headgate_config::load(&args.config.config)?;
    // Signing keys are for an edge that serves: nothing is written here.
    loaded.settings.passport.keys_dir = None;
    let names: Vec<_> =
        loaded.settings.identity.iter().map(|source| source.name.to_string()).collect();
    if let Some(wanted) = &args.source
        && !names.contains(wanted)
    {
        let known = names.join(", ");
        let message = format!("no identity source {wanted:?}; there are {known}");
        return Err(Invalid::message(message).into());
    }
    let token = read(&args.token)?;
    let bearer = HeaderValue::try_from(format!("Bearer {token}"));
    let bearer = bearer.map_err(|_| Invalid::message("no token: not a header's value".into()))?;
    let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let wanted: Vec<_> = names.into_iter().enumerate().collect();
    let wanted = wanted.into_iter();
    let wanted = wanted.filter(|(_, name)| args.source.as_ref().is_none_or(|one| one == name));
    let said = runtime.block_on(ask(&loaded, wanted.collect(), &headers))?;
    let is_verified = said.iter().any(|one| one.verified);
    if output.json {
        output.json(&said)?;
    } else {
        let rows: Vec<_> = said.into_iter().map(row).collect();
        output.out.write_all(columns(&rows).as_bytes())?;
    }
    Ok(ExitCode::from(if is_verified { exit::OK } else { exit::FINDINGS }))
}

fn row(said: Said) -> Vec<String> {
    let why = match (said.subject, said.reason) {
        (Some(subject), _) => format!("subject {subject}, scopes {}", said.scopes.join(" ")),
        (None, reason) => reason.unwrap_or_default(),
    };
    let word = if said.verified { "verified" } else { "refused" };
    vec![said.source, word.to_owned(), why]
}

/// Asks the sources of an edge.
async fn ask(
    loaded: &headgate_config::Loaded,
    wanted: Vec<(usize, String)>,
    headers: &HeaderMap,
) -> anyhow::Result<Vec<Said>> {
    let (edge, writer) = unserved(loaded)?;
    let (_stop, stopped) = watch::channel(false);
    // Fetches the keys that the token may need; ends with the runtime.
    tokio::spawn(Arc::clone(&edge).keep_keys_fresh(stopped));
    let authenticator = edge.authenticator();
    let mut said = Vec::with_capacity(wanted.len());
    for (source, name) in wanted {
        said.push(of_source(name, &authenticator.authenticate(source, headers).await));
    }
    writer.close(WRITER_END);
    Ok(said)
}

fn of_source(source: String, verified: &Result<Arc<Verified>, Denied>) -> Said {
    let identity = verified.as_ref().ok().map(|verified| &verified.identity);
    Said {
        source,
        verified: identity.is_some(),
        reason: verified.as_ref().err().map(ToString::to_string),
        subject: identity.map(|identity| identity.subject.to_string()),
        device_id: identity.map(|identity| identity.device_id.to_string()),
        scopes: identity.map(|identity| identity.scopes.clone()).unwrap_or_default(),
        expires_at: identity.and_then(|identity| Some(identity.expires_at?.to_string())),
    }
}
