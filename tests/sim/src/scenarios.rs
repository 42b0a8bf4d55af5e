//! The scenarios with their bars, as data.

use crate::figures::Run;

mod breadth;
mod drift;
mod endpoints;
mod load;

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
    [load::SCENARIOS, breadth::SCENARIOS, endpoints::SCENARIOS, drift::SCENARIOS].concat()
}

/// Requests a second that the usual upstream serves.
pub(crate) const CAPACITY: f64 = 400.0;
/// Its p99 without load: of an Erlang-2 time with a mean of 50 ms.
pub(crate) const UNLOADED_P99: f64 = 0.166;
/// And its median.
pub(crate) const UNLOADED_P50: f64 = 0.042;

const fn at_least(name: &'static str, bar: f64, unit: Unit) -> Measure {
    Measure { name, bar: Bar::AtLeast(bar), unit }
}

const fn at_most(name: &'static str, bar: f64, unit: Unit) -> Measure {
    Measure { name, bar: Bar::AtMost(bar), unit }
}

/// Seconds after `from` until two seconds of goodput reach `target`; 999 if never.
pub(crate) fn recovery(run: &Run, from: f64, to: f64, target: f64) -> f64 {
    let mut start = from;
    while start + 2.0 <= to {
        if run.goodput(start, start + 2.0) >= target {
            return start - from;
        }
        start += 0.1;
    }
    999.0
}
