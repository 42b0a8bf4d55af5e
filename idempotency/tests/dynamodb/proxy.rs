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
    sync::{Notify, Semaphore},
};

/// Listens on loopback until the test's runtime ends.
pub(crate) struct Proxy {
    address: SocketAddr,
    losses: Arc<Losses>,
}

#[derive(Default)]
struct Losses {
    left: AtomicUsize,
    happened: Notify,
    /// An answer is lost without a wait while there are permits.
    unheld: Option<Semaphore>,
}

impl Proxy {
    /// In front of a server at `http://address`.
    pub(crate) async fn to(endpoint: &str) -> Self {
        Self::start(endpoint, Losses::default()).await
    }

    /// The same, but the client learns of a loss when it is told to.
    pub(crate) async fn holding(endpoint: &str) -> Self {
        let unheld = Some(Semaphore::new(0));
        Self::start(endpoint, Losses { unheld, ..Losses::default() }).await
    }

    async fn start(endpoint: &str, losses: Losses) -> Self {
        let server: SocketAddr = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let losses = Arc::new(losses);
        let shared = Arc::clone(&losses);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, Arc::clone(&shared)));
            }
        });
        Self { address, losses }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Loses that many answers from here on: the server has done what was asked by then.
    pub(crate) fn lose(&self, answers: usize) {
        self.losses.left.store(answers, Ordering::SeqCst);
    }

    /// Answers that are still to be lost.
    pub(crate) fn left(&self) -> usize {
        self.losses.left.load(Ordering::SeqCst)
    }

    /// Waits until an answer is held back.
    pub(crate) async fn held(&self) {
        self.losses.happened.notified().await;
    }

    /// Lets clients learn of losses.
    pub(crate) fn tell(&self) {
        self.losses.unheld.as_ref().unwrap().add_permits(1);
    }
}

impl Losses {
    /// Whether this answer is lost; then returns when the client may learn of it.
    async fn take(&self) -> bool {
        let one = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one).is_err() {
            return false;
        }
        self.happened.notify_one();
        if let Some(unheld) = &self.unheld {
            drop(unheld.acquire().await);
        }
        true
    }
}

/// Carries one connection until either side closes it or an answer is lost.
async fn carry(mut client: TcpStream, server: SocketAddr, losses: Arc<Losses>) {
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
                if losses.take().await {
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
