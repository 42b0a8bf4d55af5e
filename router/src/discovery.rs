//! What an answer of a name server comes to: the endpoints that are asked from then on, and when to
//! look again.
//!
//! An answer is believed unless nobody could mean it. One without a single address that can be an
//! endpoint changes nothing: a service that is really gone is told by its endpoints, which no
//! longer answer, while a name server that has lost its zone says the same of services that are
//! well.

use std::{net::SocketAddr, num::NonZeroU16, time::Duration};

use crate::health::ENDPOINTS_MAX;

/// A wait between two looks is longer by up to this share of it, so that edges which began together
/// do not look together for ever.
const JITTER: f64 = 0.1;
/// The longest wait after a look that failed: whoever waits for a name server to come back should
/// not wait for long.
const RETRY_MAX: Duration = Duration::from_secs(15);

/// An address that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its share of the calls, as compared with others.
    pub weight: NonZeroU16,
}

/// What a service's record says of one target (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Only targets of the least priority are asked.
    pub priority: u16,
    /// Its share of the calls.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The name whose addresses it has.
    pub name: String,
}

/// Why a look has changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The name does not exist.
    NoName,
    /// The name exists and has nothing of what was asked for.
    Empty,
    /// No address can be an endpoint.
    Unusable,
    /// There was no answer in time.
    Timeout,
    /// No name server could be reached.
    Unreachable,
    /// A name server can't or won't answer.
    Refused,
    /// The answer can't be read.
    Garbled,
}

impl Fault {
    /// What is wrong, in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoName => "the name does not exist",
            Self::Empty => "the name has no addresses",
            Self::Unusable => "no address can be an endpoint",
            Self::Timeout => "no answer in time",
            Self::Unreachable => "no name server can be reached",
            Self::Refused => "the name server can't answer",
            Self::Garbled => "the answer can't be read",
        }
    }
}

/// The endpoints of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Sorted, each address once.
    pub found: Vec<Found>,
    /// Addresses beyond [`ENDPOINTS_MAX`], which are left out.
    pub left_out: usize,
}

/// The endpoints of an answer: without what can be none, in one order, at most [`ENDPOINTS_MAX`].
/// Of more, the first by their addresses stay, so that two answers of the same have the same set.
///
/// # Errors
///
/// [`Fault::Empty`] and [`Fault::Unusable`].
pub fn judge(answer: impl IntoIterator<Item = Found>) -> Result<Set, Fault> {
    let mut found: Vec<_> = answer.into_iter().collect();
    if found.is_empty() {
        return Err(Fault::Empty);
    }
    found.retain(|one| is_usable(one.address));
    found.sort();
    found.dedup_by_key(|one| one.address);
    let left_out = found.len().saturating_sub(ENDPOINTS_MAX);
    found.truncate(ENDPOINTS_MAX);
    if found.is_empty() { Err(Fault::Unusable) } else { Ok(Set { found, left_out }) }
}

/// Whether somebody can listen there.
fn is_usable(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let is_broadcast = matches!(ip, std::net::IpAddr::V4(ip) if ip.is_broadcast());
    address.port() > 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}

/// The targets that are asked: those of the least priority, at most [`ENDPOINTS_MAX`]. The root as a
/// target says that there is no such service (RFC 2782), and is left out.
pub fn preferred(targets: impl IntoIterator<Item = Target>) -> Vec<Target> {
    let mut targets: Vec<_> =
        targets.into_iter().filter(|one| !matches!(one.name.as_str(), "" | ".")).collect();
    let least = targets.iter().map(|one| one.priority).min();
    targets.retain(|one| Some(one.priority) == least);
    targets.sort_by(|one, other| (&one.name, one.port).cmp(&(&other.name, other.port)));
    targets.truncate(ENDPOINTS_MAX);
    targets
}

/// A record's weight. One of zero stands for "hardly any" (RFC 2782), and counts as the least.
pub fn weight(of_record: u16) -> NonZeroU16 {
    NonZeroU16::new(of_record).unwrap_or(NonZeroU16::MIN)
}

/// The least and the longest time between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// However short answers are good for.
    pub least: Duration,
    /// However long answers are good for.
    pub longest: Duration,
}

impl Pace {
    /// The wait after an answer that is good for so long. `draw` is from 0 to 1.
    pub fn after_answer(self, good_for: Duration, draw: f64) -> Duration {
        // A least above the longest would make `clamp` panic.
        spread(good_for.min(self.longest).max(self.least), draw)
    }

    /// The wait after so many looks in a row that failed, counted from 1: the least, then twice
    /// that, and so on, up to the longest or 15 s, whichever is less.
    pub fn after_fault(self, faults: u32, draw: f64) -> Duration {
        let doublings = faults.saturating_sub(1).min(16);
        let wait = self.least.saturating_mul(1 << doublings);
        spread(wait.min(self.longest.min(RETRY_MAX)).max(self.least), draw)
    }
}

fn spread(wait: Duration, draw: f64) -> Duration {
    wait.mul_f64(1.0 + JITTER * draw)
}

#[cfg(test)]
mod tests;
