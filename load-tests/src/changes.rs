//! A team that changes its file again and again while the edge is loaded.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use crate::{clock, wire};

/// Time within which a change must be in force.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A file of which every version has a route of its own.
#[derive(Debug)]
pub(crate) struct Changes {
    file: PathBuf,
    /// What all versions have in common.
    common: String,
    every: Duration,
    written: u32,
}

impl Changes {
    /// Changes nothing yet.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub(crate) fn of(file: PathBuf, every: Duration) -> Result<Self> {
        let common =
            fs::read_to_string(&file).with_context(|| format!("can't read {}", file.display()))?;
        Ok(Self { file, common, every, written: 0 })
    }

    /// Writes versions while something runs, and then waits until the last is in force.
    ///
    /// # Errors
    ///
    /// What runs fails, nothing was changed, or the last change is not in force in time.
    pub(crate) fn during<T>(
        &mut self,
        edge: SocketAddr,
        run: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let before = self.written;
        let (stop, stopped) = mpsc::sync_channel::<()>(0);
        let (came, changed) = thread::scope(|scope| {
            let this = &mut *self;
            let changes = scope.spawn(move || {
                while stopped.recv_timeout(this.every) == Err(RecvTimeoutError::Timeout) {
                    this.write()?;
                }
                anyhow::Ok(())
            });
            let came = run();
            drop(stop);
            (came, changes.join().map_err(|_| anyhow!("a change panicked")).flatten())
        });
        changed?;
        ensure!(self.written > before, "too short for a change every {:?}", self.every);
        seen(edge, &path(self.written))?;
        came
    }

    fn write(&mut self) -> Result<()> {
        self.written += 1;
        let path = path(self.written);
        let route = format!("\n[route.version]\nmatch = \"GET {path}\"\nto = \"origin\"\n");
        // In one step, as a tool that deploys does it.
        let whole = self.file.with_extension("new");
        fs::write(&whole, format!("{}{route}", self.common))?;
        Ok(fs::rename(&whole, &self.file)?)
    }
}

fn path(version: u32) -> String {
    format!("/load/version-{version}")
}

/// Waits until the edge has a route.
fn seen(edge: SocketAddr, path: &str) -> Result<()> {
    let end = clock::now() + clock::span(IN_FORCE_WITHIN);
    while !answers(edge, path)? {
        ensure!(clock::now() < end, "{path} is not in force after {IN_FORCE_WITHIN:?}");
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn answers(edge: SocketAddr, path: &str) -> Result<bool> {
    let mut stream = TcpStream::connect(edge)?;
    stream.set_read_timeout(Some(IN_FORCE_WITHIN))?;
    stream.write_all(&wire::request(path, None))?;
    let mut received = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let bytes = stream.read(&mut piece)?;
        ensure!(bytes > 0, "the edge closed a connection without an answer");
        received.extend(piece.iter().take(bytes));
        if let Some(answer) = wire::answer(&received)? {
            return Ok(answer.is_success);
        }
    }
}
