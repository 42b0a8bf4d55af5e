//! Runs a scenario over seeds and sums up.

use std::{
    fmt::Write as _,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;

use crate::{
    rivals::Rule,
    scenarios::{Bar, Measure, Protection, Scenario},
};

/// The seeds that judge. Rules are tuned on those from 1 on.
pub const HELD_OUT: Range<u64> = 1001..1021;

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
    /// Runs a scenario once with each of these seeds.
    pub fn new(scenario: Scenario, protection: Protection, seeds: Range<u64>) -> Self {
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

    /// Each measure with its median: of an even number the middle between the two.
    pub fn medians(&self) -> impl Iterator<Item = (&'static Measure, f64)> + '_ {
        let medians = self.figures.iter().map(|figures| {
            f64::midpoint(figures[(figures.len() - 1) / 2], figures[figures.len() / 2])
        });
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
fn runs(scenario: Scenario, protection: Protection, seeds: Range<u64>) -> Vec<Vec<f64>> {
    let next = AtomicU64::new(seeds.start);
    let runs = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
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

/// Seeds from text: `20` are the first twenty, `1001..1021` those from 1001 to 1020.
///
/// A rule is tuned on one set and judged on another, or it would fit its seeds. None: the text is
/// neither, or the set is empty.
pub fn seeds(text: &str) -> Option<Range<u64>> {
    let seeds = match text.split_once("..") {
        Some((first, end)) => first.parse().ok()?..end.parse().ok()?,
        None => 1..text.parse::<u64>().ok()?.checked_add(1)?,
    };
    (!seeds.is_empty()).then_some(seeds)
}

/// The rows of all scenarios whose ID begins with `only`, with ours and without protection.
pub fn table(only: &str, seeds: &Range<u64>) -> String {
    let mut table = HEAD.to_owned();
    for scenario in chosen(only) {
        table += &Report::new(scenario, Some(Rule::ours()), seeds.clone()).rows();
        if scenario.fails_unprotected {
            table += &Report::new(scenario, None, seeds.clone()).rows();
        }
    }
    table
}

/// The rows of the scenarios that compare rules, for every rule.
pub fn rivals(only: &str, seeds: &Range<u64>) -> String {
    let mut table = HEAD.to_owned();
    for scenario in chosen(only).filter(|scenario| scenario.compares) {
        for rule in [Rule::ours()].iter().chain(&Rule::FIELD) {
            table += &Report::new(scenario, Some(*rule), seeds.clone()).rows();
        }
    }
    table
}

fn chosen(only: &str) -> impl Iterator<Item = Scenario> {
    crate::scenarios::all().into_iter().filter(move |scenario| scenario.id.starts_with(only))
}
