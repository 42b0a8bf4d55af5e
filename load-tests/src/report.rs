//! What a run came to: for a program as JSON, for people as Markdown, and as a verdict.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::machine::{Cores, Machine};
use crate::process::Cpu;
use crate::runner::{Round, Sample};
use crate::scenario::{Bar, OpenLoop, Scenario};
use crate::statistics::Spread;
use crate::versions::Versions;

mod markdown;
#[cfg(test)]
mod tests;

/// An edge that drops its access lines does less than what is compared.
const LINES_PER_ANSWER_MIN: f64 = 0.99;

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// The scenario's name.
    pub(crate) scenario: String,
    /// The day of the run, as its caller gave it.
    pub(crate) date: Option<String>,
    /// The machine.
    pub(crate) machine: Machine,
    /// Who ran where.
    pub(crate) cores: Cores,
    /// What was measured.
    pub(crate) versions: Versions,
    /// How often each row was measured.
    pub(crate) rounds: usize,
    /// Connections of the generator.
    pub(crate) connections: usize,
    /// Seconds of each closed loop.
    pub(crate) closed_seconds: f64,
    /// The figures.
    pub(crate) rows: Vec<RowReport>,
    /// The verdict.
    pub(crate) bars: Vec<BarReport>,
}

/// One row over all rounds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RowReport {
    pub(crate) name: String,
    pub(crate) closed: Figures,
    pub(crate) open: Vec<OpenFigures>,
    /// Resident memory in MiB, the greatest of all rounds.
    pub(crate) resident_mib: f64,
    /// Requests without a 2xx answer.
    pub(crate) bad: u64,
    /// Access lines for each answer, the least of all rounds. None for a row without the edge.
    pub(crate) lines_per_answer: Option<f64>,
}

/// One rate of an open loop over all rounds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OpenFigures {
    /// Requests a second that were due.
    pub(crate) rate: u32,
    /// Seconds of each round.
    pub(crate) seconds: f64,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

/// One loop over all rounds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) requests_per_second: Spread,
    pub(crate) p50_us: Spread,
    pub(crate) p99_us: Spread,
    pub(crate) p999_us: Spread,
    /// Seconds of processor time for 100,000 requests. None for the direct row.
    pub(crate) cpu_per_100k: Option<Spread>,
    /// The program's part of it.
    pub(crate) cpu_user_per_100k: Option<Spread>,
    /// The part of its core that the proxy used.
    pub(crate) busy: Spread,
}

/// A ratio and whether it holds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BarReport {
    pub(crate) row: String,
    pub(crate) against: String,
    /// The greatest ratio that passes. None only tells the ratio.
    pub(crate) cpu_max: Option<f64>,
    /// The ratio in each round; its median is what counts.
    pub(crate) cpu: Spread,
    /// The most by which p99.9 may be above the other row's, in microseconds. None: not compared.
    pub(crate) p999_more_max_us: Option<f64>,
    /// By how much p99.9 is above the other row's in each round, at the rate where that is most.
    pub(crate) p999_more_us: Spread,
    /// Whether the ratio holds, every request of the row was answered well and its access lines
    /// were written.
    pub(crate) holds: bool,
}

impl RowReport {
    /// Sums up a row.
    pub(crate) fn new(name: &str, rounds: &[Round], open: &[OpenLoop]) -> Self {
        let rates = open.iter().enumerate().map(|(index, open)| OpenFigures {
            rate: open.rate,
            seconds: open.time.as_secs_f64(),
            figures: figures(&rounds.iter().filter_map(|round| round.open.get(index))),
        });
        let resident = rounds.iter().map(|round| round.resident_bytes).max().unwrap_or_default();
        let samples = rounds.iter().flat_map(|round| round.open.iter().chain([&round.closed]));
        Self {
            name: name.to_owned(),
            closed: figures(&rounds.iter().map(|round| &round.closed)),
            open: rates.collect(),
            resident_mib: resident as f64 / f64::from(1 << 20),
            bad: samples.map(|sample| sample.bad).sum(),
            lines_per_answer: rounds
                .iter()
                .filter_map(|round| round.lines_per_answer)
                .min_by(f64::total_cmp),
        }
    }

    /// Every request was answered well, and the work of writing it down was not spared.
    fn is_clean(&self) -> bool {
        self.bad == 0 && self.lines_per_answer.is_none_or(|lines| lines >= LINES_PER_ANSWER_MIN)
    }
}

fn figures<'a>(samples: &(impl Iterator<Item = &'a Sample> + Clone)) -> Figures {
    let spread = |value: fn(&Sample) -> f64| Spread::of(samples.clone().map(value));
    let cpu = |part: fn(Cpu) -> f64| {
        let parts = samples.clone().map(|sample| sample.cpu_per_100k.map(part));
        parts.collect::<Option<Vec<_>>>().map(Spread::of)
    };
    Figures {
        requests_per_second: spread(|sample| sample.requests_per_second),
        p50_us: spread(|sample| sample.p50 as f64 / 1_000.0),
        p99_us: spread(|sample| sample.p99 as f64 / 1_000.0),
        p999_us: spread(|sample| sample.p999 as f64 / 1_000.0),
        cpu_per_100k: cpu(Cpu::total),
        cpu_user_per_100k: cpu(|cpu| cpu.user),
        busy: spread(|sample| sample.busy),
    }
}

impl BarReport {
    /// Compares two rows round by round: rounds lie seconds apart, so both saw the same machine.
    pub(crate) fn new(bar: &Bar, scenario: &Scenario, rounds: &[Vec<Round>]) -> Self {
        let of = |name: &str| {
            let index = scenario.rows.iter().position(|row| row.name == name);
            index.and_then(|index| rounds.get(index)).map(Vec::as_slice).unwrap_or_default()
        };
        let (row, against) = (of(&bar.row), of(&bar.against));
        let ratios = row.iter().zip(against).filter_map(|(row, against)| {
            let (row, against) = (row.closed.cpu_per_100k?, against.closed.cpu_per_100k?);
            Some(row.total() / against.total())
        });
        let cpu = Spread::of(ratios);
        let more = row.iter().zip(against).map(|(row, against)| {
            let rates = row.open.iter().zip(&against.open);
            let more = rates.map(|(row, against)| row.p999 as f64 - against.p999 as f64);
            more.max_by(f64::total_cmp).unwrap_or_default() / 1_000.0
        });
        let p999_more_us = Spread::of(more);
        let p999_more_max_us = bar.p999_more_max.map(|most| most.as_secs_f64() * 1e6);
        let is_clean = RowReport::new(&bar.row, row, &scenario.open).is_clean();
        Self {
            row: bar.row.clone(),
            against: bar.against.clone(),
            cpu_max: bar.cpu_max,
            cpu,
            p999_more_max_us,
            p999_more_us,
            holds: is_clean
                && bar.cpu_max.is_none_or(|max| cpu.median <= max)
                && p999_more_max_us.is_none_or(|max| p999_more_us.median <= max),
        }
    }
}

impl Report {
    /// Whether every bar holds.
    pub(crate) fn holds(&self) -> bool {
        self.bars.iter().all(|bar| bar.holds)
    }

    /// The report for people.
    pub(crate) fn markdown(&self) -> String {
        markdown::render(self)
    }

    /// Writes both forms as `<date>-<scenario>` into `folder` and returns the path of the Markdown.
    ///
    /// # Errors
    ///
    /// The folder can't be written.
    pub(crate) fn write(&self, folder: &Path, date: &str) -> Result<PathBuf> {
        let name = folder.join(format!("{date}-{}", self.scenario));
        let (json, markdown) = (name.with_extension("json"), name.with_extension("md"));
        let text = format!("{}\n", serde_json::to_string_pretty(self)?);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&json, text))
            .and_then(|()| fs::write(&markdown, self.markdown()))
            .with_context(|| format!("can't write {}", markdown.display()))?;
        Ok(markdown)
    }
}
