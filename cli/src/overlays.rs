//! `headgate config set`, `unset` and `overlays`: values that stand over the files of a running
//! edge until they expire.

use std::process::ExitCode;

use headgate_admin::{OverlayRequest, OverlayStatus};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    admin::Admin,
    args,
    output::{Output, columns},
    status::overlay,
};

const PATH: &str = "/v1/overlays";

/// Puts a value in force and tells its number.
///
/// # Errors
///
/// [`Refused`](crate::exit::Refused) with all that is wrong; [`Unreachable`](crate::exit::Unreachable) when nobody
/// answers.
pub(crate) fn set(args: args::SetOverlay, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?;
    let wish = OverlayRequest {
        key: args.key,
        // What is no JSON is meant as a text: `2s` needs no quotes.
        value: serde_json::from_str(&args.value).unwrap_or(Value::String(args.value)),
        lifetime: args.lifetime,
        actor: args.actor,
        reason: args.reason,
    };
    tell(&admin.post(PATH, &wish)?.json(&admin)?, output)
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
    tell(&admin.delete(&format!("{PATH}/{}", args.id))?.json(&admin)?, output)
}

/// Lists all that have not expired.
///
/// # Errors
///
/// As [`set`].
pub(crate) fn list(args: &args::Admin, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(args)?;
    let List { overlays } = admin.get(PATH)?.json(&admin)?;
    if output.json {
        output.json(&overlays)?;
    } else {
        let rows: Vec<_> = overlays.iter().map(overlay).collect();
        output.out.write_all(columns(&rows).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What lists overlays.
#[derive(Deserialize)]
struct List {
    overlays: Vec<OverlayStatus>,
}

fn tell(status: &OverlayStatus, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    if output.json {
        output.json(status)?;
    } else {
        output.out.write_all(columns(&[overlay(status)]).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}
