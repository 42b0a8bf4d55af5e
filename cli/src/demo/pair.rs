//! The demo's second setting: two edges on one Kafka and one `DynamoDB` Local, of which one is to be
//! killed.

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::mpsc::sync_channel,
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::json;

use crate::{
    demo::{Parts, platform, tour::Pair},
    output::Output,
    reload::Start,
    serve::serve,
};

/// Where the second edge listens, where that is free.
const EDGE: &str = "127.0.0.1:8081";
const ADMIN: &str = "127.0.0.1:9901";
/// Time for a server to take a connection.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// Time for the other edge to be ready.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// The servers that both edges stand on.
pub(super) struct Servers<'a> {
    pub(super) kafka: &'a str,
    pub(super) dynamodb: &'a str,
}

/// A server of the demo that does not answer.
#[derive(Debug, thiserror::Error)]
#[error(
    "nobody answers at {address} (--{flag}): `cargo xtask demo` starts Kafka and DynamoDB Local, \
     and this demo on them"
)]
pub(crate) struct Missing {
    address: String,
    flag: &'static str,
}

impl Missing {
    /// Its code, with a page in `docs/errors/`.
    pub(crate) const CODE: &'static str = "HG1272";
}

/// Starts one edge as a process that can be killed, and is the other one.
///
/// # Errors
///
/// [`Missing`], and as the demo of one edge.
pub(super) fn pair(
    parts: &Parts<'_>,
    servers: &Servers<'_>,
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    servers.answer()?;
    let name = format!("demo-{}", std::process::id());
    let [one, other] = [("a", [super::EDGE, super::ADMIN]), ("b", [EDGE, ADMIN])].map(
        |(node, addresses)| -> anyhow::Result<PathBuf> {
            let folder = parts.folder.join(node);
            let text = format!("{}\n{}", platform(addresses, &folder)?, servers.tables(&name));
            parts.write(&folder, &text)
        },
    );
    let (one, other) = (Other::start(&one?)?, other?);
    serve(Start::of(&other, true)?, |addresses| {
        Pair { killed: (&one.told, one.process.id()), stays: addresses, token: parts.token }
            .print(output)
    })
}

impl Servers<'_> {
    /// Checks that both take connections.
    fn answer(&self) -> Result<(), Missing> {
        let broker = self.kafka.split(',').next().unwrap_or_default();
        let endpoint = self.dynamodb.trim_start_matches("http://").trim_end_matches('/');
        for (flag, address) in [("kafka", broker), ("dynamodb", endpoint)] {
            let found = address.to_socket_addrs().ok().and_then(|mut found| found.next());
            let answers =
                found.is_some_and(|it| TcpStream::connect_timeout(&it, ANSWERS_WITHIN).is_ok());
            if !answers {
                return Err(Missing { address: address.to_owned(), flag });
            }
        }
        Ok(())
    }

    /// What the platform's file says of them. Each demo has a fleet and a table of its own.
    fn tables(&self, name: &str) -> String {
        // A text in JSON is one in TOML.
        let (kafka, dynamodb, name) = (json!(self.kafka), json!(self.dynamodb), json!(name));
        format!(
            "[events]\nlog = \"kafka\"\nfleet = {name}\nkafka = {{ brokers = {kafka} }}\n\n\
             [idempotency]\nstore = \"dynamodb\"\n\
             dynamodb = {{ table = {name}, endpoint = {dynamodb}, region = \"local\" }}\n"
        )
    }
}

/// The edge that is a process of its own, and ends with the demo.
struct Other {
    process: Child,
    told: Told,
}

/// Where an edge says that it listens.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    pub(super) edge: Vec<String>,
    pub(super) admin: String,
}

impl Other {
    fn start(config: &Path) -> anyhow::Result<Self> {
        let program = env::current_exe().context("the demo's own program")?;
        let mut process = Command::new(program)
            .args(["run", "--json", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("the other edge")?;
        let said = process.stdout.take().context("the other edge's output is a pipe")?;
        let (tell, told) = sync_channel(1);
        thread::spawn(move || {
            let mut lines = BufReader::new(said).lines().map_while(Result::ok);
            // Whoever waits may have given up.
            drop(tell.send(lines.next().unwrap_or_default()));
            for line in lines {
                if writeln!(io::stdout(), "{line}").is_err() {
                    return;
                }
            }
        });
        let line = told.recv_timeout(STARTS_WITHIN).unwrap_or_default();
        let told = serde_json::from_str(&line);
        let mut other = Self { process, told: Told { edge: Vec::new(), admin: String::new() } };
        ensure!(told.is_ok(), "the other edge does not start: {line}");
        other.told = told?;
        Ok(other)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have been killed already, as the demo says.
        let ended = self.process.kill().and_then(|()| self.process.wait());
        if let Err(error) = ended {
            tracing::debug!(%error, "the other edge is not ended");
        }
    }
}

impl Parts<'_> {
    /// Writes the files of one edge, and returns the platform's path.
    fn write(&self, folder: &Path, platform: &str) -> anyhow::Result<PathBuf> {
        let main = folder.join("headgate.toml");
        let own = [(PathBuf::from("headgate.toml"), platform.to_owned())];
        for (path, text) in own.iter().chain(&self.files) {
            let path = folder.join(path);
            let parent = path.parent().context("a file is in a folder")?;
            let written = fs::create_dir_all(parent).and_then(|()| fs::write(&path, text));
            written.with_context(|| format!("can't write {}", path.display()))?;
        }
        Ok(main)
    }
}
