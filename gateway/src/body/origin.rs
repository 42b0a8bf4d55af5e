//! An origin's answer on its way to the client.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use headgate_router::{
    balance::{Call, End},
    overload::limit,
};
use headgate_types::{Clock, Deadline, Moment};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::{
    body::BodyError, error::Error, headers, overload::Permits, record::Record, streams,
    upstream::Lease,
};

/// How long an answer's body may take.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// To its end by the exchange's deadline; the error says whose it is.
    By(Deadline, Error),
    /// Forever, as long as the silence between two pieces stays below this: an event stream or
    /// gRPC, which end when one of their sides wants.
    Streaming(Duration),
}

/// What an exchange holds until its answer's last byte was read.
pub(crate) struct Held {
    pub(crate) lease: Lease,
    pub(crate) call: Call,
    /// None where the answer may last for as long as it likes.
    pub(crate) permits: Option<Permits>,
}

/// The origin's body, with what must happen when it ends.
pub struct OriginBody {
    incoming: Incoming,
    lease: Option<Lease>,
    call: Option<Call>,
    permits: Option<Permits>,
    /// When the last piece went, which was not the last.
    passed_at: Option<Moment>,
    record: Option<Box<Record>>,
    clock: Arc<dyn Clock>,
    pace: Pace,
    timer: Option<Pin<Box<Sleep>>>,
    bytes: u64,
    /// What was read before any of it is passed on.
    ahead: Option<Ahead>,
}

/// The beginning of a body that is read before any of it is passed on.
#[derive(Debug, Default)]
struct Ahead {
    frames: VecDeque<Bytes>,
    broken: Option<Error>,
}

/// How reading ahead ended.
#[derive(Debug)]
pub(crate) enum ReadAhead {
    /// At the body's end.
    Whole(Bytes),
    /// Above the limit; the body passes on what was read, and the rest.
    Larger(Box<OriginBody>),
    /// The body broke off.
    Broken(Error),
}

impl fmt::Debug for OriginBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OriginBody").field("pace", &self.pace).finish_non_exhaustive()
    }
}

impl OriginBody {
    /// Passes on the body; the connection goes back to its pool at the end.
    pub(crate) fn new(incoming: Incoming, held: Held, pace: Pace, record: Box<Record>) -> Self {
        let Held { lease, call, permits } = held;
        let clock = Arc::clone(record.clock());
        let mut body = Self {
            incoming,
            lease: Some(lease),
            call: Some(call),
            permits,
            passed_at: None,
            record: Some(record),
            clock,
            pace,
            timer: None,
            bytes: 0,
            ahead: None,
        };
        // hyper polls no body that has none: the answer to a HEAD, a 204, a 304.
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    /// Reads the body up to a limit, before any of it is passed on. Trailers of a body that is
    /// within the limit are lost.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the body, and cancels the call.
    pub(crate) async fn read_ahead(
        incoming: Incoming,
        (held, pace): (Held, Pace),
        record: &Record,
        bytes_max: usize,
    ) -> ReadAhead {
        let Held { lease, call, permits } = held;
        let mut body = Self {
            incoming,
            lease: Some(lease),
            call: Some(call),
            permits,
            passed_at: None,
            record: None,
            clock: Arc::clone(record.clock()),
            pace,
            timer: None,
            bytes: 0,
            ahead: Some(Ahead::default()),
        };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        let mut bytes_count = 0;
        while bytes_count <= bytes_max
            && let Some(Ok(frame)) = poll_fn(|cx| body.poll_incoming(cx)).await
        {
            let Ok(piece) = frame.into_data() else { continue };
            bytes_count += piece.len();
            body.ahead.get_or_insert_default().frames.push_back(piece);
        }
        // What is passed on is counted when it goes.
        body.bytes = 0;
        if bytes_count > bytes_max {
            return ReadAhead::Larger(Box::new(body));
        }
        let ahead = body.ahead.take().unwrap_or_default();
        if let Some(error) = ahead.broken {
            return ReadAhead::Broken(error);
        }
        if let Some(lease) = body.lease.take().filter(|_| !record.end_request_body()) {
            lease.give_back();
        }
        ReadAhead::Whole(joined(ahead.frames))
    }

    /// Gives a body that was read ahead the record that it closes at its end.
    pub(crate) fn with_record(mut self: Box<Self>, record: Box<Record>) -> Box<Self> {
        self.record = Some(record);
        self
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        streams::note(self.poll_next(cx))
    }

    /// What was read ahead, then the rest.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(ahead) = &mut self.ahead {
            if let Some(piece) = ahead.frames.pop_front() {
                self.bytes += piece.len() as u64;
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            self.ahead = None;
            // It may have ended with the piece that passed the limit.
            if self.call.is_none() {
                self.finish();
                return Poll::Ready(None);
            }
        }
        self.poll_incoming(cx)
    }

    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        // Who asks again only now has taken so long to pass the piece on.
        if let (Some(passed_at), Some(permits)) = (self.passed_at.take(), &mut self.permits) {
            permits.untaken(self.clock.now().since(passed_at));
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    headers::strip_ours(trailers);
                }
                if let Some(data) = frame.data_ref() {
                    self.bytes += data.len() as u64;
                    if let Some(record) = &mut self.record {
                        record.passes(data);
                    }
                }
                if matches!(self.pace, Pace::Streaming(_)) {
                    self.timer = None;
                }
                if self.incoming.is_end_stream() {
                    self.finish();
                } else if self.permits.is_some() {
                    self.passed_at = Some(self.clock.now());
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.fail(Error::Reset);
                Poll::Ready(Some(Err(BodyError::Origin(error))))
            }
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Pending => {
                ready!(self.timer().as_mut().poll(cx));
                let (error, broken_off) = match self.pace {
                    Pace::By(_, late) => (late, BodyError::Deadline),
                    Pace::Streaming(_) => (Error::AttemptTimeout, BodyError::Idle),
                };
                self.fail(error);
                Poll::Ready(Some(Err(broken_off)))
            }
        }
    }

    /// Made when there is something to wait for, so that an answer in one piece costs none.
    fn timer(&mut self) -> &mut Pin<Box<Sleep>> {
        let (clock, pace) = (&self.clock, self.pace);
        self.timer.get_or_insert_with(|| {
            let left = match pace {
                Pace::By(deadline, _) => deadline.remaining(clock.now()).unwrap_or_default(),
                Pace::Streaming(idle) => idle,
            };
            Box::pin(tokio::time::sleep_until(Instant::now() + left))
        })
    }

    fn finish(&mut self) {
        if self.ahead.is_some() {
            let now = self.clock.now();
            if let Some(call) = self.call.take() {
                call.finish(now, End::Success);
            }
            if let Some(permits) = self.permits.take() {
                permits.finish(now);
            }
            return;
        }
        let is_early = self.record.as_ref().is_some_and(|record| record.end_request_body());
        if let Some(lease) = self.lease.take().filter(|_| !is_early) {
            lease.give_back();
        }
        let now = self.clock.now();
        if let Some(call) = self.call.take() {
            call.finish(now, End::Success);
        }
        if let Some(permits) = self.permits.take() {
            permits.finish(now);
        }
        if let Some(mut record) = self.record.take() {
            record.bytes_out = self.bytes;
            record.ended(now);
        }
    }

    fn fail(&mut self, error: Error) {
        self.lease = None;
        let now = self.clock.now();
        if let Some(call) = self.call.take() {
            call.finish(now, End::Failure);
        }
        // Where the client has asked for less time than the route gives, it is as if it had left.
        let is_load = error != Error::DeadlineExceeded;
        if let Some(permits) = self.permits.take().filter(|_| is_load) {
            permits.end(now, limit::End::Dropped);
        }
        if let Some(ahead) = &mut self.ahead {
            ahead.broken = Some(error);
            return;
        }
        if let Some(mut record) = self.record.take() {
            record.bytes_out = self.bytes;
            record.fail(error);
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.ahead.is_none() && self.incoming.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        // What was read ahead is no longer in the incoming body's own hint.
        if self.ahead.is_some() { SizeHint::default() } else { self.incoming.size_hint() }
    }
}

fn joined(frames: VecDeque<Bytes>) -> Bytes {
    let mut frames = frames.into_iter();
    match (frames.next(), frames.len()) {
        (None, _) => Bytes::new(),
        (Some(only), 0) => only,
        (Some(first), _) => {
            let mut all = BytesMut::from(first);
            frames.for_each(|frame| all.extend_from_slice(&frame));
            all.freeze()
        }
    }
}

impl Drop for OriginBody {
    fn drop(&mut self) {
        if let (Some(passed_at), Some(permits)) = (self.passed_at, &mut self.permits) {
            permits.untaken(self.clock.now().since(passed_at));
        }
        // Still there: nobody read the body to its end, so the client left.
        if let Some(mut record) = self.record.take() {
            record.bytes_out = self.bytes;
            record.fail(Error::ClientLeft);
        }
    }
}
