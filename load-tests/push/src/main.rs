//! Clients by the thousand that wait for results, and an edge whose log is away: the real binary,
//! under load, with what must hold.

mod connections;
mod drops;
mod orders;
mod outage;

use std::{process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use clap::Parser;
use headgate_types::parse_duration;
use tokio::runtime::Builder;

/// Clients that wait for results, and an edge whose log is away.
///
/// `cargo xtask load push` builds the edge first and names it with `HEADGATE_BIN`.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only this scenario: `connections`, `drops` or `outage`.
    #[arg(long)]
    only: Option<String>,
    /// Connections that wait at once.
    #[arg(long, default_value_t = 9_500)]
    connections: usize,
    /// Clients that are dropped at random.
    #[arg(long, default_value_t = 1_000)]
    clients: usize,
    /// How long the log is away.
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    away: Duration,
    /// Of all that happens by chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[expect(clippy::print_stdout, reason = "the figures are what this program is for")]
fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut holds = true;
    let mut is_known = false;
    for name in ["connections", "drops", "outage"] {
        if arguments.only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        is_known = true;
        let (told, is_held) = match name {
            "connections" => {
                let waiting = runtime.block_on(connections::connections(arguments.connections))?;
                (waiting.to_string(), waiting.holds())
            }
            "drops" => {
                let dropped = runtime.block_on(drops::drops(arguments.clients, arguments.seed))?;
                (dropped.to_string(), dropped.holds())
            }
            _ => match runtime.block_on(outage::outage(arguments.away))? {
                Some(outage) => (outage.to_string(), outage.holds()),
                None => ("left out: there is no Kafka or no DynamoDB Local".to_owned(), true),
            },
        };
        println!("{name}: {told}{}", if is_held { "" } else { " (does not hold)" });
        holds &= is_held;
    }
    if !is_known {
        bail!("there is no such scenario");
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
