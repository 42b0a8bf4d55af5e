//! The service behind every proxy: the same 1 KiB of JSON for each request, on one thread.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::{Context, Result};

use crate::poll::Poll;

/// Bytes of the answer's body.
const BODY_BYTES: usize = 1024;
/// A request's head with a Passport is about 1 KiB.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Far more than all proxies of a scenario keep open together.
const CONNECTIONS_MAX: usize = 4096;
/// Names the listener; connections count from zero.
const LISTENER: usize = CONNECTIONS_MAX;

/// Starts the origin on a thread of its own, which inherits the caller's core and ends with the
/// process, and returns its address.
///
/// # Errors
///
/// No port is free, or no thread.
pub(crate) fn start() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("can't bind the origin")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    thread::Builder::new().name("origin".to_owned()).spawn(move || {
        if let Err(error) = Origin::new(listener).and_then(|mut origin| origin.serve()) {
            report(&error);
        }
    })?;
    Ok(address)
}

#[expect(clippy::print_stderr, reason = "the generator then finds its connections closed")]
fn report(error: &io::Error) {
    eprintln!("the origin has ended: {error}");
}

struct Origin {
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    poll: Poll,
    answer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    head: Box<[u8]>,
    filled: usize,
}

impl Origin {
    fn new(listener: TcpListener) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.add(&listener, LISTENER)?;
        Ok(Self { listener, connections: Vec::new(), poll, answer: answer() })
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut ready = Vec::new();
        loop {
            self.poll.wait(&mut ready)?;
            for &number in &ready {
                if number == LISTENER {
                    self.accept()?;
                } else {
                    self.answer(number);
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let (stream, _) = match self.listener.accept() {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let free = self.connections.iter().position(Option::is_none);
        let number = free.unwrap_or(self.connections.len());
        if number >= CONNECTIONS_MAX {
            return Ok(());
        }
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        self.poll.add(&stream, number)?;
        let head = vec![0; HEAD_BYTES_MAX].into_boxed_slice();
        let connection = Connection { stream, head, filled: 0 };
        match self.connections.get_mut(number) {
            Some(slot) => *slot = Some(connection),
            None => self.connections.push(Some(connection)),
        }
        Ok(())
    }

    fn answer(&mut self, number: usize) {
        let Some(slot) = self.connections.get_mut(number) else { return };
        let Some(connection) = slot else { return };
        // A closed socket leaves the poll by itself.
        if connection.answer(&self.answer).is_err() {
            *slot = None;
        }
    }
}

impl Connection {
    /// Reads what is there and answers a whole request. No proxy here pipelines and no request has a
    /// body, so a head's end is the end of everything.
    fn answer(&mut self, answer: &[u8]) -> io::Result<()> {
        let free = self.head.get_mut(self.filled..).unwrap_or_default();
        let read = self.stream.read(free)?;
        if read == 0 {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        self.filled += read;
        if self.head.get(..self.filled).is_some_and(|head| head.ends_with(b"\r\n\r\n")) {
            self.filled = 0;
            self.stream.write_all(answer)?;
        }
        Ok(())
    }
}

fn answer() -> Vec<u8> {
    let (before, after) = (r#"{"profile":"one","rows":""#, r#""}"#);
    let filler = "x".repeat(BODY_BYTES - before.len() - after.len());
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {BODY_BYTES}\r\n\
         date: Sun, 01 Feb 2026 00:00:00 GMT\r\n\r\n{before}{filler}{after}"
    )
    .into_bytes()
}
