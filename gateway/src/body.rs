//! Bodies on their way through: counted, limited and timed. None is collected but those of a
//! request with an idempotency key and of its answer, up to their limits.

mod capture;
mod client;
mod origin;
mod request;

pub use crate::body::client::ClientBody;
pub(crate) use crate::body::{
    capture::Capture,
    origin::{Held, OriginBody, Pace, ReadAhead},
    request::{BodyWatch, RequestBody, RequestBodyLimits},
};

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::{error::Error, push::PushBody, record::Record};

/// The body of an answer.
#[derive(Debug)]
pub enum ResponseBody {
    /// An answer of the edge's own.
    Own(OwnBody),
    /// The origin's.
    Origin(Box<OriginBody>),
    /// What is pushed to the client, for as long as it stays.
    Pushes(Box<PushBody>),
}

/// A body that is in memory as a whole.
#[derive(Debug)]
pub struct OwnBody {
    bytes: Option<Bytes>,
    /// Written when the body has been handed over or dropped.
    record: Option<Box<Record>>,
}

impl ResponseBody {
    /// Answers with these bytes; the record is closed when they have been taken.
    pub(crate) fn own(bytes: Bytes, record: Option<Box<Record>>) -> Self {
        Self::Own(OwnBody { bytes: (!bytes.is_empty()).then_some(bytes), record })
    }

    /// Drops an answer that nobody waits for any more: its client has left.
    pub(crate) fn abandon(self) {
        // An origin's body says so by itself.
        if let Self::Own(OwnBody { record: Some(mut record), .. }) = self {
            record.fail(Error::ClientLeft);
        }
    }
}

/// Why a body broke off. The connection ends with it, so the client can't take a part for the
/// whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The origin broke off.
    #[error("origin broke off its body")]
    Origin(#[source] hyper::Error),
    /// The exchange's time was up.
    #[error("deadline passed within the body")]
    Deadline,
    /// Nothing came for too long.
    #[error("body idled too long")]
    Idle,
    /// The client took too little of what is pushed to it.
    #[error("client is too slow for what is pushed to it")]
    CutOff,
}

impl From<Infallible> for BodyError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Own(own) => {
                drop(own.record.take());
                Poll::Ready(own.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Origin(origin) => origin.poll_frame(cx),
            Self::Pushes(pushes) => pushes.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(own) => own.bytes.is_none(),
            Self::Origin(origin) => origin.is_end_stream(),
            Self::Pushes(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(own) => {
                SizeHint::with_exact(own.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Origin(origin) => origin.size_hint(),
            Self::Pushes(_) => SizeHint::default(),
        }
    }
}
