//! What a run came to, as a table.

use std::fmt::Write as _;

use headgate_load::machine::{Cores, Machine};
use headgate_sim::scenarios::{Bar, Measure};

use crate::scenarios::Scenario;

/// A scenario's figures: of each measure one for each round.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// Which.
    pub(crate) scenario: Scenario,
    /// What happens.
    pub(crate) title: &'static str,
    /// What is measured.
    pub(crate) measures: &'static [Measure],
    /// With the layers, round by round.
    pub(crate) on: Vec<Vec<f64>>,
    /// With the layers off; empty where that was not run.
    pub(crate) off: Vec<Vec<f64>>,
}

impl Rows {
    /// The middle of a measure's figures with the least and the most.
    fn of(rounds: &[Vec<f64>], measure: usize) -> Option<(f64, f64, f64)> {
        let mut figures: Vec<_> =
            rounds.iter().filter_map(|round| round.get(measure)).copied().collect();
        figures.sort_by(f64::total_cmp);
        let (least, most) = (*figures.first()?, *figures.last()?);
        Some((*figures.get((figures.len() - 1) / 2)?, least, most))
    }

    /// The measures that miss their bar.
    pub(crate) fn missed(&self) -> Vec<&'static str> {
        Self::missing(&self.on, self.measures)
    }

    /// Whether it proves something: without the layers a bar is missed, where that has to be.
    pub(crate) fn proves(&self) -> bool {
        self.off.is_empty() || !Self::missing(&self.off, self.measures).is_empty()
    }

    fn missing(rounds: &[Vec<f64>], measures: &[Measure]) -> Vec<&'static str> {
        let figures = measures.iter().enumerate();
        let missed = figures.filter(|(index, measure)| {
            !Self::of(rounds, *index).is_some_and(|(figure, ..)| measure.bar.is_met(figure))
        });
        missed.map(|(_, measure)| measure.name).collect()
    }

    /// Lines of the table.
    pub(crate) fn lines(&self) -> String {
        let mut text = String::new();
        for (index, measure) in self.measures.iter().enumerate() {
            let show = |figure: f64| {
                if figure.is_finite() { measure.unit.show(figure) } else { "∞".to_owned() }
            };
            let cell = |rounds: &[Vec<f64>]| match Self::of(rounds, index) {
                None => "–".to_owned(),
                Some((middle, ..)) if rounds.len() == 1 => show(middle),
                Some((middle, least, most)) => {
                    format!("{} ({} – {})", show(middle), show(least), show(most))
                }
            };
            let bar = match measure.bar {
                Bar::AtLeast(bar) => format!("≥ {}", show(bar)),
                Bar::AtMost(bar) => format!("≤ {}", show(bar)),
            };
            let verdict = if self.missed().contains(&measure.name) { "**missed**" } else { "met" };
            let _written = writeln!(
                text,
                "| {} | {} | {bar} | {} | {verdict} | {} |",
                self.scenario.id,
                measure.name,
                cell(&self.on),
                cell(&self.off),
            );
        }
        text
    }
}

/// The head of the table.
pub(crate) const HEAD: &str = "| scenario | measure | bar | figure | | layers off |\n\
                               | --- | --- | --- | --- | --- | --- |\n";

/// What the page says of the run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Where.
    pub(crate) machine: Machine,
    /// Who ran where.
    pub(crate) cores: Cores,
    /// What the edge calls itself.
    pub(crate) edge: String,
    /// How often each scenario ran.
    pub(crate) rounds: u64,
    /// Whether everything was shorter.
    pub(crate) is_quick: bool,
}

/// The whole page.
pub(crate) fn page(run: &Run, rows: &[Rows]) -> String {
    let Run { machine, cores, edge, rounds, is_quick } = run;
    let length = if *is_quick { " (`--quick`)" } else { "" };
    let mut text = format!(
        "# Overload of the real edge\n\n\
         Written by `cargo xtask load overload --write`{length}; `--check` fails when a bar is missed.\n\
         Each scenario starts the binary that ships, with one worker, endpoints with slots and a queue, and clients that ask whatever becomes of earlier requests.\n\
         Names and bars are those of [the simulator's table](../concepts/overload/table.md), where it has the scenario; the times are shorter.\n\
         The usual upstream has 20 slots and calls of 50 ms (Erlang-2), so it serves 400 requests a second; clients wait one second.\n\
         Traffic is 15 % critical, 25 % standard, 30 % best effort and 30 % bulk where nothing else is said.\n\
         The last column is the same with all layers off: in groups A to D and G, where it is given, it has to miss a bar, or the scenario would prove nothing.\n\n\
         {} on {} processors, Linux {}, load before the run {}; the edge on processor {}, clients and endpoints on processor {}.\n\
         {edge}, {rounds} rounds; of several, the median with the least and the most.\n\n",
        machine.model, machine.cores, machine.kernel, machine.load_before, cores.proxy, cores.load,
    );
    text += HEAD;
    for row in rows {
        text += &row.lines();
    }
    text += "\n## What happens in each\n\n| scenario | what happens |\n| --- | --- |\n";
    for row in rows {
        let _written = writeln!(text, "| {} | {} |", row.scenario.id, row.title);
    }
    text + LEFT_OUT
}

const LEFT_OUT: &str = "\n## What is not here\n\n\
- A6 at ten times: one core can't send ten times what the other can proxy.\n\
- B2 and B5 with partitions: the edge has none, so a limit of the slow route and the classes stand in for them.\n\
- E, F1 to F3: the simulator and the tests of the router, where they can be repeated exactly.\n\
- F5's time of a decision: `cargo xtask load micro` has it, with its allocations.\n";

#[cfg(test)]
mod tests;
