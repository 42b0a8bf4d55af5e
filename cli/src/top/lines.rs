//! What goes through by device classes or endpoints, counted from access lines as they come.
//!
//! The metrics do not tell these apart: a series for each would cost every edge all the time, and
//! this costs one edge while somebody looks.

use std::{collections::BTreeMap, fmt::Write as _, ops::ControlFlow};

use headgate_telemetry::{AttemptResult, Kept};
use headgate_types::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::{millis, show};
use crate::{
    admin::Admin,
    args::{self, By},
    output::{Output, columns},
};

/// As many lines as one answer tells.
const PATH: &str = "/v1/tail?limit=1000000";
/// Times of one row that are kept for its percentiles; those of further exchanges are left out.
const TIMES_MAX: usize = 100_000;
/// What stands for a device class that is not known, as of a request that is refused before.
const UNKNOWN: &str = "-";

/// A line, as far as it is counted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    device: Option<String>,
    outcome: String,
    duration_us: u64,
    attempts: Vec<Attempt>,
    /// Lines that found no room. None in a line that tells an exchange.
    dropped: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attempt {
    endpoint: String,
    head_us: Option<u64>,
    result: String,
}

/// What goes through one device class or endpoint.
#[derive(Debug, PartialEq, Serialize)]
struct Row {
    name: String,
    /// Exchanges or attempts that ended, a second, and those that ended so.
    ended: f64,
    passed: f64,
    shed: f64,
    rejected: f64,
    failed: f64,
    /// Times of exchanges, or of attempts up to the head of the answer. None: none did.
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

#[derive(Debug, Default)]
struct Count {
    /// By [`Kept::index`].
    ended: [u64; Kept::ALL.len()],
    times_us: Vec<u64>,
}

impl Count {
    fn note(&mut self, kind: Kept, time_us: Option<u64>) {
        if let Some(count) = self.ended.get_mut(kind.index()) {
            *count += 1;
        }
        if self.times_us.len() < TIMES_MAX {
            self.times_us.extend(time_us);
        }
    }
}

/// What has come since the last screen.
#[derive(Debug, Default)]
struct Tally {
    counts: BTreeMap<String, Count>,
    seen: u64,
    dropped: u64,
}

impl Tally {
    fn note(&mut self, by: By, line: Line) {
        if let Some(dropped) = line.dropped {
            self.dropped += dropped;
            return;
        }
        self.seen += 1;
        if by == By::Endpoint {
            for attempt in line.attempts {
                let kind = kind_of_attempt(&attempt.result);
                self.counts.entry(attempt.endpoint).or_default().note(kind, attempt.head_us);
            }
            return;
        }
        let outcome = Outcome::ALL.into_iter().find(|known| known.as_str() == line.outcome);
        let kind = outcome.map_or(Kept::Failed, Kept::of);
        let device = line.device.unwrap_or_else(|| UNKNOWN.to_owned());
        self.counts.entry(device).or_default().note(kind, Some(line.duration_us));
    }

    /// What went through in so many seconds, the busiest first. Where lines were dropped, rates
    /// stand for them as well.
    fn rows(&mut self, seconds: f64) -> Vec<Row> {
        let all = (self.seen + self.dropped) as f64;
        let scale = all / self.seen.max(1) as f64 / seconds.max(f64::MIN_POSITIVE);
        let row = |(name, count): (&String, &mut Count)| {
            let ended = |kind: Kept| {
                count.ended.get(kind.index()).copied().unwrap_or_default() as f64 * scale
            };
            count.times_us.sort_unstable();
            Row {
                name: name.clone(),
                ended: count.ended.iter().sum::<u64>() as f64 * scale,
                passed: ended(Kept::Passed),
                shed: ended(Kept::Shed),
                rejected: ended(Kept::Rejected),
                failed: ended(Kept::Failed),
                p50_ms: percentile(&count.times_us, 50),
                p99_ms: percentile(&count.times_us, 99),
            }
        };
        let mut rows: Vec<_> = self.counts.iter_mut().map(row).collect();
        rows.sort_by(|one, other| other.ended.total_cmp(&one.ended));
        rows
    }
}

/// What an endpoint would not take counts as shed.
fn kind_of_attempt(result: &str) -> Kept {
    const OK: &str = AttemptResult::Ok.as_str();
    const REFUSED: &str = AttemptResult::Refused.as_str();
    const EXHAUSTED: &str = AttemptResult::Exhausted.as_str();
    match result {
        OK => Kept::Passed,
        REFUSED | EXHAUSTED => Kept::Shed,
        _ => Kept::Failed,
    }
}

/// The value below which so many in a hundred lie, of ascending ones; nearest rank.
fn percentile(times_us: &[u64], percent: usize) -> Option<f64> {
    let rank = (times_us.len() * percent).div_ceil(100).checked_sub(1)?;
    times_us.get(rank).map(|micros| *micros as f64 / 1_000.0)
}

/// Watches lines, and prints what went through every so often.
pub(super) fn watch(
    args: &args::Top,
    admin: &Admin,
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    let (mut tally, mut began) = (Tally::default(), Instant::now());
    let mut is_over = false;
    while !is_over {
        admin.follow(PATH, |line| {
            // An empty one only tells that the edge is there.
            if let Ok(line) = serde_json::from_str(line) {
                tally.note(args.by, line);
            }
            if began.elapsed() < args.every {
                return Ok(ControlFlow::Continue(()));
            }
            print(args, &mut tally, began.elapsed().as_secs_f64(), output)?;
            (tally, began) = (Tally::default(), Instant::now());
            is_over = args.once;
            Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
    }
    Ok(())
}

fn print(
    args: &args::Top,
    tally: &mut Tally,
    seconds: f64,
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    let mut rows = tally.rows(seconds);
    rows.truncate(args.rows);
    let (what, head) = match args.by {
        By::Endpoint => ("endpoints", "ENDPOINT"),
        By::Device | By::Route => ("devices", "DEVICE"),
    };
    if output.json {
        let dropped = tally.dropped;
        output.json_line(&json!({ "seconds": seconds, what: rows, "dropped": dropped }))?;
        return Ok(());
    }
    let mut screen = text(head, &rows);
    if tally.dropped > 0 {
        let all = tally.seen + tally.dropped;
        // Writing to a text can't fail.
        let _infallible = writeln!(screen, "estimated from {} of {all} exchanges", tally.seen);
    }
    show(args, &screen, output)
}

fn text(what: &str, rows: &[Row]) -> String {
    let head = ["ENDED/S", "PASSED/S", "SHED/S", "REJECTED/S", "FAILED/S", "P50", "P99"];
    let head = [what].into_iter().chain(head).map(str::to_owned).collect();
    let lines = rows.iter().map(|row| {
        let rates = [row.ended, row.passed, row.shed, row.rejected, row.failed];
        let rates = rates.map(|rate| format!("{rate:.1}"));
        let times = [millis(row.p50_ms), millis(row.p99_ms)];
        [row.name.clone()].into_iter().chain(rates).chain(times).collect()
    });
    columns(&[head].into_iter().chain(lines).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
