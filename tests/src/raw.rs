//! A client that sends exactly the bytes it is told to.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::{tls::Authority, within};

/// A stream of either kind.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection on which the test writes every byte.
pub struct Raw {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Raw")
            .field("read", &String::from_utf8_lossy(&self.read))
            .finish_non_exhaustive()
    }
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Status line and headers, as they came.
    pub head: String,
    /// The body, its chunks joined.
    pub body: Vec<u8>,
    /// The trailers of a chunked body, as they came.
    pub trailers: String,
}

impl Answer {
    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        header(&self.head, name).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The trace id, which every answer has that an exchange gave.
    pub fn trace_id(&self) -> &str {
        let id = self.header("headgate-trace-id");
        assert!(crate::client::is_trace_id(id), "no trace id in {}", self.head);
        id
    }
}

/// A header's value in a head.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

impl Raw {
    /// Opens a TCP connection.
    pub async fn connect(address: SocketAddr) -> Self {
        let tcp = within("TCP connection", TcpStream::connect(address)).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        Self::over(tcp)
    }

    /// Opens a TLS connection that offers these protocols.
    pub async fn connect_tls(
        address: SocketAddr,
        authority: &Authority,
        name: &str,
        alpn: &[&str],
    ) -> Self {
        Self::over(authority.connect(address, name, alpn).await)
    }

    /// Takes a connection that is open.
    pub fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), read: Vec::new() }
    }

    /// Sends bytes. The other side may have closed meanwhile, which reading will tell.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        };
        drop(within("sending", sent).await);
    }

    /// Sends bytes while there is room, each piece within `each`; returns how many went.
    pub async fn push(&mut self, bytes: &[u8], each: Duration) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            let rest = &bytes[sent..];
            match tokio::time::timeout(each, self.stream.write(rest)).await {
                Ok(Ok(length)) if length > 0 => sent += length,
                _ => break,
            }
        }
        sent
    }

    /// Says that nothing more will be sent, and reads on.
    pub async fn half_close(&mut self) {
        within("half close", self.stream.shutdown()).await.unwrap();
    }

    /// Reads the next answer with its body.
    ///
    /// # Panics
    ///
    /// When the connection ends before.
    pub async fn answer(&mut self) -> Answer {
        within("answer", self.read_answer(false)).await
    }

    /// Reads the next answer, to a HEAD: it has no body.
    ///
    /// # Panics
    ///
    /// When the connection ends before.
    pub async fn answer_to_head(&mut self) -> Answer {
        within("answer", self.read_answer(true)).await
    }

    /// Reads the head of the next answer.
    ///
    /// # Panics
    ///
    /// When the connection ends before.
    pub async fn head(&mut self) -> String {
        within("head of an answer", async { self.until(b"\r\n\r\n").await.expect("a head") }).await
    }

    /// Reads exactly that many bytes.
    ///
    /// # Panics
    ///
    /// When the connection ends before.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        within("bytes", async {
            while self.read.len() < count {
                assert!(self.more().await, "ended after {:?}", String::from_utf8_lossy(&self.read));
            }
            self.read.drain(..count).collect()
        })
        .await
    }

    /// Reads until the other side closes or resets the connection; returns what came.
    pub async fn rest(&mut self) -> Vec<u8> {
        within("end of the connection", async { while self.more().await {} }).await;
        std::mem::take(&mut self.read)
    }

    /// As [`Raw::rest`], as text.
    pub async fn rest_text(&mut self) -> String {
        String::from_utf8_lossy(&self.rest().await).into_owned()
    }

    /// Whether nothing comes for that long, while the connection stays open.
    pub async fn is_silent_for(&mut self, length: Duration) -> bool {
        self.read.is_empty() && tokio::time::timeout(length, self.more()).await.is_err()
    }

    async fn read_answer(&mut self, to_head: bool) -> Answer {
        let head = self.until(b"\r\n\r\n").await.expect("an answer");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status: u16 = status.unwrap_or_else(|| panic!("no status line: {head:?}"));
        let mut answer = Answer { status, head, body: Vec::new(), trailers: String::new() };
        if to_head || status < 200 || status == 204 || status == 304 {
            return answer;
        }
        if answer.header("transfer-encoding").contains("chunked") {
            self.read_chunks(&mut answer).await;
        } else if let Ok(length) = answer.header("content-length").parse::<usize>() {
            while self.read.len() < length {
                assert!(self.more().await, "answer ended early: {answer:?}");
            }
            answer.body = self.read.drain(..length).collect();
        } else {
            while self.more().await {}
            answer.body = std::mem::take(&mut self.read);
        }
        answer
    }

    async fn read_chunks(&mut self, answer: &mut Answer) {
        loop {
            let size = self.until(b"\r\n").await.expect("a chunk");
            let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
            if size == 0 {
                break;
            }
            while self.read.len() < size + 2 {
                assert!(self.more().await, "answer ended in a chunk: {answer:?}");
            }
            answer.body.extend(self.read.drain(..size));
            assert_eq!(self.read.drain(..2).collect::<Vec<_>>(), b"\r\n");
        }
        loop {
            let line = self.until(b"\r\n").await.expect("the end of the trailers");
            if line == "\r\n" {
                break;
            }
            answer.trailers.push_str(&line);
        }
    }

    async fn until(&mut self, end: &[u8]) -> Option<String> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                let text = self.read.drain(..at + end.len()).collect();
                return Some(String::from_utf8(text).unwrap());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Reads once; false at the end of the stream, also when it was broken off.
    async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.read).await.is_ok_and(|length| length > 0)
    }
}
