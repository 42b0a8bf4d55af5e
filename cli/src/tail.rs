//! `headgate tail`: the exchanges of a running edge as they end.

use std::{ops::ControlFlow, process::ExitCode};

use serde_json::Value;

use crate::{admin::Admin, args, idempotency::escaped, output::Output};

/// Shows access lines until so many were shown, or it is interrupted.
///
/// # Errors
///
/// [`Unreachable`](crate::exit::Unreachable) when nobody answers, or not as an edge does;
/// [`Refused`](crate::exit::Refused) for a filter that can't be read, or where as many watch as may;
/// faults of the configuration, where one was named.
pub(crate) fn tail(args: &args::Tail, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?;
    let path = format!("/v1/tail?limit={}&where={}", args.limit, escaped(&args.filter));
    admin.follow(&path, |line| {
        if output.json && !line.is_empty() {
            writeln!(output.out, "{line}")?;
        } else if let Ok(line) = serde_json::from_str::<Value>(line) {
            writeln!(output.out, "{}", text(&line))?;
        }
        output.out.flush()?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A line for people: when, how it ended, what was asked, who served it, how long it took.
fn text(line: &Value) -> String {
    if let Some(dropped) = line.get("dropped") {
        return format!("… {dropped} more had no room");
    }
    let member = |name: &str| line.get(name).and_then(Value::as_str);
    let status = line.get("status").and_then(Value::as_u64);
    let micros = line.get("duration_us").and_then(Value::as_u64).unwrap_or_default();
    let mut told = vec![
        member("time").unwrap_or_default().to_owned(),
        status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
        member("outcome").unwrap_or_default().to_owned(),
    ];
    told.extend(member("code").map(str::to_owned));
    told.push(member("method").unwrap_or_default().to_owned());
    let host = member("host").unwrap_or_default();
    told.push(format!("{host}{}", member("path").unwrap_or_default()));
    if let (Some(team), Some(route)) = (member("team"), member("route")) {
        told.push(format!("{team}/{route}"));
    }
    told.extend(member("device").map(|device| format!("device={device}")));
    let attempts = line.get("attempts").and_then(Value::as_array);
    let endpoint = attempts.and_then(|attempts| attempts.last()?.get("endpoint")?.as_str());
    told.extend(endpoint.map(|endpoint| format!("by {endpoint}")));
    told.push(format!("{:.1}ms", micros as f64 / 1_000.0));
    told.push(member("trace_id").unwrap_or_default().to_owned());
    told.join(" ")
}

#[cfg(test)]
mod tests;
