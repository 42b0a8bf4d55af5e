//! The least that can be called a reverse proxy on hyper: what the edge's own cost is measured by.
//!
//! `bare-hyper ORIGIN` listens on a free port of loopback, prints `ready ADDRESS` and forwards every
//! request on one thread. No timeouts, no retries, no trace, no metrics.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self as client, SendRequest};
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Idle upstream connections that are kept; twice what the load tests open.
const IDLE_MAX: usize = 128;

/// Headers that belong to one connection (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

thread_local! {
    static IDLE: RefCell<VecDeque<SendRequest<Incoming>>> =
        RefCell::new(VecDeque::with_capacity(IDLE_MAX));
}

fn main() -> Result<()> {
    let origin = std::env::args().nth(1).context("usage: bare-hyper ORIGIN")?;
    let origin = origin.parse::<SocketAddr>().context("ORIGIN is an address with a port")?;
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(serve(origin))
}

async fn serve(origin: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "ready {}", listener.local_addr()?)?;
    stdout.flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let service = service_fn(move |request| forward(origin, request));
            // A client that goes away is the usual end of a connection.
            let _ = server::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn forward(origin: SocketAddr, mut request: Request<Incoming>) -> Result<Response<Incoming>> {
    strip(request.headers_mut());
    let mut upstream = match idle() {
        Some(upstream) => upstream,
        None => connect(origin).await?,
    };
    let mut response = upstream.send_request(request).await?;
    strip(response.headers_mut());
    keep(upstream);
    Ok(response)
}

fn strip(headers: &mut HeaderMap) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// The connection that has been idle for longest: its last answer has most likely been read.
fn idle() -> Option<SendRequest<Incoming>> {
    IDLE.with_borrow_mut(|idle| {
        for _ in 0..idle.len() {
            let upstream = idle.pop_front()?;
            if upstream.is_ready() {
                return Some(upstream);
            }
            if !upstream.is_closed() {
                idle.push_back(upstream);
            }
        }
        None
    })
}

fn keep(upstream: SendRequest<Incoming>) {
    IDLE.with_borrow_mut(|idle| {
        if idle.len() < IDLE_MAX {
            idle.push_back(upstream);
        }
    });
}

async fn connect(origin: SocketAddr) -> Result<SendRequest<Incoming>> {
    let stream = TcpStream::connect(origin).await?;
    stream.set_nodelay(true)?;
    let (upstream, connection) = client::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(upstream)
}
