//! The way to a server on loopback, which tests cut, slow down and reset.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

/// Bytes that are carried at once.
const PIECE_BYTES: usize = 16 << 10;

/// How bytes get through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weather {
    /// At once.
    #[default]
    Fair,
    /// Each piece so much later, both ways.
    Slow(Duration),
    /// Not at all: connections stay, and what is sent waits for better weather, as behind a cable
    /// that is pulled out.
    Cut,
}

/// A port of loopback whose connections are carried on to a server, as far as the weather permits.
/// It is gone with this value.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    carrying: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// None: not known yet, and clients wait.
    server: Option<SocketAddr>,
    weather: Weather,
    resets: u64,
}

impl Link {
    /// A port that leads nowhere yet: a server may have to know it before it starts. Takes tokio's
    /// current runtime.
    ///
    /// # Panics
    ///
    /// When loopback has no free port.
    pub async fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let (state, watched) = watch::channel(State::default());
        let carrying = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, watched.clone()));
            }
        });
        Self { address, state: Arc::new(state), carrying }
    }

    /// A port that leads to a server.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub async fn to(server: SocketAddr) -> Self {
        let link = Self::new().await;
        link.leads_to(server);
        link
    }

    /// Says where it leads.
    pub fn leads_to(&self, server: SocketAddr) {
        self.state.send_modify(|state| state.server = Some(server));
    }

    /// Where clients find it.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather, for connections that are open too.
    pub fn set(&self, weather: Weather) {
        self.state.send_modify(|state| state.weather = weather);
    }

    /// Resets every connection that is open; new ones are carried.
    pub fn reset(&self) {
        self.state.send_modify(|state| state.resets += 1);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

/// Carries one connection until either side ends it, or it is reset.
async fn carry(mut client: TcpStream, mut watched: watch::Receiver<State>) {
    let resets = watched.borrow_and_update().resets;
    let is_through = |state: &State| state.server.is_some() && state.weather != Weather::Cut;
    let Ok(state) = watched.wait_for(is_through).await.map(|state| *state) else { return };
    let Some(server) = state.server else { return };
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let mut reset = watched.clone();
    let ended = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        tokio::select! {
            () = one_way(from_client, to_server, watched.clone()) => false,
            () = one_way(from_server, to_client, watched) => false,
            _ = reset.wait_for(|state| state.resets != resets) => true,
        }
    };
    if ended {
        // With no time to linger, what follows is a reset and no orderly end.
        for side in [&client, &server] {
            side.set_zero_linger().expect("an open socket takes options");
        }
    }
}

async fn one_way(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut watched: watch::Receiver<State>,
) {
    let mut piece = vec![0; PIECE_BYTES];
    while let Ok(size @ 1..) = from.read(&mut piece).await {
        let is_through = |state: &State| state.weather != Weather::Cut;
        let Ok(state) = watched.wait_for(is_through).await.map(|state| *state) else { return };
        if let Weather::Slow(by) = state.weather {
            sleep(by).await;
        }
        let Some(bytes) = piece.get(..size) else { return };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
