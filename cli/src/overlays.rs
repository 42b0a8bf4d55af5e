//! `headgate config set`, `unset` and `overlays`: values that stand over the files of a running
//! edge until they expire.

use std::process::ExitCode;

use headgate_admin::{FaultStatus, OverlayRequest, OverlayStatus};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    args,
    ask::{Reply, address, send},
    exit::Refused,
    output::{Output, columns},
    status::overlay,
};

const PATH: &str = "/v1/overlays";

/// Puts a value in force and tells its number.
///
/// # Errors
///
/// [`Refused`] with all that is wrong; [`Unreachable`](crate::exit::Unreachable) when nobody
/// answers.
pub(crate) fn set(args: args::SetOverlay, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let address = address(&args.admin)?;
    let wish = OverlayRequest {
        key: args.key,
        // What is no JSON is meant as a text: `2s` needs no quotes.
        value: serde_json::from_str(&args.value).unwrap_or(Value::String(args.value)),
        lifetime: args.lifetime,
        actor: args.actor,
        reason: args.reason,
    };
    let reply = send(address, "POST", PATH, Some(&json!(wish)))?;
    tell(&read::<OverlayStatus>(&reply, 201)?, output)
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
    let address = address(&args.admin)?;
    let reply = send(address, "DELETE", &format!("{PATH}/{}", args.id), None)?;
    tell(&read::<OverlayStatus>(&reply, 200)?, output)
}

/// Lists all that have not expired.
///
/// # Errors
///
/// As [`set`].
pub(crate) fn list(args: &args::Admin, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let reply = send(address(args)?, "GET", PATH, None)?;
    let List { overlays } = read(&reply, 200)?;
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

/// What an edge answers in place of what was asked for.
#[derive(Deserialize)]
struct Problem {
    title: String,
    code: String,
    #[serde(default)]
    faults: Vec<FaultStatus>,
}

fn read<T: DeserializeOwned>(reply: &Reply, expected: u16) -> anyhow::Result<T> {
    if reply.status == expected {
        return Ok(serde_json::from_slice(&reply.body)?);
    }
    let problem: Problem = serde_json::from_slice(&reply.body)?;
    let Problem { title, code, faults } = problem;
    let mut message = format!("{title} ({code})");
    for fault in faults {
        message.push_str("\n  ");
        message.push_str(&fault.to_string());
    }
    Err(Refused(message).into())
}

fn tell(status: &OverlayStatus, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    if output.json {
        output.json(status)?;
    } else {
        output.out.write_all(columns(&[overlay(status)]).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}
