//! A process that handles events until it is killed.

use std::{io, ops::AddAssign};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::world::{Place, World};

/// What a worker says once its consumers run.
pub(crate) const READY: &str = "ready";

/// What a worker did that ends in good order, as its last line says.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Handled {
    /// Events that had an outcome already.
    pub(crate) replayed: u64,
}

impl AddAssign for Handled {
    fn add_assign(&mut self, other: Self) {
        self.replayed += other.replayed;
    }
}

/// Handles events until it is killed, or whoever started it is gone.
#[expect(clippy::print_stdout, reason = "whoever started this waits for it")]
pub(crate) fn work(place: &Place) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut world = World::open(place).await?;
        let consumers = world.start().await?;
        println!("{READY}");
        tokio::task::spawn_blocking(|| io::copy(&mut io::stdin().lock(), &mut io::sink()))
            .await??;
        world.stop(consumers).await;
        let handled = Handled { replayed: world.parts.records.stats().replayed };
        println!("{}", serde_json::to_string(&handled)?);
        anyhow::Ok(())
    })
}
