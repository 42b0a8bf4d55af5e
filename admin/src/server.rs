//! Serves the API on a socket until it is told to stop.

use std::{io, net, time::Duration};

use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    api::{State, router},
    connection::Listener,
};

/// Time that open requests have to end once the server is told to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// The admin API on one socket.
#[derive(Debug)]
pub struct Server {
    listener: net::TcpListener,
    state: State,
}

impl Server {
    /// Takes a bound socket and what to answer from.
    pub fn new(listener: net::TcpListener, state: State) -> Self {
        Self { listener, state }
    }

    /// Serves until `shutdown` is ready, and then for one second at most what is still open. Nobody
    /// is accepted once `no_more` is ready: whoever was, has the time in between for a request.
    ///
    /// # Errors
    ///
    /// When the socket can't be used.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    pub async fn run<N, F>(self, no_more: N, shutdown: F) -> io::Result<()>
    where
        N: Future<Output = ()> + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.listener.set_nonblocking(true)?;
        let listener = Listener::new(TcpListener::from_std(self.listener)?, Box::pin(no_more));
        let (stopping, stopped) = oneshot::channel::<()>();
        let shutdown = async move {
            shutdown.await;
            drop(stopping);
        };
        let serve = axum::serve(listener, router(self.state)).with_graceful_shutdown(shutdown);
        let cut_off = async move {
            // Ends when the sender is dropped, which is the message.
            stopped.await.unwrap_or_default();
            tokio::time::sleep(SHUTDOWN_TIMEOUT).await;
        };
        tokio::select! {
            result = serve => result,
            () = cut_off => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
