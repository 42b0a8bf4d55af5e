//! A verb's steps: each runs, is timed, and is named at the end when it failed.

#[expect(
    clippy::disallowed_types,
    reason = "there is no runtime here whose clock tests pause"
)]
use std::time::Instant;

use anyhow::{Result, bail};

/// Runs steps one after the other, the later ones also when an earlier one failed.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    failed: Vec<&'static str>,
}

impl Steps {
    /// Runs a step and prints how it ended and how long it took.
    pub(crate) fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) {
        #[expect(clippy::disallowed_types, reason = "as above")]
        let start = Instant::now();
        let done = step();
        let seconds = start.elapsed().as_secs_f64();
        match done {
            Ok(()) => println!("ok     {name} ({seconds:.1} s)"),
            Err(error) => {
                println!("FAILED {name} ({seconds:.1} s): {error:#}");
                self.failed.push(name);
            }
        }
    }

    /// Ends the run.
    ///
    /// # Errors
    ///
    /// A step failed: the message names all that did.
    pub(crate) fn finish(self) -> Result<()> {
        if !self.failed.is_empty() {
            bail!("failed: {}", self.failed.join(", "));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
