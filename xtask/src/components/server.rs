//! One server in the background: started, found again by its files, and ended.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::{self, program};

/// How long a server may take to be ready; one was seen to take 13 s on a machine under load.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// How long it may take to end.
const ENDED_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks at whether it is ready or has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A server that says in what it writes that it serves.
pub(super) struct Server {
    /// The name of its folder.
    pub(super) name: &'static str,
    /// Fetches what it takes, and tells how it is started.
    pub(super) command: fn() -> Result<Command>,
    /// Finds its address in what it has written. None: it does not serve yet.
    pub(super) address: fn(&str) -> Option<String>,
}

impl Server {
    /// Starts it unless it runs, and returns its address.
    ///
    /// # Errors
    ///
    /// It can't be had, ends at once, or is not ready in time; then it is ended.
    pub(super) fn start(&self) -> Result<String> {
        if let Ok(address) = self.status() {
            return Ok(address);
        }
        let mut command = (self.command)()?;
        let folder = self.folder();
        fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        let log = File::create(self.log()).context("can't write the server's log")?;
        // In a group of its own, so that an interrupt in the terminal does not reach it.
        let errors = log.try_clone().context("can't write the server's log")?;
        command.arg(self.mark()).process_group(0).stdout(log).stderr(errors);
        let mut child = command.spawn().with_context(|| format!("can't start {}", self.name))?;
        fs::write(self.pid(), child.id().to_string()).context("can't write the server's number")?;
        self.ready(&mut child)
    }

    /// Ends it; there is nothing to do when it does not run.
    ///
    /// # Errors
    ///
    /// It does not end in time.
    pub(super) fn stop(&self) -> Result<()> {
        let Some(pid) = self.running() else { return Ok(()) };
        process::run(program("kill").arg(&pid))?;
        if !within(ENDED_WITHIN, || self.running().is_none()) {
            bail!("{} (process {pid}) does not end", self.name);
        }
        fs::remove_file(self.pid()).context("can't remove the server's number")
    }

    /// Its address.
    ///
    /// # Errors
    ///
    /// It does not run, or is not ready.
    pub(super) fn status(&self) -> Result<String> {
        if self.running().is_none() {
            bail!("{} does not run", self.name);
        }
        self.address().with_context(|| format!("{} is not ready", self.name))
    }

    fn ready(&self, child: &mut Child) -> Result<String> {
        let mut ended = false;
        within(READY_WITHIN, || {
            ended = !matches!(child.try_wait(), Ok(None));
            ended || self.address().is_some()
        });
        if let Some(address) = self.address().filter(|_| !ended) {
            return Ok(address);
        }
        if !ended {
            child.kill().context("can't end a server that is not ready")?;
        }
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        bail!("{} is not ready after {READY_WITHIN:?}; it wrote:\n{log}", self.name)
    }

    /// The address that the log tells.
    fn address(&self) -> Option<String> {
        (self.address)(&fs::read_to_string(self.log()).ok()?)
    }

    /// The process's number, when that process is ours: another one may have got the number since.
    fn running(&self) -> Option<String> {
        let pid = fs::read_to_string(self.pid()).ok()?;
        let mut call = program("ps");
        call.args(["-ww", "-o", "stat=,args=", "-p", &pid]).stderr(Stdio::null());
        let shown = String::from_utf8(call.output().ok()?.stdout).ok()?;
        let shown = shown.trim();
        (shown.ends_with(&self.mark()) && !shown.starts_with('Z')).then_some(pid)
    }

    /// An argument that tells the process from any other; servers do not read it.
    fn mark(&self) -> String {
        format!("headgate={}", self.folder().display())
    }

    fn folder(&self) -> PathBuf {
        process::target().join("components").join(self.name)
    }

    fn pid(&self) -> PathBuf {
        self.folder().join("pid")
    }

    fn log(&self) -> PathBuf {
        self.folder().join("log")
    }
}

/// Whether something becomes true in time.
fn within(time: Duration, mut is_true: impl FnMut() -> bool) -> bool {
    let looks = time.as_millis() / LOOK_EVERY.as_millis();
    for _ in 0..looks {
        if is_true() {
            return true;
        }
        thread::sleep(LOOK_EVERY);
    }
    is_true()
}
