//! An answer as it is kept.

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// Bytes of all headers of a kept answer, at most.
pub const HEAD_BYTES_MAX: usize = 16 << 10;

/// The first byte of a kept answer.
const VERSION: u8 = 1;
const KEPT: u8 = 0;
const NOT_KEPT: u8 = 1;

/// What became of the first request with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its answer, to be repeated.
    Kept {
        /// The status.
        status: StatusCode,
        /// The headers, [`kept_headers`](crate::http::kept_headers) of the answer's.
        headers: HeaderMap,
        /// The body.
        body: Bytes,
    },
    /// It was answered, and its answer was too long to be kept.
    NotKept {
        /// The status.
        status: StatusCode,
    },
}

/// What is kept is no answer: a newer version wrote it, or something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is kept is no answer that this version reads")]
pub struct Unreadable;

impl Answer {
    /// The status with which the first request was answered.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Kept { status, .. } | Self::NotKept { status } => *status,
        }
    }

    /// The answer in bytes: version, kind and status, then, of one that is kept, each header with
    /// its lengths, and the body. An answer whose headers are above [`HEAD_BYTES_MAX`] becomes one
    /// that is not kept.
    pub fn encode(&self) -> Bytes {
        let (status, kept) = match self {
            Self::Kept { status, headers, body } => (*status, Some((headers, body))),
            Self::NotKept { status } => (*status, None),
        };
        let kept = kept.and_then(|(headers, body)| Some((head(headers)?, body)));
        let mut bytes = BytesMut::with_capacity(4 + kept.as_ref().map_or(0, size));
        bytes.put_u8(VERSION);
        bytes.put_u8(if kept.is_some() { KEPT } else { NOT_KEPT });
        bytes.put_u16(status.as_u16());
        if let Some((head, body)) = kept {
            bytes.extend_from_slice(&head);
            bytes.extend_from_slice(body);
        }
        bytes.freeze()
    }

    /// Reads what [`Answer::encode`] wrote; the body shares the bytes.
    ///
    /// # Errors
    ///
    /// [`Unreadable`].
    pub fn decode(mut bytes: Bytes) -> Result<Self, Unreadable> {
        if bytes.try_get_u8().map_err(|_| Unreadable)? != VERSION {
            return Err(Unreadable);
        }
        let kind = bytes.try_get_u8().map_err(|_| Unreadable)?;
        let status = bytes.try_get_u16().map_err(|_| Unreadable)?;
        let status = StatusCode::from_u16(status).map_err(|_| Unreadable)?;
        match kind {
            NOT_KEPT if bytes.is_empty() => Ok(Self::NotKept { status }),
            KEPT => {
                let headers = read_head(&mut bytes)?;
                Ok(Self::Kept { status, headers, body: bytes })
            }
            _ => Err(Unreadable),
        }
    }
}

fn size((head, body): &(BytesMut, &Bytes)) -> usize {
    head.len() + body.len()
}

/// The number of headers, then each name and value behind its length. None above the limit.
fn head(headers: &HeaderMap) -> Option<BytesMut> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > HEAD_BYTES_MAX {
        return None;
    }
    let mut head = BytesMut::with_capacity(bytes + 4 * headers.len() + 2);
    head.put_u16(u16::try_from(headers.len()).ok()?);
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), value.as_bytes()] {
            head.put_u16(u16::try_from(part.len()).ok()?);
            head.extend_from_slice(part);
        }
    }
    Some(head)
}

fn read_head(bytes: &mut Bytes) -> Result<HeaderMap, Unreadable> {
    let count = bytes.try_get_u16().map_err(|_| Unreadable)?;
    // The count is not trusted with memory: what is not there ends the reading.
    let mut headers = HeaderMap::new();
    for _ in 0..count {
        let (name, value) = (part(bytes)?, part(bytes)?);
        let name = HeaderName::from_bytes(&name).map_err(|_| Unreadable)?;
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| Unreadable)?;
        headers.try_append(name, value).map_err(|_| Unreadable)?;
    }
    Ok(headers)
}

fn part(bytes: &mut Bytes) -> Result<Bytes, Unreadable> {
    let length = usize::from(bytes.try_get_u16().map_err(|_| Unreadable)?);
    if length > bytes.len() {
        return Err(Unreadable);
    }
    Ok(bytes.split_to(length))
}
