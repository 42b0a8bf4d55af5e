//! What came of workers that were killed, stopped, cut off and replaced.

use std::fmt;

use crate::{account::Verdict, crashes::On, troubles::Troubles, worker::Handled};

/// Levels of handlers: each root is handled on each.
const LEVELS: u64 = 3;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) on: On,
    pub(crate) keys: u64,
    pub(crate) deliveries: u64,
    pub(crate) kills: u64,
    pub(crate) breaks: u64,
    pub(crate) leaves: u64,
    pub(crate) handled: Handled,
    pub(crate) troubles: Troubles,
    pub(crate) seconds: f64,
    pub(crate) verdict: Verdict,
}

impl Report {
    /// Whether nothing is lost and nothing doubled.
    pub fn holds(&self) -> bool {
        self.verdict.holds()
    }

    /// How often the broker was killed.
    pub fn breaks(&self) -> u64 {
        self.breaks
    }

    /// How often a worker left and another one joined.
    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    /// What happened on the ways of workers, and to them.
    pub fn troubles(&self) -> &Troubles {
        &self.troubles
    }

    /// Of all deliveries, the share that was delivered before; roots that were appended twice are
    /// not meant. Only workers that left tell.
    pub fn redelivered(&self) -> f64 {
        let appended = self.deliveries - self.keys + self.verdict.copies;
        let again = self.handled.replayed.saturating_sub(appended);
        again as f64 / (self.keys * LEVELS + appended + again).max(1) as f64
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { on, keys, deliveries, kills, breaks, leaves, troubles, seconds, .. } = self;
        let Verdict { lost, doubled, faults, copies } = &self.verdict;
        writeln!(
            f,
            "crashes on {on:?}: {keys} keys, {deliveries} roots, {kills} workers and {breaks} \
             brokers killed, {leaves} workers replaced ({:.1} % delivered again), {troubles} in \
             {seconds:.0} s: {lost} lost, {doubled} doubled, {copies} copies in the log, {} faults",
            self.redelivered() * 100.0,
            faults.len()
        )?;
        faults.iter().try_for_each(|fault| writeln!(f, "- {fault}"))
    }
}
