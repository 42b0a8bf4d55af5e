//! `headgate top`: what goes through a running edge, by routes, device classes or endpoints.

mod lines;
mod scrape;

use std::{io::IsTerminal as _, process::ExitCode, thread, time::Duration};

use headgate_telemetry::Kept;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use self::scrape::read;
pub(crate) use self::scrape::{Counts, Routes};
use crate::{
    admin::Admin,
    args,
    output::{Output, columns},
};

/// Bytes of a page of metrics that are read: some thousands of routes with all their series.
pub(crate) const PAGE_BYTES_MAX: u64 = 256 << 20;
/// Moves the cursor home and clears what is below, so that a terminal does not flicker.
const HOME: &str = "\x1b[H\x1b[J";

/// What goes through one route.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Row {
    team: String,
    route: String,
    /// Requests that arrived, a second.
    arrived: f64,
    /// Exchanges that ended so, a second.
    passed: f64,
    shed: f64,
    rejected: f64,
    failed: f64,
    in_flight: f64,
    /// Times of the exchanges that ended meanwhile. None: none did.
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

/// Prints what went through again and again, until it is interrupted.
///
/// # Errors
///
/// [`Unreachable`](crate::exit::Unreachable) when nobody answers, or not as an edge does; faults of
/// the configuration, where one was named.
pub(crate) fn top(args: &args::Top, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?.reading(PAGE_BYTES_MAX);
    match args.by {
        args::By::Route => routes(args, &admin, output)?,
        args::By::Device | args::By::Endpoint => lines::watch(args, &admin, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the metrics, and prints what changed between two readings.
fn routes(args: &args::Top, admin: &Admin, output: &mut Output<'_>) -> anyhow::Result<()> {
    let (mut before, mut read_at) = (scraped(admin)?, Instant::now());
    loop {
        thread::sleep(args.every);
        let (after, now) = (scraped(admin)?, Instant::now());
        let mut rows = rows(&before, &after, now - read_at);
        rows.truncate(args.rows);
        if output.json {
            let seconds = (now - read_at).as_secs_f64();
            output.json_line(&json!({ "seconds": seconds, "routes": rows }))?;
        } else {
            show(args, &text(&rows), output)?;
        }
        if args.once {
            return Ok(());
        }
        (before, read_at) = (after, now);
    }
}

/// Prints a screen, over the one before on a terminal.
fn show(args: &args::Top, screen: &str, output: &mut Output<'_>) -> anyhow::Result<()> {
    let clears = !args.once && std::io::stdout().is_terminal();
    write!(output.out, "{}{screen}", if clears { HOME } else { "" })?;
    output.out.flush()?;
    Ok(())
}

/// What an edge's metrics say of its routes.
///
/// # Errors
///
/// As [`top`].
pub(crate) fn scraped(admin: &Admin) -> anyhow::Result<Routes> {
    Ok(read(&String::from_utf8_lossy(&admin.get("/metrics")?.body()?)))
}

/// What went through between two readings, the busiest route first.
fn rows(before: &Routes, after: &Routes, length: Duration) -> Vec<Row> {
    let none = Counts::default();
    let seconds = length.as_secs_f64().max(f64::MIN_POSITIVE);
    // A process that was started anew counts from zero.
    let rate = |before: u64, after: u64| after.saturating_sub(before) as f64 / seconds;
    let row = |((team, route), after): (&(String, String), &Counts)| {
        let before = before.get(&(team.clone(), route.clone())).unwrap_or(&none);
        let ended = |kind: Kept| {
            let of = |counts: &Counts| counts.ended.get(kind.index()).copied().unwrap_or(0);
            rate(of(before), of(after))
        };
        let took = took(before, after);
        Row {
            team: team.clone(),
            route: route.clone(),
            arrived: rate(before.arrived, after.arrived),
            passed: ended(Kept::Passed),
            shed: ended(Kept::Shed),
            rejected: ended(Kept::Rejected),
            failed: ended(Kept::Failed),
            in_flight: after.in_flight,
            p50_ms: percentile(&took, 0.50).map(|seconds| seconds * 1_000.0),
            p99_ms: percentile(&took, 0.99).map(|seconds| seconds * 1_000.0),
        }
    };
    let mut rows: Vec<_> = after.iter().map(row).collect();
    // Equals stay in the order of their names.
    rows.sort_by(|one, other| other.arrived.total_cmp(&one.arrived));
    rows
}

/// The exchanges that ended in between, by how long they took at most, cumulated.
fn took(before: &Counts, after: &Counts) -> Vec<(f64, u64)> {
    let known = before.took.iter().map(|(_, count)| *count).chain(std::iter::repeat(0));
    let both = after.took.iter().zip(known);
    both.map(|((bound, after), before)| (*bound, after.saturating_sub(before))).collect()
}

/// A percentile of cumulated counts, as Prometheus' `histogram_quantile` has it: evenly spread
/// inside a bucket, and at most the highest bound. None of nothing.
fn percentile(took: &[(f64, u64)], share: f64) -> Option<f64> {
    let all = took.last().map(|(_, count)| *count).filter(|all| *all > 0)?;
    let wanted = all as f64 * share;
    let (mut low, mut below) = (0.0, 0);
    for (bound, count) in took {
        if *count as f64 >= wanted {
            if bound.is_infinite() {
                return Some(low);
            }
            let inside = (wanted - below as f64) / (*count - below).max(1) as f64;
            return Some(low + (bound - low) * inside);
        }
        (low, below) = (*bound, *count);
    }
    None
}

fn text(rows: &[Row]) -> String {
    let head = [
        "ROUTE",
        "ARRIVED/S",
        "PASSED/S",
        "SHED/S",
        "REJECTED/S",
        "FAILED/S",
        "IN FLIGHT",
        "P50",
        "P99",
    ];
    let lines = rows.iter().map(|row| {
        let rates = [row.arrived, row.passed, row.shed, row.rejected, row.failed];
        [format!("{}/{}", row.team, row.route)]
            .into_iter()
            .chain(rates.map(|rate| format!("{rate:.1}")))
            .chain([format!("{:.0}", row.in_flight), millis(row.p50_ms), millis(row.p99_ms)])
            .collect()
    });
    let lines: Vec<_> = [head.map(str::to_owned).to_vec()].into_iter().chain(lines).collect();
    columns(&lines)
}

fn millis(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1} ms"))
}

#[cfg(test)]
mod tests;
