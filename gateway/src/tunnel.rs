//! Two upgraded connections joined: bytes pass both ways until a side ends.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use headgate_router::balance::{Call, End};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONNECTION, UPGRADE},
    request::Parts,
};
use hyper::{
    ext::Protocol,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    error::Error,
    headers::{WEBSOCKET_ACCEPT, WEBSOCKET_KEY},
    push::accept_value,
    record::Record,
    websocket::{Frames, GOING_AWAY},
};

/// Bytes in transit in each direction of one tunnel: the most that waits for a slow reader.
const BUFFER_BYTES: usize = 16 << 10;
/// Time that a client has to close after it was told, as in Zuul Push.
const CLOSE_WAIT: Duration = Duration::from_secs(4);
/// Time that both sides have to switch protocols after the answer that says so.
const SWITCH_WITHIN: Duration = Duration::from_secs(10);
/// Spread of the goodbyes, so that not all clients come back at once.
const GOODBYE_SPREAD: Duration = Duration::from_secs(2);

type Io = TokioIo<Upgraded>;

/// The client's half of a `WebSocket` that is being opened.
pub(crate) struct Switch {
    downstream: OnUpgrade,
    /// What the endpoint must say to the edge's own key. None: the key is the client's, and so is
    /// the look at what is said to it.
    accept: Option<HeaderValue>,
}

impl Switch {
    /// Takes it from a request. One on a stream of HTTP/2 has no key (RFC 8441, 5), and an endpoint
    /// that speaks HTTP/1.1 wants one, so the edge shakes hands in its place.
    pub(crate) fn take(parts: &mut Parts) -> Option<Self> {
        let downstream = parts.extensions.remove::<OnUpgrade>()?;
        let accept = parts.extensions.remove::<Protocol>().and_then(|_| {
            let key = STANDARD.encode(fastrand::u128(..).to_be_bytes());
            let accept = accept_value(key.as_bytes());
            parts.headers.insert(WEBSOCKET_KEY, HeaderValue::try_from(key).ok()?);
            Some(accept)
        });
        Some(Self { downstream, accept })
    }

    /// Whether the client waits on a stream of HTTP/2, to which any success says that it is open.
    pub(crate) fn is_stream(&self) -> bool {
        self.accept.is_some()
    }

    /// Whether the endpoint has shaken hands as it should.
    pub(crate) fn is_agreed(&self, headers: &HeaderMap) -> bool {
        let accept = headers.get(WEBSOCKET_ACCEPT);
        self.accept.as_ref().is_none_or(|expected| accept == Some(expected))
    }

    /// Says to the client that it is open.
    pub(crate) fn tell<B>(&self, response: &mut Response<B>) {
        if self.is_stream() {
            *response.status_mut() = StatusCode::OK;
            response.headers_mut().remove(WEBSOCKET_ACCEPT);
            return;
        }
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
}

/// Joins the two sides once both have switched protocols; the call and the record end with the
/// tunnel.
pub(crate) fn spawn(switch: Switch, upstream: OnUpgrade, call: Call, mut record: Box<Record>) {
    tokio::spawn(async move {
        let downstream = switch.downstream;
        let switched = timeout(SWITCH_WITHIN, async { tokio::try_join!(downstream, upstream) });
        let Ok(Ok((downstream, upstream))) = switched.await else {
            call.finish(record.clock().now(), End::Failure);
            return record.fail(Error::Reset);
        };
        let (idle, end) = (record.stream_idle(), record.tunnel_end());
        let carried = run(downstream, upstream, idle, end).await;
        record.bytes_in = carried.bytes_in;
        record.bytes_out = carried.bytes_out;
        call.finish(record.clock().now(), End::Success);
    });
}

/// What a tunnel carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Carried {
    /// Bytes from the client.
    bytes_in: u64,
    /// Bytes to the client.
    bytes_out: u64,
}

/// When anything last passed, in either direction: a side that only listens is not idle.
struct Pulse {
    start: Instant,
    last_millis: AtomicU64,
    idle: Duration,
}

impl Pulse {
    fn new(idle: Duration) -> Self {
        Self { start: Instant::now(), last_millis: AtomicU64::new(0), idle }
    }

    fn beat(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_millis.store(millis, Ordering::Relaxed);
    }

    /// Returns once nothing has passed for the idle time.
    async fn stopped(&self) {
        loop {
            let last = Duration::from_millis(self.last_millis.load(Ordering::Relaxed));
            let due = self.start + last + self.idle;
            if Instant::now() >= due {
                return;
            }
            sleep_until(due).await;
        }
    }
}

/// Joins a client and an endpoint that speak WebSocket, until one of them ends, nothing passes for
/// `idle`, or its end has come: then the client is told "going away" between two frames.
async fn run(
    downstream: Upgraded,
    upstream: Upgraded,
    idle: Duration,
    end: impl Future<Output = ()>,
) -> Carried {
    let (down_read, down_write) = split(TokioIo::new(downstream));
    let (up_read, up_write) = split(TokioIo::new(upstream));
    let mut carried = Carried::default();
    let pulse = Pulse::new(idle);
    {
        let inward = carry(down_read, up_write, &pulse, &mut carried.bytes_in);
        let outward = carry_outward(up_read, down_write, &pulse, end, &mut carried.bytes_out);
        tokio::pin!(inward, outward);
        // Either end closes the tunnel; the other side gets the time that a closing handshake
        // takes to pass what is under way.
        tokio::select! {
            _ended = &mut inward => { let _late = timeout(CLOSE_WAIT, outward).await; }
            _ended = &mut outward => { let _late = timeout(CLOSE_WAIT, inward).await; }
            () = pulse.stopped() => {}
        }
    }
    carried
}

async fn carry(
    mut from: ReadHalf<Io>,
    mut to: WriteHalf<Io>,
    pulse: &Pulse,
    bytes: &mut u64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = from.read(&mut buffer).await?;
        let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else { break };
        pulse.beat();
        to.write_all(piece).await?;
        to.flush().await?;
        *bytes += length as u64;
    }
    to.shutdown().await
}

async fn carry_outward(
    mut from: ReadHalf<Io>,
    mut to: WriteHalf<Io>,
    pulse: &Pulse,
    end: impl Future<Output = ()>,
    bytes: &mut u64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut frames = Frames::default();
    let mut goodbye_due = false;
    let goodbye = async {
        end.await;
        sleep(GOODBYE_SPREAD.mul_f64(fastrand::f64())).await;
    };
    tokio::pin!(goodbye);
    loop {
        let length = tokio::select! {
            read = from.read(&mut buffer) => read?,
            () = &mut goodbye, if !goodbye_due => {
                goodbye_due = true;
                if frames.is_between_frames() {
                    return say_goodbye(to).await;
                }
                continue;
            }
        };
        let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else { break };
        pulse.beat();
        let frame_end = frames.advance(piece);
        let (piece, is_last) = match frame_end.filter(|_| goodbye_due) {
            Some(end) => (piece.get(..end).unwrap_or_default(), true),
            None => (piece, false),
        };
        to.write_all(piece).await?;
        to.flush().await?;
        *bytes += piece.len() as u64;
        if is_last {
            return say_goodbye(to).await;
        }
    }
    to.shutdown().await
}

async fn say_goodbye(mut to: WriteHalf<Io>) -> io::Result<()> {
    to.write_all(&GOING_AWAY).await?;
    to.flush().await
}
