//! One connection of a scripted upstream.

use std::{fmt::Write as _, io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

use super::Record;
use crate::raw::{self, Stream};

/// A request as the upstream saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The request target, as it was sent.
    pub target: String,
    /// Request line and headers, as they were sent.
    pub head: String,
    /// The body, its chunks joined; empty when only the head was read.
    pub body: Vec<u8>,
    /// The trailers of a chunked body, as they were sent.
    pub trailers: String,
    /// The number of the connection, from 0.
    pub connection: usize,
}

impl Seen {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        raw::header(&self.head, name)
    }

    /// Every value of a header.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let of = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        of.map(|(_, value)| value.trim()).collect()
    }

    /// The names of all headers, lowercase.
    pub fn names(&self) -> Vec<String> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.map(|(name, _)| name.to_ascii_lowercase()).collect()
    }
}

/// One connection of a scripted upstream.
pub struct Connection {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
    record: Record,
    /// Its number, from 0.
    pub number: usize,
    is_closed: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn tcp(stream: TcpStream, record: Record) -> Self {
        Self::over(Box::new(stream), record)
    }

    pub(super) fn unix(stream: UnixStream, record: Record) -> Self {
        Self::over(Box::new(stream), record)
    }

    fn over(stream: Box<dyn Stream>, record: Record) -> Self {
        let number = record.opened();
        Self { stream, read: Vec::new(), record, number, is_closed: false }
    }

    /// The stream alone: what it brings from here on is not recorded.
    pub fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }

    /// Answers every request with the same.
    pub async fn serve(mut self, status: u16, text: &'static str) {
        while let Some(request) = self.request().await {
            self.answer(status, &[], if request.method == "HEAD" { "" } else { text }).await;
        }
    }

    /// Reads the next request with its body. None when the edge has closed the connection.
    pub async fn request(&mut self) -> Option<Seen> {
        let mut seen = self.read_head().await?;
        if let Some(length) = seen.header("content-length") {
            let length: usize = length.parse().unwrap();
            seen.body = self.take(length).await?;
        } else if seen.header("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk().await? {
                seen.body.extend(chunk);
            }
            seen.trailers = self.read_trailers().await?;
        }
        self.record.saw(seen.clone());
        Some(seen)
    }

    /// Reads the head of the next request. None when the edge has closed the connection.
    pub async fn head(&mut self) -> Option<Seen> {
        let seen = self.read_head().await?;
        self.record.saw(seen.clone());
        Some(seen)
    }

    /// Reads one chunk of a chunked body. Outer none when the edge has closed the connection,
    /// inner none at the body's end, before the trailers.
    pub async fn chunk(&mut self) -> Option<Option<Vec<u8>>> {
        let size = self.until(b"\r\n").await?;
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        if size == 0 {
            return Some(None);
        }
        let mut chunk = self.take(size + 2).await?;
        assert_eq!(chunk.split_off(size), b"\r\n");
        Some(Some(chunk))
    }

    /// Reads that many bytes. None when the edge has closed the connection before.
    pub async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.read.len() < count {
            self.more().await?;
        }
        Some(self.read.drain(..count).collect())
    }

    /// Reads whatever comes next. None when the edge has closed the connection.
    pub async fn piece(&mut self) -> Option<Vec<u8>> {
        if self.read.is_empty() {
            self.more().await?;
        }
        Some(std::mem::take(&mut self.read))
    }

    /// Writes an answer with its length.
    pub async fn answer(&mut self, status: u16, headers: &[(&str, &str)], body: &str) {
        let length = body.len();
        let mut answer = format!("HTTP/1.1 {status} Answer\r\ncontent-length: {length}\r\n");
        for (name, value) in headers {
            write!(answer, "{name}: {value}\r\n").unwrap();
        }
        self.write(format!("{answer}\r\n{body}")).await;
    }

    /// Writes bytes; false when the edge has closed the connection.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let written: io::Result<()> = async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        }
        .await;
        written.is_ok()
    }

    /// Writes bytes while the edge takes them, each piece within `each`; returns how many went.
    pub async fn push(&mut self, bytes: &[u8], each: Duration) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            match tokio::time::timeout(each, self.stream.write(&bytes[sent..])).await {
                Ok(Ok(length)) if length > 0 => sent += length,
                _ => break,
            }
        }
        sent
    }

    /// Waits until the edge closes the connection.
    pub async fn until_closed(&mut self) {
        while self.piece().await.is_some() {}
    }

    async fn read_head(&mut self) -> Option<Seen> {
        let head = self.until(b"\r\n\r\n").await?;
        let mut words = head.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default().to_owned();
        let (body, trailers) = (Vec::new(), String::new());
        Some(Seen { method, target, head, body, trailers, connection: self.number })
    }

    async fn read_trailers(&mut self) -> Option<String> {
        let mut trailers = String::new();
        loop {
            let line = self.until(b"\r\n").await?;
            if line == "\r\n" {
                return Some(trailers);
            }
            trailers.push_str(&line);
        }
    }

    async fn until(&mut self, end: &[u8]) -> Option<String> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                let text: Vec<u8> = self.read.drain(..at + end.len()).collect();
                return Some(String::from_utf8_lossy(&text).into_owned());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Option<()> {
        let before = self.read.len();
        match self.stream.read_buf(&mut self.read).await {
            Ok(length) if length > 0 => {
                self.record.read(self.number, &self.read[before..]);
                Some(())
            }
            _ => {
                if !self.is_closed {
                    self.is_closed = true;
                    self.record.closed();
                }
                None
            }
        }
    }
}
