//! From a signal to the end of the process.

use std::{fmt, io, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::{
    drain::{Drained, Phase},
    edge::Edge,
    server::HandOver,
};

/// Catches SIGTERM and SIGINT from the moment it is made, so that a signal which comes before the
/// edge serves is not lost.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}

impl Signals {
    /// Begins to catch.
    ///
    /// # Errors
    ///
    /// When the system refuses a handler.
    pub fn catch() -> io::Result<Self> {
        // Handlers are registered with a runtime at hand; any later runtime hears of them.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let _context = runtime.enter();
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _signal = self.terminate.recv() => {}
            _signal = self.interrupt.recv() => {}
        }
    }
}

/// Replaces pingora's own wait, which sleeps its whole grace period whatever is in flight.
pub(super) struct Drain {
    edge: Arc<Edge>,
    signals: tokio::sync::Mutex<Signals>,
    hand_over: HandOver,
    stop_accepting: watch::Sender<bool>,
    drained: Arc<Mutex<Drained>>,
}

impl Drain {
    pub(super) fn new(
        edge: &Arc<Edge>,
        (signals, hand_over): (Signals, HandOver),
        stop_accepting: watch::Sender<bool>,
        drained: &Arc<Mutex<Drained>>,
    ) -> Self {
        Self {
            edge: Arc::clone(edge),
            signals: tokio::sync::Mutex::new(signals),
            hand_over,
            stop_accepting,
            drained: Arc::clone(drained),
        }
    }
}

#[async_trait]
impl ShutdownSignalWatch for Drain {
    async fn recv(&self) -> ShutdownSignal {
        let mut signals = self.signals.lock().await;
        tokio::select! {
            () = signals.next() => {}
            // Another process accepts from the same sockets.
            () = self.hand_over.over() => drop(self.stop_accepting.send_replace(true)),
        }
        tracing::info!("draining");
        self.edge.metrics.drains();
        let mut phase = self.edge.lifecycle.watch();
        let stop = async {
            if phase.wait_for(|phase| *phase >= Phase::Closing).await.is_ok() {
                self.stop_accepting.send_replace(true);
            }
            std::future::pending::<()>().await;
        };
        let terms = self.edge.terms();
        let open = || self.edge.connections.open();
        tokio::select! {
            drained = self.edge.lifecycle.drain(&terms.drain, open) => {
                *self.drained.lock() = drained;
                ShutdownSignal::GracefulTerminate
            }
            () = stop => ShutdownSignal::FastShutdown,
            () = signals.next() => ShutdownSignal::FastShutdown,
        }
    }
}
