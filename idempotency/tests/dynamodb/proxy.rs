//! A proxy that lets requests pass and loses answers.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Listens on loopback until the test's runtime ends.
pub(crate) struct Proxy {
    address: SocketAddr,
    losses: Arc<AtomicUsize>,
}

impl Proxy {
    /// In front of a server at `http://address`.
    pub(crate) async fn to(endpoint: &str) -> Self {
        let server: SocketAddr = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let losses = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&losses);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, Arc::clone(&count)));
            }
        });
        Self { address, losses }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Loses that many answers from here on: the server has done what was asked by then.
    pub(crate) fn lose(&self, answers: usize) {
        self.losses.store(answers, Ordering::SeqCst);
    }

    /// Answers that are still to be lost.
    pub(crate) fn left(&self) -> usize {
        self.losses.load(Ordering::SeqCst)
    }
}

/// Carries one connection until either side closes it or an answer is lost.
async fn carry(mut client: TcpStream, server: SocketAddr, losses: Arc<AtomicUsize>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let (mut up, mut down) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let (to, bytes) = tokio::select! {
            read = client.read(&mut up) => {
                let Ok(size @ 1..) = read else { return };
                (&mut server, &up[..size])
            }
            read = server.read(&mut down) => {
                let Ok(size @ 1..) = read else { return };
                let lost = losses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                });
                if lost.is_ok() {
                    return;
                }
                (&mut client, &down[..size])
            }
        };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
