//! The least that pingora-proxy takes: what the edge's choice of data path is measured by.
//!
//! `bare-pingora ORIGIN` listens on a free port of loopback, prints `ready ADDRESS` and forwards
//! every request on one thread, with each setting at its default but for the number of threads.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use pingora_core::Result as PingoraResult;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

/// How often the listener is tried before the start counts as failed.
const START_TRIES: u32 = 500;
const START_PAUSE: Duration = Duration::from_millis(10);

struct Forward {
    origin: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Forward {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut Self::CTX,
    ) -> PingoraResult<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.origin, false, String::new())))
    }
}

fn main() -> Result<()> {
    let origin = std::env::args().nth(1).context("usage: bare-pingora ORIGIN")?;
    let origin = origin.parse::<SocketAddr>().context("ORIGIN is an address with a port")?;
    let address = free_address()?;

    let conf = ServerConf { threads: 1, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&Arc::clone(&server.configuration), Forward { origin });
    service.add_tcp(&address.to_string());
    server.add_service(service);

    thread::spawn(move || {
        if let Err(error) = announce(address) {
            eprintln!("{error:#}");
            std::process::exit(1);
        }
    });
    server.run_forever()
}

/// pingora binds by itself and does not say where, so a port is found for it first.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn announce(address: SocketAddr) -> Result<()> {
    for _ in 0..START_TRIES {
        if TcpStream::connect(address).is_ok() {
            let mut stdout = std::io::stdout();
            writeln!(stdout, "ready {address}")?;
            return Ok(stdout.flush()?);
        }
        thread::sleep(START_PAUSE);
    }
    bail!("nothing listens on {address}");
}
