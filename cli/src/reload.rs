//! Owns the running configuration: finds changes, and puts what is good of them in force.
//!
//! One task takes every trigger, one at a time: a change of a file, SIGHUP, an overlay that is set,
//! unset or expires. Triggers that come meanwhile are one. What loads and applies runs on a thread
//! of its own, which gives way to the data path; whatever comes of it, the next trigger is taken.

mod loader;
mod running;
mod shelf;
mod start;

use std::{io, pin::Pin, sync::Arc, time::Duration};

use headgate_admin::{OverlayError, OverlayStatus, OverlayWish, Overlays};
use headgate_config::{Watch, Watching};
use headgate_gateway::{Edge, server::Task};
use headgate_telemetry::ConfigMetrics;
use headgate_types::Clock;
use parking_lot::Mutex;
use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, mpsc, oneshot, watch as follow},
    time::{Instant, sleep, sleep_until, timeout},
};

pub(crate) use crate::reload::{loader::Loader, running::Running, start::Start};
use crate::{
    aside::Aside,
    reload::loader::{Begin, Trigger},
};

/// A change counts once nothing changed for so long: an editor's several steps are one.
const QUIET: Duration = Duration::from_millis(50);
/// But a folder that never rests is read at least so often.
const QUIET_WITHIN: Duration = Duration::from_millis(300);
/// Time between two looks where the system does not tell of changes.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// Time between two looks where it does: a network's file system may not tell of another machine's.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Wishes about overlays that wait at most.
const WISHES_MAX: usize = 16;
/// An expiry is looked at again after so long, in case the clock was set.
const EXPIRY_LOOK_MAX: Duration = Duration::from_mins(1);

/// A wish about overlays, and where its answer goes.
#[derive(Debug)]
enum Wish {
    Set(OverlayWish, oneshot::Sender<Result<OverlayStatus, OverlayError>>),
    Unset(u64, oneshot::Sender<Result<OverlayStatus, OverlayError>>),
}

/// The task that owns the running configuration.
pub(crate) struct Reload {
    loader: Arc<Mutex<Loader>>,
    aside: Aside,
    running: follow::Receiver<Arc<Running>>,
    changed: Arc<Notify>,
    hangup: Signal,
    wishes: mpsc::Receiver<Wish>,
    handle: Handle,
    /// Whether another process was taken over from, whose last words are in the store.
    catches_up: bool,
}

/// Sets and unsets overlays, and shows what is in force.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    wishes: mpsc::Sender<Wish>,
    running: follow::Receiver<Arc<Running>>,
}

impl Reload {
    /// Catches SIGHUP from here on.
    ///
    /// # Errors
    ///
    /// When the system refuses a handler or a thread.
    pub(crate) fn new(
        begin: Begin,
        edge: &Arc<Edge>,
        clock: Arc<dyn Clock>,
        metrics: ConfigMetrics,
    ) -> io::Result<Self> {
        // The handler is registered with a runtime at hand; any later runtime hears of it.
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let hangup = {
            let _context = runtime.enter();
            signal(SignalKind::hangup())?
        };
        let changed = Arc::new(Notify::new());
        let told = Arc::clone(&changed);
        let watch = Watch::new(move || told.notify_one());
        let loader = Loader::new(begin, edge, clock, metrics, watch);
        let running = loader.running();
        let (sender, wishes) = mpsc::channel(WISHES_MAX);
        let handle = Handle { wishes: sender, running: running.clone() };
        let loader = Arc::new(Mutex::new(loader));
        let aside = Aside::start("loader")?;
        Ok(Self { loader, aside, running, changed, hangup, wishes, handle, catches_up: false })
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What owns the configuration: whoever locks it, keeps it as it is.
    pub(crate) fn loader(&self) -> Arc<Mutex<Loader>> {
        Arc::clone(&self.loader)
    }

    /// Keeps what the process begins with; where it took over from another one, later, so that
    /// nobody waits for it.
    pub(crate) fn begin(&mut self, took_over: bool) {
        self.catches_up = took_over;
        if !took_over {
            self.loader.lock().begin();
        }
    }

    /// Runs until the edge ends.
    pub(crate) fn task(self) -> Task {
        Box::new(|mut shutdown| {
            Box::pin(async move {
                tokio::select! {
                    () = self.run() => {}
                    // A sender that is gone means the same as one that says stop.
                    _stopped = shutdown.wait_for(|stop| *stop) => {}
                }
            })
        })
    }

    async fn run(mut self) {
        // What changed between the load of the start and the first watch is found by a look.
        let catches_up = self.catches_up;
        self.blocking(move |loader| {
            if catches_up {
                loader.catch_up();
            }
            loader.follow();
            loader.look();
        })
        .await;
        loop {
            let end = self.blocking(|loader| loader.next_end()).await.flatten();
            let every = match self.running.borrow().watching {
                Watching::Poll => POLL_EVERY,
                _ => LOOK_EVERY,
            };
            tokio::select! {
                () = self.changed.notified() => {
                    self.settle().await;
                    self.blocking(|loader| loader.reload(Trigger::Files)).await;
                }
                signal = self.hangup.recv() => if signal.is_some() {
                    self.blocking(|loader| loader.reload(Trigger::Signal)).await;
                },
                wish = self.wishes.recv() => if let Some(wish) = wish {
                    self.blocking(move |loader| answer(loader, wish)).await;
                },
                () = until(end) => {
                    self.blocking(|loader| {
                        if loader.next_end().is_some_and(|left| left.is_zero()) {
                            loader.reload(Trigger::Time);
                        }
                    })
                    .await;
                }
                () = sleep(every) => {
                    self.blocking(Loader::look).await;
                }
            }
        }
    }

    /// Waits until files rest.
    async fn settle(&self) {
        let ends = Instant::now() + QUIET_WITHIN;
        while Instant::now() < ends && timeout(QUIET, self.changed.notified()).await.is_ok() {}
    }

    /// Runs beside the data path. None when it panicked, which ends this one load.
    async fn blocking<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Loader) -> T + Send + 'static,
    ) -> Option<T> {
        let loader = Arc::clone(&self.loader);
        let ran = self.aside.run(move || run(&mut loader.lock())).await;
        if ran.is_none() {
            tracing::error!("load of the configuration failed");
        }
        ran
    }
}

fn answer(loader: &mut Loader, wish: Wish) {
    // Whoever asked may have gone; the overlay is listed all the same.
    match wish {
        Wish::Set(wish, answer) => drop(answer.send(loader.set_overlay(wish))),
        Wish::Unset(id, answer) => drop(answer.send(loader.unset_overlay(id))),
    }
}

async fn until(expiry: Option<Duration>) {
    match expiry {
        Some(left) => sleep_until(Instant::now() + left.min(EXPIRY_LOOK_MAX)).await,
        None => std::future::pending().await,
    }
}

impl Handle {
    /// Follows what is in force.
    pub(crate) fn running(&self) -> follow::Receiver<Arc<Running>> {
        self.running.clone()
    }

    fn ask(
        &self,
        wish: impl FnOnce(oneshot::Sender<Result<OverlayStatus, OverlayError>>) -> Wish,
    ) -> Pin<Box<dyn Future<Output = Result<OverlayStatus, OverlayError>> + Send>> {
        let (sender, answer) = oneshot::channel();
        let sent = self.wishes.try_send(wish(sender));
        Box::pin(async move {
            sent.map_err(|_full| OverlayError::Busy)?;
            answer.await.unwrap_or(Err(OverlayError::Busy))
        })
    }
}

impl Overlays for Handle {
    fn set(
        &self,
        wish: OverlayWish,
    ) -> Pin<Box<dyn Future<Output = Result<OverlayStatus, OverlayError>> + Send>> {
        self.ask(|answer| Wish::Set(wish, answer))
    }

    fn unset(
        &self,
        id: u64,
    ) -> Pin<Box<dyn Future<Output = Result<OverlayStatus, OverlayError>> + Send>> {
        self.ask(|answer| Wish::Unset(id, answer))
    }

    fn list(&self) -> Vec<OverlayStatus> {
        self.running.borrow().overlays()
    }
}
