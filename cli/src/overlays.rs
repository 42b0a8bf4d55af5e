//! `headgate config set`, `unset` and `overlays`, and `headgate rollback`: values that stand over the
//! files of a running edge until they expire.

use std::process::ExitCode;

use headgate_admin::{ChangedOverlay, OverlayRequest, OverlayStatus, RolledBack};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    admin::{Admin, Answer},
    args,
    idempotency::escaped,
    output::{Output, columns},
    status::overlay,
};

const PATH: &str = "/v1/overlays";
const ROLLBACK: &str = "/v1/control/rollback";

/// Puts a value in force and tells its number.
///
/// # Errors
///
/// [`Refused`](crate::exit::Refused) with all that is wrong; [`Unreachable`](crate::exit::Unreachable) when nobody
/// answers.
pub(crate) fn set(args: args::SetOverlay, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?;
    // What is no JSON is meant as a text: `2s` needs no quotes.
    let value = serde_json::from_str(&args.value).unwrap_or(Value::String(args.value));
    tell(&put(&admin, &args.terms.wish(args.key, value))?, output)
}

/// Ends an overlay and tells what it was.
///
/// # Errors
///
/// As [`set`].
pub(crate) fn unset(
    args: &args::UnsetOverlay,
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?;
    tell(&delete(&admin, args.id, &args.terms)?.json(&admin)?, output)
}

/// Restores what stood at an earlier version, and tells what that changed.
///
/// # Errors
///
/// As [`set`].
pub(crate) fn rollback(
    args: &args::RollbackTo,
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?;
    let done: RolledBack = admin.post(ROLLBACK, &args.wish())?.json(&admin)?;
    if output.json {
        output.json(&done)?;
        return Ok(ExitCode::SUCCESS);
    }
    let RolledBack { version, to, set, unset } = done;
    writeln!(output.out, "version {version} stands, as version {to}")?;
    let all = set.iter().map(|one| ("set", one)).chain(unset.iter().map(|one| ("ended", one)));
    let rows: Vec<_> = all.map(|(word, one)| changed(word, one)).collect();
    output.out.write_all(columns(&rows).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// What became of an overlay.
pub(crate) fn changed(word: &str, overlay: &ChangedOverlay) -> Vec<String> {
    let ChangedOverlay { id, key, value, expires } = overlay;
    vec![format!("  {word} {id}"), format!("{key} = {value}"), format!("until {expires}")]
}

/// Lists all that have not expired.
///
/// # Errors
///
/// As [`set`].
pub(crate) fn list(args: &args::Admin, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(args)?;
    let overlays = all(&admin)?;
    if output.json {
        output.json(&overlays)?;
    } else {
        let rows: Vec<_> = overlays.iter().map(overlay).collect();
        output.out.write_all(columns(&rows).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts an overlay in force.
pub(crate) fn put(admin: &Admin, wish: &OverlayRequest) -> anyhow::Result<OverlayStatus> {
    admin.post(PATH, wish)?.json(admin)
}

/// Ends an overlay; the answer tells what it was, or that there is none.
pub(crate) fn delete(admin: &Admin, id: u64, terms: &args::EndTerms) -> anyhow::Result<Answer> {
    let (actor, reason) = (escaped(&terms.actor), escaped(&terms.reason));
    let expect = terms.expect.map(|expect| format!("&expect={expect}")).unwrap_or_default();
    Ok(admin.delete(&format!("{PATH}/{id}?actor={actor}&reason={reason}{expect}"))?)
}

/// All that have not expired.
pub(crate) fn all(admin: &Admin) -> anyhow::Result<Vec<OverlayStatus>> {
    #[derive(Deserialize)]
    struct List {
        overlays: Vec<OverlayStatus>,
    }
    let List { overlays } = admin.get(PATH)?.json(admin)?;
    Ok(overlays)
}

pub(crate) fn tell(status: &OverlayStatus, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    if output.json {
        output.json(status)?;
    } else {
        output.out.write_all(columns(&[overlay(status)]).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}
