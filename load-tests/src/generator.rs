//! Sends load from one thread: as fast as it goes, or at a rate whatever the answers do.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::clock;
use crate::poll::Poll;
use client::Client;

mod client;
#[cfg(test)]
mod tests;

/// Time that answers get when no more requests are sent.
const GRACE: Duration = Duration::from_secs(5);
/// Requests that wait for a connection. A proxy that falls this far behind is measured as such.
const BACKLOG_MAX: usize = 100_000;
/// Connections that may break before a run counts as failed.
const BROKEN_MAX: u64 = 1_000;

/// What one run has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Nanoseconds from when a request was due until its answer was read, one for each answer.
    pub(crate) latencies: Vec<u64>,
    /// Answers with another status than 2xx.
    pub(crate) refused: u64,
    /// Connections that ended or spoke no HTTP/1.1 while an answer was due.
    pub(crate) broken: u64,
    /// Requests that found the backlog full.
    pub(crate) unsent: u64,
    /// Time from the first request to the last answer.
    pub(crate) took: Duration,
}

/// Keep-alive connections to one address, each with one request at a time.
pub(crate) struct Generator {
    address: SocketAddr,
    request: Vec<u8>,
    clients: Vec<Client>,
    poll: Poll,
}

impl Generator {
    /// Opens all connections.
    ///
    /// # Errors
    ///
    /// One can't be opened.
    pub(crate) fn new(address: SocketAddr, request: Vec<u8>, connections: usize) -> Result<Self> {
        let poll = Poll::new()?;
        let mut clients = Vec::with_capacity(connections);
        for number in 0..connections {
            clients.push(Client::connect(address, &poll, number)?);
        }
        Ok(Self { address, request, clients, poll })
    }

    /// Closed loop: every connection sends its next request as soon as it has its answer.
    ///
    /// # Errors
    ///
    /// Answers stay out, or too many connections break.
    pub(crate) fn closed(&mut self, time: Duration) -> Result<Tally> {
        let start = clock::now();
        let end = start + clock::span(time);
        let mut tally = Tally::default();
        for number in 0..self.clients.len() {
            self.send(number, start, &mut tally)?;
        }
        let mut in_flight = self.clients.len();
        let mut ready = Vec::new();
        self.poll.wake_at(end + clock::span(GRACE))?;
        while in_flight > 0 {
            self.wait(&mut ready, end)?;
            for &number in &ready {
                if !self.receive(number, &mut tally)? {
                    continue;
                }
                let now = clock::now();
                if now < end {
                    self.send(number, now, &mut tally)?;
                } else {
                    in_flight -= 1;
                }
            }
        }
        tally.took = Duration::from_nanos(clock::now() - start);
        Ok(tally)
    }

    /// Open loop: requests are due at the moments of a Poisson process with `rate` a second, and
    /// latency counts from when a request was due, also if all connections were busy then
    /// (Tene, *How not to measure latency*, 2013: coordinated omission).
    ///
    /// # Errors
    ///
    /// Answers stay out, or too many connections break.
    pub(crate) fn open(&mut self, rate: u32, time: Duration, seed: u64) -> Result<Tally> {
        let start = clock::now();
        let end = start + clock::span(time);
        let mut arrivals = Arrivals::new(start, rate, seed);
        let mut tally = Tally::default();
        let mut idle = (0..self.clients.len()).collect::<Vec<_>>();
        let mut backlog = VecDeque::new();
        let mut ready = Vec::new();
        loop {
            while arrivals.next <= clock::now() && arrivals.next < end {
                let due = arrivals.take();
                match idle.pop() {
                    Some(number) => self.send(number, due, &mut tally)?,
                    None if backlog.len() < BACKLOG_MAX => backlog.push_back(due),
                    None => tally.unsent += 1,
                }
            }
            let is_over = arrivals.next >= end;
            if is_over && idle.len() == self.clients.len() {
                break;
            }
            let wake_at = if is_over { end + clock::span(GRACE) } else { arrivals.next };
            self.poll.wake_at(wake_at)?;
            self.wait(&mut ready, end)?;
            for &number in &ready {
                if !self.receive(number, &mut tally)? {
                    continue;
                }
                match backlog.pop_front() {
                    Some(due) => self.send(number, due, &mut tally)?,
                    None => idle.push(number),
                }
            }
        }
        tally.took = Duration::from_nanos(clock::now() - start);
        Ok(tally)
    }

    fn wait(&mut self, ready: &mut Vec<usize>, end: u64) -> Result<()> {
        self.poll.wait(ready)?;
        if ready.is_empty() && clock::now() >= end + clock::span(GRACE) {
            bail!("requests are unanswered after {GRACE:?}");
        }
        Ok(())
    }

    /// Sends the next request. A connection that broke while it was idle is opened again first.
    fn send(&mut self, number: usize, due: u64, tally: &mut Tally) -> Result<()> {
        let client = self.clients.get_mut(number).context("a client by its number")?;
        if client.send(&self.request, due).is_err() {
            self.reopen(number, tally)?;
            let client = self.clients.get_mut(number).context("a client by its number")?;
            client.send(&self.request, due)?;
        }
        Ok(())
    }

    /// Reads what has come, and says whether the connection is free for its next request.
    fn receive(&mut self, number: usize, tally: &mut Tally) -> Result<bool> {
        let client = self.clients.get_mut(number).context("a client by its number")?;
        match client.receive() {
            Ok(None) => Ok(false),
            Ok(Some(answer)) => {
                tally.latencies.push(clock::now().saturating_sub(client.due));
                tally.refused += u64::from(!answer.is_success);
                if answer.closes {
                    *client = Client::connect(self.address, &self.poll, number)?;
                }
                Ok(true)
            }
            Err(_broken) => {
                let was_waiting = client.is_waiting;
                self.reopen(number, tally)?;
                Ok(was_waiting)
            }
        }
    }

    fn reopen(&mut self, number: usize, tally: &mut Tally) -> Result<()> {
        tally.broken += 1;
        if tally.broken > BROKEN_MAX {
            bail!("more than {BROKEN_MAX} connections broke");
        }
        let client = self.clients.get_mut(number).context("a client by its number")?;
        *client = Client::connect(self.address, &self.poll, number)?;
        Ok(())
    }
}

/// The moments of a Poisson process.
#[derive(Debug)]
struct Arrivals {
    next: u64,
    gap_nanoseconds: f64,
    random: fastrand::Rng,
}

impl Arrivals {
    fn new(start: u64, rate: u32, seed: u64) -> Self {
        let gap_nanoseconds = 1e9 / f64::from(rate.max(1));
        Self { next: start, gap_nanoseconds, random: fastrand::Rng::with_seed(seed) }
    }

    fn take(&mut self) -> u64 {
        let due = self.next;
        // The gap between two arrivals is exponential; 1 - x is never zero.
        let gap = -(1.0 - self.random.f64()).ln() * self.gap_nanoseconds;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some 37 mean gaps at most, and never negative"
        )]
        let gap = gap as u64;
        self.next = due + gap;
        due
    }
}
