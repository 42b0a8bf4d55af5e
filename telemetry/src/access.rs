//! One JSON line an exchange: what was asked, what became of it, and when.

mod journal;
mod json;
mod log;
mod members;
mod recent;
mod refusals;
mod slow;
mod steps;
mod tails;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use headgate_types::{Class, Outcome, UnixTime};
use sha2::{Digest as _, Sha256};

use self::json::micros;
pub use self::{
    journal::{Journal, Mark},
    log::{BUFFER_BYTES_MAX, BUFFERS, Log, WRITE_INTERVAL, Writer},
    members::{COUNTS, LENGTHS, TEXTS},
    recent::{PARTS_MAX, Reach, Recent},
    refusals::REFUSAL_LINES_PER_SECOND,
    slow::SlowLog,
    steps::{Part, Step, steps},
    tails::{TAIL_BYTES_MAX, TAILS_MAX, Tail, Tails, Told, Wants},
};
use crate::{
    labels::{AttemptResult, Listener, Ruled},
    trace::{TraceContext, TraceParent},
};

/// Bytes of any one text in a line, before escaping; what is longer ends in `…`.
pub const TEXT_BYTES_MAX: usize = 1_024;
/// Attempts that one line lists; later ones are only in its count.
pub const ATTEMPTS_MAX: usize = 16;

/// What one line says. Everything is borrowed, since it is written at once.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// When the request's head was there.
    pub time: UnixTime,
    /// The exchange's trace.
    pub trace: &'a TraceContext,
    /// What an untrusted client claimed as its trace.
    pub untrusted_parent: Option<TraceParent>,
    /// Who sent what, and where.
    pub request: Request<'a>,
    /// How it ended.
    pub outcome: Outcome,
    /// The status that was sent. None when the client left before.
    pub status: Option<u16>,
    /// The error's code, such as `HG0012`. None when the origin answered.
    pub code: Option<&'static str>,
    /// Who was to serve it: `team`, `route` and `upstream`. None when no route matched.
    pub route: Option<&'a Members>,
    /// The device's class and the rule that decided it.
    pub device: Option<&'a headgate_types::Device>,
    /// What the request was worth.
    pub priority: Option<Class>,
    /// Who called.
    pub identity: Option<Caller<'a>>,
    /// The probe that it is. None: it is none.
    pub probe: Option<&'a str>,
    /// What the protective layers said, in the order in which they were met. A line names those
    /// that did not just admit.
    pub rulings: &'a [Ruling],
    /// The attempts, in order.
    pub attempts: &'a [Attempt],
    /// Bytes of the request body that were read from the client.
    pub request_bytes: u64,
    /// Bytes of the response body that were sent to the client.
    pub response_bytes: u64,
    /// How long the exchange lasted.
    pub duration: Duration,
    /// The steps it passed.
    pub journal: &'a Journal,
    /// The digest of the configuration in force, as `config`.
    pub config: &'a Members,
}

impl Line<'_> {
    /// Appends the line with what is kept beside it: one JSON object, without a newline.
    pub fn write_with(&self, detail: &Detail<'_>, out: &mut Vec<u8>) {
        json::write_with(out, self, detail);
    }
}

/// What is kept of an exchange beside its line, for whoever asks why.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detail<'a> {
    /// What the route matches, as `match`.
    pub route: Option<&'a Members>,
    /// How the arm was drawn, on a split route.
    pub arm: Option<ArmDetail>,
    /// The class that the route grants. None when none was asked for.
    pub granted: Option<Class>,
}

/// How an arm was drawn.
#[derive(Clone, Copy, Debug)]
pub struct ArmDetail {
    /// By what: `device_id`, `user`, `trace`, or `token` when a tester chose it.
    pub by: &'static str,
    /// The bucket of 10,000. None for a request without that unit, which is the rest's.
    pub bucket: Option<u16>,
}

/// Who sent what, and where.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The client: `client`, `client_port` and `listener`.
    pub client: &'a Members,
    /// The protocol on the connection.
    pub version: http::Version,
    /// The method.
    pub method: &'a str,
    /// Host or authority, as the client sent it. None in HTTP/1.0.
    pub host: Option<&'a str>,
    /// The path without its query, which may carry secrets.
    pub path: &'a str,
}

/// Members that many lines share, written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members(Box<[u8]>);

impl Members {
    /// Writes texts by name, in this order. The names stand as they are.
    pub fn of(texts: &[(&'static str, &str)]) -> Self {
        Self(json::texts(texts))
    }

    /// Writes who has connected, and where.
    pub fn of_client(address: SocketAddr, listener: Listener) -> Self {
        Self(json::client(address, listener))
    }
}

/// Who called: never the credential, and the subject only under a pseudonym.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The identity source that vouched.
    pub source: &'a str,
    /// The subject.
    pub subject: Pseudonym,
}

/// The first eight bytes of a subject's SHA-256: enough to find a person's requests when the
/// subject is known, without writing the subject down. Whoever can guess subjects can check a
/// guess, so the lines are still personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pseudonym([u8; 8]);

impl Pseudonym {
    /// Hashes a subject; worth keeping beside a cached identity.
    pub fn of(subject: &str) -> Self {
        let mut bytes = [0; 8];
        for (byte, hashed) in bytes.iter_mut().zip(Sha256::digest(subject)) {
            *byte = hashed;
        }
        Self(bytes)
    }

    /// The bytes, written as 16 hexadecimal digits.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// What one protective layer said of one exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ruling {
    /// The layer.
    pub layer: &'static str,
    /// Whether it acts: `enforce` or `observe`.
    pub mode: &'static str,
    /// What it said.
    pub ruled: Ruled,
    /// Why. None when it admitted.
    pub reason: Option<&'static str>,
    /// What was measured, in the reason's unit.
    pub observed: f64,
    /// What it may be.
    pub limit: f64,
    /// The request's rank, from 0 (kept longest) to 511.
    pub level: u16,
    /// Ranks from this one on were refused. None when the rank played no part.
    pub threshold: Option<u16>,
    /// When trying again makes sense. Zero when it admitted.
    pub retry_after: Duration,
    /// Time in its queue.
    pub waited: Duration,
}

/// One attempt at an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The endpoint's address.
    pub endpoint: Arc<str>,
    /// When it began, since the request's head.
    pub started: Duration,
    /// How long it took to have a connection. None when an open one was at hand.
    pub connect: Option<Duration>,
    /// How long the answer's head took, since the attempt's begin. None when none came.
    pub head: Option<Duration>,
    /// How long it lasted: to the answer's head, or until it failed.
    pub took: Duration,
    /// How it ended.
    pub result: AttemptResult,
}

#[cfg(test)]
pub(crate) mod tests;
