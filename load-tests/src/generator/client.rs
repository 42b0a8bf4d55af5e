//! One keep-alive connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, bail};

use crate::poll::Poll;
use crate::wire::{self, Answer};

/// The longest answer, head and body.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// One keep-alive connection.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    buffer: Box<[u8]>,
    filled: usize,
    answer: Option<Answer>,
    /// When the request was due, on the clock of [`crate::clock::now`].
    pub(super) due: u64,
    /// A request has been sent and its answer has not been read.
    pub(super) is_waiting: bool,
}

impl Client {
    pub(super) fn connect(address: SocketAddr, poll: &Poll, number: usize) -> Result<Self> {
        let stream =
            TcpStream::connect(address).with_context(|| format!("can't connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        poll.add(&stream, number)?;
        let buffer = vec![0; ANSWER_BYTES_MAX].into_boxed_slice();
        Ok(Self { stream, buffer, filled: 0, answer: None, due: 0, is_waiting: false })
    }

    pub(super) fn send(&mut self, request: &[u8], due: u64) -> Result<()> {
        self.due = due;
        self.is_waiting = true;
        // The one request in flight always fits an empty socket buffer.
        let sent = self.stream.write(request)?;
        if sent < request.len() {
            bail!("a request did not fit the socket");
        }
        Ok(())
    }

    /// Reads what is there. An answer is returned when its last byte has come.
    pub(super) fn receive(&mut self) -> Result<Option<Answer>> {
        let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let read = match self.stream.read(free) {
            Ok(0) => bail!("closed, or an answer above {ANSWER_BYTES_MAX} bytes"),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !self.is_waiting {
            bail!("an answer without a request");
        }
        self.filled += read;
        if self.answer.is_none() {
            self.answer = wire::answer(self.buffer.get(..self.filled).unwrap_or_default())?;
        }
        let Some(answer) = self.answer else { return Ok(None) };
        if self.filled > answer.bytes {
            bail!("more than one answer to a request");
        }
        if self.filled < answer.bytes {
            return Ok(None);
        }
        (self.filled, self.answer, self.is_waiting) = (0, None, false);
        Ok(Some(answer))
    }
}
