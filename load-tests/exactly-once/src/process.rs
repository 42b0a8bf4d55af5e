//! Worker processes: started, listened to, stopped and killed.

use std::{
    io::{self, BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
};

use anyhow::{Context, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::Instant;

use crate::Places;

/// Lines that wait to be read; a worker whose pipe is full waits too.
const LINES_MAX: usize = 10_000;
/// What a worker says when nothing is left to do.
pub(crate) const DONE: &str = "all done";

/// A call of a part of this program, whose output is read.
pub(crate) fn part(places: &Places, name: &str) -> Command {
    let mut command = Command::new(&places.program);
    command.arg(name).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Returns when this process's input ends: whoever started it has had enough of it, or is gone.
pub(crate) fn until_told() -> Result<()> {
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    Ok(())
}

pub(crate) fn signal(child: &Child, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(child.id().try_into()?);
    kill(pid, signal).with_context(|| format!("{signal} can't be sent"))
}

/// What a worker says of an event, in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It has committed the event: nothing may undo that.
    Acknowledged,
    /// Somebody has settled it before.
    Passed,
    /// It has taken the event over from a worker that was lost.
    TookOver,
    /// It was refused, because the event is somebody else's by now.
    Fenced,
}

impl Said {
    const ALL: [(&'static str, Self); 4] = [
        ("ack", Self::Acknowledged),
        ("pass", Self::Passed),
        ("took", Self::TookOver),
        ("fenced", Self::Fenced),
    ];

    /// Says it: one write, shorter than a pipe's atomic one, so that lines of threads do not mix.
    pub(crate) fn tell(self, name: &str) -> Result<()> {
        let word = Self::ALL.iter().find(|(_, said)| *said == self).map_or("", |(word, _)| *word);
        io::stdout().lock().write_all(format!("{word} {name}\n").as_bytes())?;
        Ok(())
    }

    fn read(line: &str) -> Option<(Self, String)> {
        let (word, name) = line.split_once(' ')?;
        let (_, said) = Self::ALL.iter().find(|(known, _)| *known == word)?;
        Some((*said, name.to_owned()))
    }
}

/// What is heard from workers.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    /// A worker said something of an event.
    Said(usize, Said, String),
    /// A worker has nothing left to do, and ends.
    Done,
    /// A worker's output has ended.
    Ended(usize),
}

/// Workers by number, and what they say.
#[derive(Debug)]
pub(crate) struct Workers {
    children: Vec<Option<Child>>,
    send: SyncSender<Heard>,
    heard: Receiver<Heard>,
}

impl Workers {
    pub(crate) fn new(count: usize) -> Self {
        let (send, heard) = sync_channel(LINES_MAX);
        Self { children: (0..count).map(|_| None).collect(), send, heard }
    }

    /// Starts a worker, and a thread that hears it.
    pub(crate) fn start(&mut self, number: usize, command: &mut Command) -> Result<()> {
        let mut child = command.spawn().context("can't start a worker")?;
        let output = child.stdout.take().context("a worker's output is a pipe")?;
        let send = self.send.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let heard = match Said::read(&line) {
                    Some((said, name)) => Heard::Said(number, said, name),
                    None if line == DONE => Heard::Done,
                    None => continue,
                };
                if send.send(heard).is_err() {
                    return;
                }
            }
            // Nobody listens any more when the run has failed.
            drop(send.send(Heard::Ended(number)));
        });
        let place = self.children.get_mut(number).context("there are fewer workers")?;
        ensure!(place.replace(child).is_none(), "the worker runs already");
        Ok(())
    }

    /// What is heard next. None: nothing until then.
    pub(crate) fn hear(&self, until: Instant) -> Result<Option<Heard>> {
        match self.heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(heard) => Ok(Some(heard)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("nobody can be heard"),
        }
    }

    pub(crate) fn signal(&self, number: usize, what: Signal) -> Result<()> {
        signal(self.child(number)?, what)
    }

    /// Tells a worker to begin nothing more.
    pub(crate) fn enough(&mut self, number: usize) -> Result<()> {
        let child = self.children.get_mut(number).and_then(Option::as_mut);
        drop(child.context("the worker does not run")?.stdin.take());
        Ok(())
    }

    /// Reaps a worker whose output has ended. True: it ended by itself, and well.
    pub(crate) fn reap(&mut self, number: usize) -> Result<bool> {
        let child = self.children.get_mut(number).and_then(Option::take);
        Ok(child.context("the worker does not run")?.wait()?.success())
    }

    fn child(&self, number: usize) -> Result<&Child> {
        self.children.get(number).and_then(Option::as_ref).context("the worker does not run")
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for child in self.children.iter_mut().flatten() {
            // It may be gone already, and then there is nothing to end.
            drop(child.kill().and_then(|()| child.wait()));
        }
    }
}
