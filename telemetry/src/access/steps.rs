//! The parts of an exchange in which its time went, for the log of slow ones and for traces.

use std::{fmt, time::Duration};

use super::{Attempt, Line, Mark};

/// A gap between two attempts that counts as a wait: what is shorter is the edge's own work.
const BACKOFF_MIN: Duration = Duration::from_millis(1);

/// A part of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'l> {
    /// What went on.
    pub part: Part<'l>,
    /// When it began, since the request's head.
    pub started: Duration,
    /// How long it took.
    pub took: Duration,
}

/// What went on in a part of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'l> {
    /// The caller was identified.
    Authenticate,
    /// The request waited in the queue of this layer.
    Queue(&'static str),
    /// A try at an endpoint, counted from 1, up to the head of its answer.
    Attempt(usize, &'l Attempt),
    /// That try had no connection yet.
    Connect(usize),
    /// Before another try.
    Backoff,
    /// The answer went to the client.
    Answer,
}

/// The parts of an exchange in the order of their begins; each follows what it is part of.
///
/// They come from the line alone, so that whoever is told of them is told what the line says.
pub fn steps<'l>(line: &Line<'l>) -> Vec<Step<'l>> {
    let offset = |mark| line.journal.offset(mark);
    let mut steps = Vec::new();
    let mut push = |part, from: Duration, to: Duration| {
        steps.push(Step { part, started: from, took: to.saturating_sub(from) });
    };
    if let (Some(routed), Some(known)) = (offset(Mark::Routed), offset(Mark::Authenticated)) {
        push(Part::Authenticate, routed, known);
    }
    let waited = || line.rulings.iter().filter(|ruling| !ruling.waited.is_zero());
    // Whoever was let through waited until then, and whoever was not until the answer that says so.
    let ended = [Mark::Admitted, Mark::ResponseHead].into_iter().find_map(offset);
    let ended = ended.unwrap_or(line.duration);
    let mut began = ended.saturating_sub(waited().map(|ruling| ruling.waited).sum());
    for ruling in waited() {
        push(Part::Queue(ruling.layer), began, began + ruling.waited);
        began += ruling.waited;
    }
    let mut failed: Option<Duration> = None;
    for (index, attempt) in line.attempts.iter().enumerate() {
        if let Some(failed) = failed.filter(|failed| *failed + BACKOFF_MIN <= attempt.started) {
            push(Part::Backoff, failed, attempt.started);
        }
        let ended = attempt.started + attempt.took;
        push(Part::Attempt(index + 1, attempt), attempt.started, ended);
        if let Some(connect) = attempt.connect {
            push(Part::Connect(index + 1), attempt.started, attempt.started + connect);
        }
        failed = Some(ended);
    }
    if let Some(head) = offset(Mark::ResponseHead) {
        push(Part::Answer, head, line.duration);
    }
    steps
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authenticate => f.write_str("authenticate"),
            Self::Queue(layer) => write!(f, "queue {layer}"),
            Self::Attempt(number, _) => write!(f, "attempt {number}"),
            Self::Connect(number) => write!(f, "connect {number}"),
            Self::Backoff => f.write_str("backoff"),
            Self::Answer => f.write_str("answer"),
        }
    }
}

/// For people: `attempt 1 at 127.0.0.1:7001 ended ok after 12.3 ms`.
impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.part)?;
        if let Part::Attempt(_, attempt) = self.part {
            write!(f, " at {} ended {} after", attempt.endpoint, attempt.result)?;
        }
        write!(f, " {:.1} ms", self.took.as_secs_f64() * 1_000.0)
    }
}

#[cfg(test)]
mod tests;
