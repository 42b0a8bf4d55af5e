//! Runs a scenario: starts everything, then goes round by round through its rows.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use headgate_load::teams::Teams;

use crate::changes::Changes;
use crate::generator::{Generator, Tally};
use crate::machine::Cores;
use crate::process::{Cpu, Proxy};
use crate::scenario::{ROUTES_A_TEAM, Row, Scenario, Through};
use crate::statistics::percentile;
use crate::token::Token;
use crate::{edge, origin, wire};

/// How often the access log is looked at until all its lines are there.
const LINES_TRIES: u32 = 20;
const LINES_PAUSE: Duration = Duration::from_millis(20);
/// The variable that sets the edge's `access_log`.
const ACCESS_LOG: &str = "HEADGATE_EDGE__ACCESS_LOG";

/// The binaries that are measured.
#[derive(Clone, Debug)]
pub(crate) struct Binaries {
    /// The edge.
    pub(crate) edge: PathBuf,
    /// The folder of the bare peers.
    pub(crate) peers: PathBuf,
}

/// One row in one round.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// As fast as it goes.
    pub(crate) closed: Sample,
    /// At each of the scenario's rates.
    pub(crate) open: Vec<Sample>,
    /// Resident memory of the proxy behind the load; zero for the direct row.
    pub(crate) resident_bytes: u64,
    /// Access lines for each answer: 1 where none was dropped. None for a row that writes none.
    pub(crate) lines_per_answer: Option<f64>,
}

/// What one loop of one round came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// Answers.
    pub(crate) answers: u64,
    /// Answers a second.
    pub(crate) requests_per_second: f64,
    /// Median latency in nanoseconds.
    pub(crate) p50: u64,
    /// 99 % were at least this fast.
    pub(crate) p99: u64,
    /// 99.9 % were at least this fast.
    pub(crate) p999: u64,
    /// The proxy's processor time in seconds for 100,000 requests. None for the direct row.
    pub(crate) cpu_per_100k: Option<Cpu>,
    /// The part of the proxy's core that the proxy used.
    pub(crate) busy: f64,
    /// Requests without a 2xx answer, for whatever reason.
    pub(crate) bad: u64,
}

/// Runs all rounds; the outer list is by row, the inner by round.
///
/// # Errors
///
/// Something can't be started, or stops answering.
pub(crate) fn run(
    scenario: &Scenario,
    binaries: &Binaries,
    cores: Cores,
    mut progress: impl FnMut(usize, &Row, &Sample),
) -> Result<Vec<Vec<Round>>> {
    let folder = tempfile::tempdir().context("can't make a folder")?;
    let origin = origin::start()?;
    let token = Token::new()?;
    let site = Site { binaries, folder: folder.path(), token: &token, origin, cores };
    let mut subjects = Vec::with_capacity(scenario.rows.len());
    for row in &scenario.rows {
        let (proxy, changes) = site.start(row)?;
        let address = proxy.as_ref().map_or(origin, |proxy| proxy.address);
        let request = wire::request(&row.path, row.token.then_some(token.text.as_str()));
        subjects.push(Subject { row, proxy, address, request, changes, rounds: Vec::new() });
    }
    for round in 0..scenario.rounds {
        for subject in &mut subjects {
            let measured = subject
                .measure(scenario, round)
                .with_context(|| format!("row `{}`, round {}", subject.row.name, round + 1))?;
            progress(round, subject.row, &measured.closed);
            subject.rounds.push(measured);
        }
    }
    Ok(subjects.into_iter().map(|subject| subject.rounds).collect())
}

/// A row with what runs for it.
struct Subject<'a> {
    row: &'a Row,
    proxy: Option<Proxy>,
    address: SocketAddr,
    request: Vec<u8>,
    /// What changes while requests come at a rate. None: nothing.
    changes: Option<Changes>,
    rounds: Vec<Round>,
}

impl Subject<'_> {
    fn measure(&mut self, scenario: &Scenario, round: usize) -> Result<Round> {
        let mut generator =
            Generator::new(self.address, self.request.clone(), scenario.connections)?;
        if let Some(proxy) = &self.proxy {
            proxy.empty_output()?;
        }
        let warm_up = generator.closed(scenario.warm_up)?;
        let closed = sample(self.proxy.as_ref(), || generator.closed(scenario.closed))?;
        let mut open = Vec::with_capacity(scenario.open.len());
        for rates in &scenario.open {
            // Each round draws other gaps, each row of a round the same.
            let seed = round as u64;
            let proxy = self.proxy.as_ref();
            let mut load = || sample(proxy, || generator.open(rates.rate, rates.time, seed));
            open.push(match &mut self.changes {
                Some(changes) => changes.during(self.address, load)?,
                None => load()?,
            });
        }
        let answers = open.iter().chain([&closed]).map(|sample| sample.answers).sum::<u64>();
        let answers = answers + warm_up.latencies.len() as u64;
        let resident_bytes = self.proxy.as_ref().map_or(Ok(0), Proxy::resident_bytes)?;
        Ok(Round { closed, open, resident_bytes, lines_per_answer: self.lines_per(answers)? })
    }

    /// Access lines for each answer, once the edge has had its time to write them.
    fn lines_per(&self, answers: u64) -> Result<Option<f64>> {
        let Some(proxy) = self.proxy.as_ref().filter(|_| self.row.access_lines) else {
            return Ok(None);
        };
        let mut lines = 0;
        for _ in 0..LINES_TRIES {
            lines = proxy.printed_lines()?;
            if lines >= answers {
                break;
            }
            thread::sleep(LINES_PAUSE);
        }
        Ok(Some(lines as f64 / answers as f64))
    }
}

fn sample(proxy: Option<&Proxy>, load: impl FnOnce() -> Result<Tally>) -> Result<Sample> {
    let before = proxy.map(Proxy::cpu).transpose()?;
    let tally = load()?;
    let after = proxy.map(Proxy::cpu).transpose()?;
    let used = before.zip(after).map(|(before, after)| after.since(before));
    Ok(summarize(tally, used))
}

fn summarize(mut tally: Tally, used: Option<Cpu>) -> Sample {
    let count = tally.latencies.len() as f64;
    let seconds = tally.took.as_secs_f64();
    tally.latencies.sort_unstable();
    let latencies = tally.latencies.as_slice();
    let per_100k = |seconds: f64| seconds / count * 100_000.0;
    Sample {
        answers: tally.latencies.len() as u64,
        requests_per_second: count / seconds,
        p50: percentile(latencies, 0.5),
        p99: percentile(latencies, 0.99),
        p999: percentile(latencies, 0.999),
        cpu_per_100k: used.map(|used| used.map(per_100k)),
        busy: used.map_or(0.0, |used| used.total() / seconds),
        bad: tally.refused + tally.broken + tally.unsent,
    }
}

/// Where proxies are started.
struct Site<'a> {
    binaries: &'a Binaries,
    folder: &'a Path,
    token: &'a Token,
    origin: SocketAddr,
    cores: Cores,
}

impl Site<'_> {
    fn start(&self, row: &Row) -> Result<(Option<Proxy>, Option<Changes>)> {
        let name = row.name.replace(' ', "-");
        let mut changes = None;
        let mut command = match row.through {
            Through::Direct => return Ok((None, None)),
            Through::BareHyper => self.peer("bare-hyper"),
            Through::BareHyperUtil => self.peer("bare-hyper-util"),
            Through::BarePingora => self.peer("bare-pingora"),
            Through::Headgate => {
                let folder = self.folder.join(format!("{name}.files"));
                let teams = Teams { count: row.teams, routes: ROUTES_A_TEAM };
                let config = edge::write(&folder, self.origin, self.token, teams)?;
                let file = folder.join(edge::TEAM_FILE);
                changes = row.change_every.map(|every| Changes::of(file, every)).transpose()?;
                let mut command = Command::new(&self.binaries.edge);
                command.arg("run").arg("--config").arg(config);
                if !row.access_lines {
                    command.env(ACCESS_LOG, "off");
                }
                command
            }
        };
        Ok((Some(Proxy::start(&mut command, &name, self.folder, self.cores)?), changes))
    }

    fn peer(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.peers.join(name));
        command.arg(self.origin.to_string());
        command
    }
}
