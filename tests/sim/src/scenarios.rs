//! The scenarios with their bars, as data.

use crate::figures::Run;

mod breadth;
mod drift;
mod endpoints;
mod load;
mod observe;

/// What a figure has to be.
#[derive(Clone, Copy, Debug)]
pub enum Bar {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Bar {
    /// Whether a figure meets it.
    pub fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(bar) => figure >= bar,
            Self::AtMost(bar) => figure <= bar,
        }
    }
}

/// One measured thing with its bar.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// What.
    pub name: &'static str,
    /// How much of it is enough.
    pub bar: Bar,
    /// How it is printed.
    pub unit: Unit,
}

/// How a figure is printed.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// A share, in percent.
    Percent,
    /// Seconds.
    Seconds,
    /// Milliseconds, from seconds.
    Millis,
    /// A ratio.
    Times,
    /// A number.
    Count,
}

impl Unit {
    /// The figure as text.
    pub fn show(self, figure: f64) -> String {
        match self {
            Self::Percent => format!("{:.2} %", figure * 100.0),
            Self::Seconds => format!("{figure:.2} s"),
            Self::Millis => format!("{:.0} ms", figure * 1000.0),
            Self::Times => format!("{figure:.2}x"),
            Self::Count => format!("{figure:.1}"),
        }
    }
}

/// Whose rule protects the upstream, or nobody's.
pub type Protection = Option<crate::rivals::Rule>;

/// A scenario.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its number in the concept page.
    pub id: &'static str,
    /// What happens.
    pub title: &'static str,
    /// What is measured, and the bars.
    pub measures: &'static [Measure],
    /// Runs it, and gives a figure for each measure.
    pub run: fn(seed: u64, protection: Protection) -> Vec<f64>,
    /// Whether it also runs without protection, and then has to fail.
    pub fails_unprotected: bool,
    /// Whether it compares rules, not only ours.
    pub compares: bool,
}

/// All scenarios, in the order of the table.
pub fn all() -> Vec<Scenario> {
    let groups = [load::SCENARIOS, breadth::SCENARIOS, endpoints::SCENARIOS, drift::SCENARIOS];
    [&groups.concat(), observe::SCENARIOS].concat()
}

/// Requests a second that the usual upstream serves.
pub const CAPACITY: f64 = 400.0;
/// Its p99 without load: of an Erlang-2 time with a mean of 50 ms.
pub const UNLOADED_P99: f64 = 0.166;
/// And its median.
pub const UNLOADED_P50: f64 = 0.042;

/// A measure that has to be so much or more.
pub const fn at_least(name: &'static str, bar: f64, unit: Unit) -> Measure {
    Measure { name, bar: Bar::AtLeast(bar), unit }
}

/// A measure that has to be so much or less.
pub const fn at_most(name: &'static str, bar: f64, unit: Unit) -> Measure {
    Measure { name, bar: Bar::AtMost(bar), unit }
}

/// Seconds after `from` until two seconds of goodput reach `target`; 999 if never.
pub fn recovery(run: &Run, from: f64, to: f64, target: f64) -> f64 {
    let mut start = from;
    while start + 2.0 <= to {
        if run.goodput(start, start + 2.0) >= target {
            return start - from;
        }
        start += 0.1;
    }
    999.0
}

/// What a loss of four fifths of the usual upstream's capacity comes to, in the order of A2's
/// measures. It befalls at `from` and is over at `to`; what is settled counts from `settling`
/// seconds later on, and the run lasts until `end`.
pub fn collapse_figures(run: &Run, (from, to, end): (f64, f64, f64), settling: f64) -> Vec<f64> {
    let before = run.goodput(from * 0.25, from);
    // The first second in which that share of a class is shed, looked at ten times a second.
    let first = |line: usize, share: f64| {
        let mut at = from;
        while at < to {
            let bins = run.sum(&[line], at, at + 1.0);
            if f64::from(bins.shed) >= share * f64::from(bins.offered.max(1)) {
                return at;
            }
            at += 0.1;
        }
        f64::INFINITY
    };
    let (bulk, standard) = (first(3, 0.9), first(1, 0.1));
    vec![
        run.goodput(from + settling, to) / (CAPACITY / 5.0),
        run.success(&[0], from + settling, to),
        run.success(&[0], from, to),
        if bulk.is_infinite() { -1.0 } else { (standard - bulk).min(60.0) },
        recovery(run, to, end, 0.95 * before),
    ]
}
