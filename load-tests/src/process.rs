//! A proxy as a process: started on its core, waited for, and asked what it has used.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::clock;
use crate::machine::{self, Cores};

#[cfg(test)]
mod tests;

/// Time to start; what the edge promises.
const START_MAX: Duration = Duration::from_secs(20);
const START_PAUSE: Duration = Duration::from_millis(10);

/// A running proxy. Dropping it kills it.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    output: PathBuf,
}

/// What the edge prints in front of the address that operators ask at.
const ADMIN: &str = "admin http://";

impl Proxy {
    /// Starts a program on the proxy's core. What it prints goes to a file in `folder`: for the
    /// edge that is its access log, written as in production.
    ///
    /// # Errors
    ///
    /// It can't be started, ends early, or is not ready in time.
    pub fn start(command: &mut Command, name: &str, folder: &Path, cores: Cores) -> Result<Self> {
        let output = folder.join(format!("{name}.out"));
        let errors = folder.join(format!("{name}.err"));
        command.stdin(Stdio::null());
        // Appending, so that the file can be emptied under the process.
        command.stdout(OpenOptions::new().create(true).append(true).open(&output)?);
        command.stderr(File::create(&errors)?);
        // A child starts where its parent's thread runs.
        machine::pin(cores.proxy)?;
        let child = command.spawn();
        machine::pin(cores.load)?;
        let program = command.get_program().to_string_lossy();
        let mut child = child.with_context(|| format!("can't start {program}"))?;
        match wait_for_address(&mut child, &output) {
            Ok(address) => Ok(Self { child, address, output }),
            Err(error) => {
                end(&mut child);
                let errors = fs::read_to_string(&errors).unwrap_or_default();
                Err(error.context(format!("{program} is not ready: {}", errors.trim())))
            }
        }
    }

    /// Processor time of all threads since the start.
    ///
    /// # Errors
    ///
    /// The process has ended.
    pub fn cpu(&self) -> Result<Cpu> {
        let stat = machine::read(&format!("/proc/{}/stat", self.child.id()))?;
        Cpu::parse(&stat).context("/proc/PID/stat has another form")
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    ///
    /// The process has ended.
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = machine::read(&format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no VmRSS")?;
        Ok(kib.trim().parse::<u64>()? << 10)
    }

    /// Where operators ask; none for a bare peer. To be asked before the output is emptied.
    ///
    /// # Errors
    ///
    /// The file has gone.
    pub fn admin(&self) -> Result<Option<SocketAddr>> {
        let printed = self.printed()?;
        let mut lines = printed.lines();
        Ok(lines.find_map(|line| line.strip_prefix(ADMIN)).and_then(|text| text.parse().ok()))
    }

    /// What the proxy has printed since its file was emptied.
    ///
    /// # Errors
    ///
    /// The file has gone.
    pub fn printed(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.output)?)
    }

    /// Lines that the proxy has printed since its file was emptied.
    ///
    /// # Errors
    ///
    /// The file has gone.
    pub fn printed_lines(&self) -> Result<u64> {
        let mut lines = 0;
        let mut file = BufReader::with_capacity(1 << 20, File::open(&self.output)?);
        loop {
            let chunk = file.fill_buf()?;
            if chunk.is_empty() {
                return Ok(lines);
            }
            lines += chunk.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
            let length = chunk.len();
            file.consume(length);
        }
    }

    /// Empties the file that the proxy prints to, so that its size stays that of one run.
    ///
    /// # Errors
    ///
    /// The file has gone.
    pub fn empty_output(&self) -> Result<()> {
        Ok(OpenOptions::new().write(true).open(&self.output)?.set_len(0)?)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // Both fail only for a process that has ended by itself.
    drop(child.kill());
    drop(child.wait());
}

/// Processor time in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cpu {
    /// In the program.
    pub user: f64,
    /// In the kernel on its behalf.
    pub system: f64,
}

impl Cpu {
    /// From a line of `/proc/PID/stat` (proc(5): fields 14 and 15, in clock ticks).
    fn parse(stat: &str) -> Option<Self> {
        // The name, field 2, may contain anything, also a closing parenthesis.
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split(' ').skip(11);
        let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
        let mut seconds = || Some(fields.next()?.parse::<u64>().ok()? as f64 / ticks_per_second);
        Some(Self { user: seconds()?, system: seconds()? })
    }

    /// What was used since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, system: self.system - earlier.system }
    }

    /// The same function of both parts.
    #[must_use]
    pub fn map(self, each: impl Fn(f64) -> f64) -> Self {
        Self { user: each(self.user), system: each(self.system) }
    }

    /// Program and kernel.
    pub fn total(self) -> f64 {
        self.user + self.system
    }
}

fn wait_for_address(child: &mut Child, output: &Path) -> Result<SocketAddr> {
    let end = clock::now() + clock::span(START_MAX);
    while clock::now() < end {
        if let Some(address) = ready_address(&fs::read_to_string(output)?) {
            return Ok(address);
        }
        if let Some(status) = child.try_wait()? {
            bail!("it has ended with {status}");
        }
        thread::sleep(START_PAUSE);
    }
    bail!("nothing after {START_MAX:?}")
}

/// A bare peer prints `ready ADDRESS`; the edge prints `edge http://ADDRESS` and, when it serves,
/// `headgate ready`.
fn ready_address(printed: &str) -> Option<SocketAddr> {
    // A line without its end may still be half an address.
    let lines = || printed.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    if let Some(address) = lines().find_map(|line| line.strip_prefix("ready ")) {
        return address.parse().ok();
    }
    lines().find(|line| *line == "headgate ready")?;
    lines().find_map(|line| line.strip_prefix("edge http://"))?.parse().ok()
}
