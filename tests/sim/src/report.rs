//! Runs a scenario over seeds and sums up.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;

use crate::{
    rivals::Rule,
    scenarios::{Bar, Measure, Protection, Scenario},
};

/// A scenario's figures over some seeds.
#[derive(Clone, Debug)]
pub struct Report {
    /// The scenario.
    pub scenario: Scenario,
    /// Who protected the upstream.
    pub protection: Protection,
    /// For each measure the figures, ascending.
    pub figures: Vec<Vec<f64>>,
}

impl Report {
    /// Runs a scenario with the seeds from 1 on.
    pub fn new(scenario: Scenario, protection: Protection, seeds: u64) -> Self {
        let runs = runs(scenario, protection, seeds);
        let figures = (0..scenario.measures.len())
            .map(|measure| {
                let mut figures: Vec<_> = runs.iter().map(|run| run[measure]).collect();
                figures.sort_by(f64::total_cmp);
                figures
            })
            .collect();
        Self { scenario, protection, figures }
    }

    /// Each measure with its median.
    pub fn medians(&self) -> impl Iterator<Item = (&'static Measure, f64)> + '_ {
        let medians = self.figures.iter().map(|figures| figures[figures.len() / 2]);
        self.scenario.measures.iter().zip(medians)
    }

    /// The measures whose median misses the bar.
    pub fn missed(&self) -> Vec<&'static str> {
        let missed = self.medians().filter(|(measure, median)| !measure.bar.is_met(*median));
        missed.map(|(measure, _)| measure.name).collect()
    }

    /// Rows of a Markdown table: scenario, measure, bar, median, spread, seeds that meet the bar.
    #[expect(clippy::let_underscore_must_use, reason = "writing to a String cannot fail")]
    pub fn rows(&self) -> String {
        let mut rows = String::new();
        for ((measure, median), figures) in self.medians().zip(&self.figures) {
            let met = figures.iter().filter(|figure| measure.bar.is_met(**figure)).count();
            let show = |figure: f64| measure.unit.show(figure);
            let bar = match measure.bar {
                Bar::AtLeast(bar) => format!("≥ {}", show(bar)),
                Bar::AtMost(bar) => format!("≤ {}", show(bar)),
            };
            let verdict = if measure.bar.is_met(median) { "met" } else { "**missed**" };
            let (least, most) = (figures[0], figures[figures.len() - 1]);
            let _ = writeln!(
                rows,
                "| {} | {} | {} | {bar} | {} | {} – {} | {met}/{} | {verdict} |",
                self.scenario.id,
                self.protection.map_or("off", |rule| rule.name()),
                measure.name,
                show(median),
                show(least),
                show(most),
                figures.len(),
            );
        }
        rows
    }
}

/// One run for each seed, spread over the processors.
fn runs(scenario: Scenario, protection: Protection, seeds: u64) -> Vec<Vec<f64>> {
    let next = AtomicU64::new(1);
    let runs = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > seeds {
                        return;
                    }
                    let figures = (scenario.run)(seed, protection);
                    runs.lock().push(figures);
                }
            });
        }
    });
    runs.into_inner()
}

/// The head of the table that [`Report::rows`] fills.
pub const HEAD: &str = "| scenario | rule | measure | bar | median | least – most | seeds | |\n\
                        | --- | --- | --- | --- | --- | --- | --- | --- |\n";

/// The rows of all scenarios whose ID begins with `only`, with ours and without protection.
pub fn table(only: &str, seeds: u64) -> String {
    let mut table = HEAD.to_owned();
    for scenario in chosen(only) {
        table += &Report::new(scenario, Some(Rule::ours()), seeds).rows();
        if scenario.fails_unprotected {
            table += &Report::new(scenario, None, seeds).rows();
        }
    }
    table
}

/// The rows of the scenarios that compare rules, for every rule.
pub fn rivals(only: &str, seeds: u64) -> String {
    let mut table = HEAD.to_owned();
    for scenario in chosen(only).filter(|scenario| scenario.compares) {
        for rule in [Rule::ours()].iter().chain(&Rule::FIELD) {
            table += &Report::new(scenario, Some(*rule), seeds).rows();
        }
    }
    table
}

fn chosen(only: &str) -> impl Iterator<Item = Scenario> {
    crate::scenarios::all().into_iter().filter(move |scenario| scenario.id.starts_with(only))
}
