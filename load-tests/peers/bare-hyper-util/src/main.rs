//! A reverse proxy as one would write it first: hyper's server and hyper-util's pooling client.
//!
//! `bare-hyper-util ORIGIN` listens on a free port of loopback, prints `ready ADDRESS` and forwards
//! every request on one thread. No timeouts, no retries, no trace, no metrics.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// Headers that belong to one connection (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

#[derive(Clone)]
struct Forward {
    client: Client<HttpConnector, Incoming>,
    origin: Authority,
}

fn main() -> Result<()> {
    let origin = std::env::args().nth(1).context("usage: bare-hyper-util ORIGIN")?;
    let origin = origin.parse::<SocketAddr>().context("ORIGIN is an address with a port")?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(origin))
}

async fn serve(origin: SocketAddr) -> Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let forward = Forward { client, origin: origin.to_string().parse()? };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "ready {}", listener.local_addr()?)?;
    stdout.flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let forward = forward.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| forward.call(request));
            // A client that goes away is the usual end of a connection.
            let _ = server::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Forward {
    async fn call(&self, mut request: Request<Incoming>) -> Result<Response<Incoming>> {
        strip(request.headers_mut());
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.origin.clone())
            .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")))
            .build()?;
        let mut response = self.client.request(request).await?;
        strip(response.headers_mut());
        Ok(response)
    }
}

fn strip(headers: &mut HeaderMap) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}
