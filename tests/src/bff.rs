//! Upstreams that do what a test wants, and remember every byte that they saw.

mod connection;
mod hyper_bff;

use std::{
    future::Future,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use tokio::{
    net::{TcpListener, TcpSocket, UnixListener},
    task::{JoinHandle, JoinSet},
};

pub use self::{
    connection::{Connection, Seen},
    hyper_bff::{Handled, respond},
};
use crate::eventually;

/// A running upstream. It ends when it is dropped, with its connections.
#[derive(Debug)]
pub struct Bff {
    endpoint: String,
    record: Record,
    accepting: JoinHandle<()>,
}

/// What an upstream saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Arc<Mutex<Recorded>>);

#[derive(Debug, Default)]
struct Recorded {
    /// What each connection brought, in the order of their acceptance.
    bytes: Vec<Vec<u8>>,
    requests: Vec<Seen>,
    /// Connections that the edge closed, or broke off.
    closed: usize,
}

impl Record {
    pub(crate) fn opened(&self) -> usize {
        let mut record = self.0.lock().unwrap();
        record.bytes.push(Vec::new());
        record.bytes.len() - 1
    }

    pub(crate) fn read(&self, connection: usize, bytes: &[u8]) {
        self.0.lock().unwrap().bytes[connection].extend_from_slice(bytes);
    }

    pub(crate) fn closed(&self) {
        self.0.lock().unwrap().closed += 1;
    }

    pub(crate) fn saw(&self, seen: Seen) {
        self.0.lock().unwrap().requests.push(seen);
    }
}

impl Bff {
    /// Answers every request with 200 and `ok`.
    pub async fn ok() -> Self {
        Self::saying("ok").await
    }

    /// Answers every request with 200 and this text.
    pub async fn saying(text: &'static str) -> Self {
        Self::raw(move |connection| connection.serve(200, text)).await
    }

    /// Answers every request with this status.
    pub async fn failing(status: u16) -> Self {
        Self::raw(move |connection| connection.serve(status, "failed")).await
    }

    /// Reads requests and never answers.
    pub async fn hanging() -> Self {
        Self::raw(|mut connection| async move { while connection.request().await.is_some() {} })
            .await
    }

    /// Answers every request with exactly these bytes, and closes.
    pub async fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes: Arc<[u8]> = bytes.into().into();
        Self::raw(move |mut connection| {
            let bytes = Arc::clone(&bytes);
            async move {
                if connection.request().await.is_some() {
                    connection.write(&bytes).await;
                }
            }
        })
        .await
    }

    /// Runs a script on every connection.
    pub async fn raw<F, Fut>(script: F) -> Self
    where
        F: Fn(Connection) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, script)
    }

    /// Runs a script on every connection of a listener.
    pub fn on<F, Fut>(listener: TcpListener, script: F) -> Self
    where
        F: Fn(Connection) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let endpoint = listener.local_addr().unwrap().to_string();
        let record = Record::default();
        let recorded = record.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                connections.spawn(script(Connection::tcp(stream, recorded.clone())));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { endpoint, record, accepting }
    }

    /// Runs a script on every connection of a Unix socket.
    pub fn unix<F, Fut>(path: &Path, script: F) -> Self
    where
        F: Fn(Connection) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = UnixListener::bind(path).unwrap();
        let record = Record::default();
        let recorded = record.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(script(Connection::unix(stream, recorded.clone())));
                while connections.try_join_next().is_some() {}
            }
        });
        let path: PathBuf = path.to_owned();
        Self { endpoint: format!("unix:{}", path.display()), record, accepting }
    }

    /// What a configuration calls it.
    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    /// Where it listens.
    ///
    /// # Panics
    ///
    /// On a Unix socket.
    pub fn address(&self) -> SocketAddr {
        self.endpoint.parse().unwrap()
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Seen> {
        self.record.0.lock().unwrap().requests.clone()
    }

    /// Waits for that many requests, and returns them.
    pub async fn saw(&self, count: usize) -> Vec<Seen> {
        let what = format!("{count} requests at the upstream");
        eventually(&what, || Some(self.requests()).filter(|seen| seen.len() >= count)).await
    }

    /// Waits for the first request.
    pub async fn first(&self) -> Seen {
        self.saw(1).await.remove(0)
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.record.0.lock().unwrap().bytes.len()
    }

    /// All bytes that came, on whatever connection.
    pub fn bytes(&self) -> Vec<u8> {
        self.record.0.lock().unwrap().bytes.concat()
    }

    /// Connections that the edge closed, or broke off.
    pub fn closed(&self) -> usize {
        self.record.0.lock().unwrap().closed
    }

    /// Waits until the edge has closed that many connections.
    pub async fn sees_closed(&self, count: usize) {
        eventually("the upstream sees the connection end", || {
            (self.closed() >= count).then_some(())
        })
        .await;
    }
}

impl Drop for Bff {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// An address where nobody listens: connections are refused. Its port stays taken for as long as the
/// tests run, or another test's server could have it.
pub fn refusing() -> String {
    let socket = Box::leak(Box::new(TcpSocket::new_v4().unwrap()));
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.local_addr().unwrap().to_string()
}
