//! What a client is told, as the body of an event stream.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Frame;

use super::{Feed, Said, frames};
use crate::{body::BodyError, record::Record, streams};

/// What comes next, with the feed that gives what follows.
type Saying = Pin<Box<dyn Future<Output = (Feed, Said)> + Send>>;

/// The body of an event stream, which ends when the client leaves or is told to.
pub struct PushBody {
    /// None: nothing comes any more.
    next: Option<Saying>,
    record: Box<Record>,
}

impl fmt::Debug for PushBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushBody").field("is_open", &self.next.is_some()).finish_non_exhaustive()
    }
}

impl PushBody {
    pub(crate) fn new(feed: Feed, record: Box<Record>) -> Self {
        Self { next: Some(next(feed)), record }
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        streams::note(self.poll_next(cx))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(waiting) = &mut self.next else { return Poll::Ready(None) };
        let (feed, said) = ready!(waiting.as_mut().poll(cx));
        self.next = match said {
            Said::CutOff => {
                self.next = None;
                return Poll::Ready(Some(Err(BodyError::CutOff)));
            }
            Said::GoAway(_) => None,
            _ => Some(next(feed)),
        };
        let piece = frames::event_stream(&said);
        self.record.bytes_out += piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

fn next(mut feed: Feed) -> Saying {
    Box::pin(async move {
        let said = feed.next().await;
        (feed, said)
    })
}
