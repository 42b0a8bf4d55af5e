//! What a client is told, as messages of a WebSocket (RFC 6455) whose server is the edge itself.

mod heard;

use std::{io, sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::HeaderValue;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncWriteExt, ReadHalf, WriteHalf, split},
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use self::heard::{Heard, Listener};
use super::{Feed, Handshake, Said, frames};
use crate::record::Record;

/// What the server's half of the handshake is made with (RFC 6455, 1.3).
const HANDSHAKE: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Time that a client has to close after it was told.
const CLOSE_WAIT: Duration = Duration::from_secs(2);
/// Time that a client has to switch protocols after the answer that says so.
const SWITCH_WITHIN: Duration = Duration::from_secs(10);
/// Signs of life that may go unanswered before a client is taken for gone.
const UNANSWERED_MAX: u32 = 3;

const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
/// Close codes (RFC 6455, 7.4.1).
const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;
const PROTOCOL_ERROR: u16 = 1002;

type Io = TokioIo<Upgraded>;

/// What `sec-websocket-accept` says to a client's key.
pub(crate) fn accept_value(key: &[u8]) -> HeaderValue {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, HANDSHAKE].concat());
    // Base 64 is what a header may hold.
    HeaderValue::try_from(BASE64_STANDARD.encode(hash))
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Serves a WebSocket once the client has switched protocols; its record ends with it.
pub(crate) fn spawn(handshake: Handshake, feed: Feed, mut record: Box<Record>) {
    tokio::spawn(async move {
        let Handshake { upgrade, cut, .. } = handshake;
        let Ok(Ok(upgraded)) = timeout(SWITCH_WITHIN, upgrade).await else { return };
        let mut socket = Socket::new(upgraded, cut);
        // Whoever is gone is told nothing more, and comes back where it was.
        let _ended = socket.serve(feed).await;
        record.bytes_out = socket.bytes_out;
    });
}

struct Socket {
    write: WriteHalf<Io>,
    listener: Listener<ReadHalf<Io>>,
    cut: Arc<Notify>,
    bytes_out: u64,
}

impl Socket {
    fn new(upgraded: Upgraded, cut: Arc<Notify>) -> Self {
        let (read, write) = split(TokioIo::new(upgraded));
        Self { write, listener: Listener::new(read), cut, bytes_out: 0 }
    }

    async fn serve(&mut self, mut feed: Feed) -> io::Result<()> {
        let patience = feed.heartbeat() * UNANSWERED_MAX;
        let mut heard_at = Instant::now();
        loop {
            tokio::select! {
                heard = self.listener.next() => {
                    heard_at = Instant::now();
                    match heard? {
                        Heard::Ping(payload) => self.send(PONG, &payload).await?,
                        Heard::Close => return self.close(NORMAL).await,
                        Heard::Nonsense => return self.close(PROTOCOL_ERROR).await,
                        Heard::Other => {}
                    }
                }
                said = feed.next() => match said {
                    Said::CutOff => return Ok(()),
                    Said::Beat if heard_at.elapsed() > patience => return Ok(()),
                    Said::Beat => self.send(PING, &[]).await?,
                    said => {
                        let json = frames::json(&said).unwrap_or_default();
                        self.send(TEXT, json.as_bytes()).await?;
                        if matches!(said, Said::GoAway(_)) {
                            return self.say_goodbye().await;
                        }
                    }
                },
            }
        }
    }

    /// Writes a frame, unless the client takes so little that it is cut off meanwhile.
    async fn send(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let frame = frame(opcode, payload);
        let write = &mut self.write;
        let written = async {
            write.write_all(&frame).await?;
            write.flush().await
        };
        tokio::select! {
            biased;
            () = self.cut.notified() => return Err(io::ErrorKind::ConnectionAborted.into()),
            written = written => written?,
        }
        self.bytes_out += frame.len() as u64;
        Ok(())
    }

    async fn close(&mut self, code: u16) -> io::Result<()> {
        self.send(CLOSE, &code.to_be_bytes()).await?;
        self.write.shutdown().await
    }

    /// Closes, and waits for the client to do so.
    async fn say_goodbye(&mut self) -> io::Result<()> {
        self.send(CLOSE, &GOING_AWAY.to_be_bytes()).await?;
        let closed =
            async { while !matches!(self.listener.next().await, Ok(Heard::Close) | Err(_)) {} };
        tokio::select! {
            () = closed => {}
            () = sleep(CLOSE_WAIT) => {}
        }
        self.write.shutdown().await
    }
}

/// A whole frame as a server sends it: not masked.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 10);
    frame.push(0x80 | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..126), _) => frame.push(short),
        (_, Ok(medium)) => {
            frame.push(126);
            frame.extend(medium.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

#[cfg(test)]
mod tests;
