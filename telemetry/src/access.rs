//! One JSON line an exchange: what was asked, what became of it, and when.

mod journal;
mod json;
mod log;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use headgate_types::{Class, Outcome, UnixTime};
use sha2::{Digest as _, Sha256};

pub use self::{
    journal::{Journal, Mark},
    log::{BUFFER_BYTES_MAX, BUFFERS, Log, WRITE_INTERVAL, Writer},
};
use crate::{
    labels::{AttemptResult, Listener},
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

/// One attempt at an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The endpoint's address.
    pub endpoint: Arc<str>,
    /// When it began, since the request's head.
    pub started: Duration,
    /// How long opening a connection took. None when an open one was used.
    pub connect: Option<Duration>,
    /// How long the answer's head took, since the attempt's begin. None when none came.
    pub head: Option<Duration>,
    /// How it ended.
    pub result: AttemptResult,
}

#[cfg(test)]
mod tests;
