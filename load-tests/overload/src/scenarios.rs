//! The scenarios as they run against the real edge. What the simulator also runs keeps its measures
//! and bars there; the rest has them here.

use anyhow::{Context, Result};
use headgate_sim::scenarios::{self as simulated, Measure};

use crate::lab::Lab;

mod breadth;
mod edge;
mod endpoints;
mod load;
mod operators;

/// A scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// As in the simulator's table.
    pub(crate) id: &'static str,
    /// What happens. None: as the simulator says.
    title: Option<&'static str>,
    /// What is measured. Empty: as in the simulator.
    measures: &'static [Measure],
    /// A figure for each measure.
    pub(crate) run: fn(&Lab) -> Result<Vec<f64>>,
    /// Whether it also runs with the layers off, and then has to miss a bar.
    pub(crate) fails_unprotected: bool,
}

impl Scenario {
    /// One that the simulator has too.
    const fn shared(
        id: &'static str,
        run: fn(&Lab) -> Result<Vec<f64>>,
        fails_unprotected: bool,
    ) -> Self {
        Self { id, title: None, measures: &[], run, fails_unprotected }
    }

    /// The same under a title of its own, where the edge can't do all that the simulator does.
    const fn titled(mut self, title: &'static str) -> Self {
        self.title = Some(title);
        self
    }

    /// What happens, and what is measured.
    ///
    /// # Errors
    ///
    /// Neither this table nor the simulator says.
    pub(crate) fn terms(&self) -> Result<(&'static str, &'static [Measure])> {
        let twin = simulated::all().into_iter().find(|one| one.id == self.id);
        let title = self.title.or(twin.map(|one| one.title));
        let measures = twin.map_or(self.measures, |one| one.measures);
        let measures = if self.measures.is_empty() { measures } else { self.measures };
        Ok((title.with_context(|| format!("{} has no title", self.id))?, measures))
    }
}

/// All of them, in the order of the table.
pub(crate) fn all() -> Vec<Scenario> {
    [load::SCENARIOS, breadth::SCENARIOS, endpoints::SCENARIOS, edge::SCENARIOS]
        .into_iter()
        .chain([operators::SCENARIOS])
        .flatten()
        .copied()
        .collect()
}

#[cfg(test)]
mod tests;
