//! A worker as a process of its own.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    worker::{Handled, READY},
    world::Place,
};

/// A worker process, killed when it is dropped.
pub(crate) struct Worker {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts one, and waits until it works. Without a name it is another member of its groups
    /// each time.
    pub(crate) fn start(program: &Path, place: &Place, name: &str) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped());
        command.args(["--name", name, "--table", &place.table]);
        let folder = place.folder.as_deref().map(Path::as_os_str);
        let given = [
            ("--folder", folder),
            ("--brokers", place.brokers.as_ref().map(AsRef::as_ref)),
            ("--endpoint", place.endpoint.as_ref().map(AsRef::as_ref)),
        ];
        for (name, value) in given {
            if let Some(value) = value {
                command.arg(name).arg(value);
            }
        }
        let mut child = command.spawn().context("can't start a worker")?;
        let output = child.stdout.take().context("a worker's output is a pipe")?;
        let mut worker = Self { child, output: BufReader::new(output) };
        ensure!(worker.line()? == READY, "a worker does not start");
        Ok(worker)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.child.id().try_into()?);
        kill(pid, signal).with_context(|| format!("{signal} can't be sent"))
    }

    /// Ends it in good order, and tells what it did.
    pub(crate) fn leave(mut self) -> Result<Handled> {
        drop(self.child.stdin.take());
        let handled = serde_json::from_str(&self.line()?).context("a worker tells what it did")?;
        self.child.wait()?;
        Ok(handled)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may be gone already, and then there is nothing to end.
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}
