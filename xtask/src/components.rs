//! `cargo xtask components`: the real servers that tests run against, for working by hand.
//!
//! Each server is a file of its own that says how it is had, started and known to be ready; what
//! they share is here. All listen on loopback, on a port that the system chooses.

mod dynamodb;
mod jars;
mod kafka;
mod postgres;
mod server;

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;

use self::server::Server;

/// What to do with which server.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to do.
    verb: Verb,
    /// With which server. None: with all.
    component: Option<Component>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Verb {
    /// Fetches the server if needed, starts it, waits until it serves and prints its address.
    Start,
    /// Ends it.
    Stop,
    /// Prints its address; fails when it does not run.
    Status,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Component {
    /// DynamoDB Local, in memory.
    Dynamodb,
    /// Apache Kafka, one node, with data that goes with it.
    Kafka,
    /// PostgreSQL, with data that goes with it.
    Postgres,
}

impl Component {
    fn server(self) -> Server {
        match self {
            Self::Dynamodb => dynamodb::SERVER,
            Self::Kafka => kafka::SERVER,
            Self::Postgres => postgres::SERVER,
        }
    }
}

/// Does it, one server after the other.
///
/// # Errors
///
/// A server can't be had, does not become ready, does not end, or does not run when asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let all = Component::value_variants();
    let chosen = arguments.component.as_ref().map_or(all, std::slice::from_ref);
    for component in chosen {
        let server = component.server();
        match arguments.verb {
            Verb::Start => println!("{}", server.start()?),
            Verb::Stop => server.stop()?,
            Verb::Status => println!("{}", server.status()?),
        }
    }
    Ok(())
}

/// Starts what the demo's two edges stand on, unless it runs: the addresses of Kafka and of
/// DynamoDB Local.
///
/// # Errors
///
/// One of them can't be had, or does not become ready.
pub(crate) fn start_for_demo() -> Result<(String, String)> {
    Ok((kafka::SERVER.start()?, dynamodb::SERVER.start()?))
}

/// The folder of DynamoDB Local: whoever starts a server calls `java @arguments` in it.
///
/// # Errors
///
/// There is no Java or no Maven and none can be installed, or the registry does not have the jars.
pub(crate) fn fetch_dynamodb() -> Result<PathBuf> {
    dynamodb::JARS.fetch()
}

/// The folder of Apache Kafka, as [`fetch_dynamodb`].
///
/// # Errors
///
/// As there.
pub(crate) fn fetch_kafka() -> Result<PathBuf> {
    kafka::JARS.fetch()
}

/// The folder of PostgreSQL: whoever starts a server calls `sh start` in it.
///
/// # Errors
///
/// There is no PostgreSQL, and it can't be installed.
pub(crate) fn fetch_postgres() -> Result<PathBuf> {
    postgres::fetch()
}

/// The folder of what was fetched, kept between runs.
fn cache() -> PathBuf {
    crate::process::target().join("tools")
}
