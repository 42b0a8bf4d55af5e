//! One copy: sent, answered, compared.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_router::balance::End;
use headgate_telemetry::{AttemptResult, MirrorResult};
use headgate_types::TraceId;
use http::{Request, request::Parts};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::{sync::oneshot, task::spawn_blocking, time::timeout};

use crate::{
    body::{BodyWatch, Capture, ClientBody, RequestBody, RequestBodyLimits},
    mirror::{ANSWER_BYTES_MAX, Mirror, Place, Seen},
    upstream::{Lease, SendError},
};

/// A copy with all that it needs; nothing in it is the caller's.
pub(crate) struct Job {
    pub(crate) mirror: Arc<Mirror>,
    pub(crate) place: Place,
    pub(crate) trace: TraceId,
    pub(crate) head: Parts,
    /// The body once the caller's upstream has it; none inside when it was too long. None: the
    /// request has no body.
    pub(crate) body: Option<oneshot::Receiver<Option<Bytes>>>,
    /// The caller's own answer, once it has ended.
    pub(crate) told: oneshot::Receiver<Seen>,
}

impl Job {
    /// Sends the copy, waits for both answers, compares and counts.
    ///
    /// # Cancel safety
    ///
    /// Dropped when its thread ends; the copy is then not counted.
    pub(crate) async fn run(self) {
        let mirror = Arc::clone(&self.mirror);
        let (place, result) = self.carry_out().await;
        mirror.count(result);
        drop(place);
    }

    async fn carry_out(self) -> (Place, MirrorResult) {
        let Self { mirror, place, trace, head, body, told } = self;
        let patience = mirror.settings.timeout;
        let body = match body {
            None => Bytes::new(),
            Some(passing) => match timeout(patience, passing).await {
                Ok(Ok(Some(body))) => body,
                Ok(Ok(None)) => return (place, MirrorResult::TooLarge),
                // The caller's own request never went as a whole.
                Ok(Err(_)) | Err(_) => return (place, MirrorResult::Unanswered),
            },
        };
        let answered = {
            // Closed never: the semaphore lives as long as the mirror.
            let _turn = mirror.places.acquire().await;
            ask(&mirror, &head, &body).await
        };
        let seen = match answered {
            Ok(seen) => seen,
            Err(result) => return (place, result),
        };
        let Ok(Ok(own)) = timeout(patience, told).await else {
            return (place, MirrorResult::Unanswered);
        };
        if let (Some(caller), Some(copy)) = (own.head, seen.head) {
            mirror.metrics.answered(caller, copy);
            mirror.tally.answered(caller, copy);
        }
        if !mirror.reads_bodies {
            let result = mirror.tally.compare(trace, &own, &seen);
            return (place, result);
        }
        // Not on the thread that serves: a body takes up to a millisecond to parse.
        let compared = spawn_blocking(move || mirror.tally.compare(trace, &own, &seen)).await;
        (place, compared.unwrap_or(MirrorResult::Incomparable))
    }
}

/// Asks the mirror's upstream, once.
async fn ask(mirror: &Mirror, head: &Parts, body: &Bytes) -> Result<Seen, MirrorResult> {
    let upstream = &mirror.upstream;
    let call = upstream.balancer.pick(mirror.clock.now(), fastrand::u64(..), |_| false);
    let mut call = call.ok_or(MirrorResult::Failed)?;
    let sent = timeout(mirror.settings.timeout, send(mirror, call.endpoint(), head, body)).await;
    let now = mirror.clock.now();
    match sent {
        Ok(Ok(seen)) => {
            let is_refusal = seen.status >= 500 || seen.status == 429;
            let end = if is_refusal { End::Failure } else { End::Success };
            call.answered(now, end);
            call.finish(now, end);
            let is_5xx = seen.status >= 500;
            let result = if is_5xx { AttemptResult::Origin5xx } else { AttemptResult::Ok };
            upstream.metrics.attempted(result);
            Ok(seen)
        }
        Ok(Err(result)) => {
            call.finish(now, End::Failure);
            upstream.metrics.attempted(result);
            Err(MirrorResult::Failed)
        }
        Err(_elapsed) => {
            call.finish(now, End::Failure);
            upstream.metrics.attempted(AttemptResult::Timeout);
            Err(MirrorResult::Timeout)
        }
    }
}

async fn send(
    mirror: &Mirror,
    endpoint: usize,
    head: &Parts,
    body: &Bytes,
) -> Result<Seen, AttemptResult> {
    let upstream = &mirror.upstream;
    let is_repeatable = body.is_empty() && head.method.is_idempotent();
    let mut lease = Lease::take(upstream, endpoint, is_repeatable).await;
    loop {
        let mut connection = lease.map_err(|error| error.result())?;
        let began = mirror.clock.now();
        let sent = connection.send(|| Some(request(head, body, mirror.settings.timeout))).await;
        match sent {
            Ok(response) => {
                let head = mirror.clock.now().since(began);
                upstream.metrics.answered(head);
                let status = response.status().as_u16();
                let body = read(response.into_body(), mirror.reads_bodies).await?;
                if body.is_whole {
                    connection.give_back();
                }
                return Ok(Seen { status, head: Some(head), body: body.kept });
            }
            // One that had died while it was kept.
            Err(SendError::Unsent(_)) if connection.is_reused => {}
            Err(SendError::Sent(_)) if connection.is_reused && is_repeatable => {}
            Err(_) => return Err(AttemptResult::Reset),
        }
        upstream.metrics.attempted(AttemptResult::Stale);
        lease = Box::pin(Lease::open(upstream, endpoint)).await;
    }
}

fn request(head: &Parts, body: &Bytes, idle: Duration) -> Request<RequestBody> {
    let limits = RequestBodyLimits { bytes_max: u64::MAX, idle };
    let body = if body.is_empty() {
        RequestBody::Empty
    } else {
        RequestBody::streaming(ClientBody::from(body.clone()), limits, Arc::<BodyWatch>::default())
    };
    Request::from_parts(head.clone(), body)
}

/// The mirror's answer, as far as it was read.
struct Read {
    kept: Option<Bytes>,
    /// Whether its connection can be used again.
    is_whole: bool,
}

/// Reads an answer up to the limit.
async fn read(mut body: Incoming, is_kept: bool) -> Result<Read, AttemptResult> {
    let mut capture = Capture::new(if is_kept { ANSWER_BYTES_MAX } else { 0 });
    let mut bytes_count = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| AttemptResult::Reset)?;
        let Some(piece) = frame.data_ref() else { continue };
        bytes_count += piece.len();
        capture.keep(piece);
        if bytes_count > ANSWER_BYTES_MAX {
            return Ok(Read { kept: None, is_whole: false });
        }
    }
    Ok(Read { kept: capture.whole().filter(|_| is_kept), is_whole: true })
}
