//! Requests that the edge sends to itself, marked, to see that all of their way works: listener,
//! route, upstream or log, handlers, results.

mod call;
mod mark;

use std::{net::SocketAddr, time::Duration};

use headgate_telemetry::ProbeResult;
use headgate_types::TraceId;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep, timeout_at};

use self::call::{Answer, Caller};
pub(crate) use self::mark::Mark;
use crate::{edge::Edge, server::Address, settings::Probe, step::results};

/// Between two looks whether handlers are done, beyond the time for which the edge itself waits.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a probe shows of itself: a header.
pub type Credential = (HeaderName, HeaderValue);

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// In a word.
    pub result: ProbeResult,
    /// The trace of all that it began. None: no answer came.
    pub trace: Option<TraceId>,
    /// The status of the answer. None: none came.
    pub status: Option<u16>,
    /// From its first byte to the last result.
    pub took: Duration,
    /// What went wrong. None: nothing did.
    pub fault: Option<String>,
}

impl Edge {
    /// Sends a probe to one of the edge's own listeners, with the credential that it is to show, and
    /// waits for what it begins. Never longer than the probe's time.
    pub async fn probe(
        &self,
        to: Address,
        probe: &Probe,
        credential: Option<Credential>,
    ) -> Probed {
        let began = Instant::now();
        let ends = began + probe.timeout;
        let mut probed = Probed {
            result: ProbeResult::Ok,
            trace: None,
            status: None,
            took: Duration::ZERO,
            fault: None,
        };
        let run = timeout_at(ends, self.run(to, (probe, credential), &mut probed, ends)).await;
        let ended = run.unwrap_or_else(|_late| {
            let fault = match probed.status {
                None => "no answer came in time".to_owned(),
                Some(_) => "its handlers were not done in time".to_owned(),
            };
            Err((ProbeResult::Timeout, fault))
        });
        probed.took = began.elapsed();
        if let Err((result, fault)) = ended {
            (probed.result, probed.fault) = (result, Some(fault));
        }
        probed
    }

    async fn run(
        &self,
        to: Address,
        (probe, credential): (&Probe, Option<Credential>),
        probed: &mut Probed,
        ends: Instant,
    ) -> Result<(), (ProbeResult, String)> {
        let unreachable = |fault: String| (ProbeResult::Unreachable, fault);
        let mark = self.mark.as_ref().and_then(|mark| mark.shown(&probe.name));
        let mark = mark.ok_or_else(|| unreachable("it can't be marked".to_owned()))?;
        let mut caller =
            Caller::open(self, to, (probe, credential, mark)).await.map_err(unreachable)?;
        let answer = caller.send().await.map_err(unreachable)?;
        (probed.trace, probed.status) = (answer.trace, Some(answer.status.as_u16()));
        if !answer.status.is_success() {
            return Err((ProbeResult::Status, format!("it was answered {}", answer.status)));
        }
        let Some(location) = answer.location.filter(|it| it.starts_with(results::PREFIX)) else {
            return Ok(());
        };
        if answer.status != StatusCode::ACCEPTED {
            return Ok(());
        }
        loop {
            let left = ends.saturating_duration_since(Instant::now());
            let looked = caller.look(&location, left).await.map_err(unreachable)?;
            match looked.status {
                StatusCode::OK => return done(&looked),
                StatusCode::ACCEPTED => sleep(LOOK_EVERY).await,
                other => {
                    return Err((
                        ProbeResult::Status,
                        format!("its results were answered {other}"),
                    ));
                }
            }
        }
    }
}

/// Whether all handlers have done their work.
fn done(answer: &Answer) -> Result<(), (ProbeResult, String)> {
    let results: Map<String, Value> = serde_json::from_slice(&answer.body).unwrap_or_default();
    let failed = results.iter().find_map(|(handler, result)| {
        Some(format!("{handler}: {}", result.get("error")?.as_str().unwrap_or("failed")))
    });
    failed.map_or(Ok(()), |fault| Err((ProbeResult::Handler, fault)))
}

/// Where a socket that listens on all addresses can be called.
fn callable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let loopback = match address {
        SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(loopback, address.port())
}

#[cfg(test)]
mod tests;
