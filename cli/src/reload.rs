//! Owns the running configuration: finds changes, and puts what is good of them in force.
//!
//! One task takes every trigger, one at a time: a change of a file, SIGHUP, a change of operators'
//! that is folded, an overlay that expires. Triggers that come meanwhile are one. What loads and applies runs on a thread
//! of its own, which gives way to the data path; whatever comes of it, the next trigger is taken.

mod loader;
mod past;
mod running;
mod shelf;
mod start;

use std::{io, sync::Arc, time::Duration};

use headgate_admin::{OverlayError, OverlayStatus};
use headgate_config::{Overlay, Watch, Watching};
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

pub(crate) use crate::reload::{
    loader::Loader,
    past::{At, Found, Past},
    running::Running,
    shelf::Folded,
    start::Start,
};
use crate::{
    aside::Aside,
    control::{Control, Home},
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
/// Wishes of operators that wait at most.
const WISHES_MAX: usize = 16;
/// An expiry is looked at again after so long, in case the clock was set.
const EXPIRY_LOOK_MAX: Duration = Duration::from_mins(1);

/// What operators' changes ask for, and where the answer goes.
#[derive(Debug)]
enum Wish {
    /// Whether the overlay of a number fits the files beside the others.
    Fits(Vec<Overlay>, u64, oneshot::Sender<Result<(), OverlayError>>),
    /// Puts in force what is folded.
    Put(Box<Folded>, oneshot::Sender<()>),
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

/// Puts in force what operators change, and shows what is.
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

    /// What operators change, which this puts in force. `node` is the edge's name in what it writes.
    pub(crate) fn control(&self, home: Home, clock: &Arc<dyn Clock>, node: String) -> Control {
        let (folded, past) = self.loader.lock().known();
        Control::new(home, (self.handle(), past), folded, (Arc::clone(clock), node))
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
    // Whoever asked may have gone.
    match wish {
        Wish::Fits(overlays, id, answer) => drop(answer.send(loader.fits(&overlays, id))),
        Wish::Put(folded, answer) => {
            loader.put(&folded);
            let _gone = answer.send(());
        }
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

    /// The overlays that have not expired, by number.
    pub(crate) fn overlays(&self) -> Vec<OverlayStatus> {
        self.running.borrow().overlays()
    }

    /// Whether the overlay of a number fits the files beside the others.
    ///
    /// # Errors
    ///
    /// [`OverlayError::Refused`] with all that is wrong; [`OverlayError::Busy`] when too many ask,
    /// or another process has taken over.
    pub(crate) async fn fits(&self, overlays: Vec<Overlay>, id: u64) -> Result<(), OverlayError> {
        let (sender, answer) = oneshot::channel();
        let sent = self.wishes.try_send(Wish::Fits(overlays, id, sender));
        sent.map_err(|_full| OverlayError::Busy)?;
        answer.await.unwrap_or(Err(OverlayError::Busy))
    }

    /// Puts in force what is folded, and returns once it is.
    pub(crate) async fn put(&self, folded: Folded) {
        let (sender, done) = oneshot::channel();
        if self.wishes.send(Wish::Put(Box::new(folded), sender)).await.is_ok() {
            // A load that panicked is told; what was in force stays.
            drop(done.await);
        }
    }
}

#[cfg(test)]
impl Handle {
    /// One without files, which whatever it is told fits and is put in force at once.
    pub(crate) fn willing(loaded: headgate_config::Loaded) -> Self {
        let now = headgate_types::UnixTime::from_secs(0);
        let (sender, running) = follow::channel(Arc::new(Running::new(Arc::new(loaded), now)));
        let (wishes, mut wished) = mpsc::channel(WISHES_MAX);
        tokio::spawn(async move {
            while let Some(wish) = wished.recv().await {
                match wish {
                    Wish::Fits(_, _, answer) => drop(answer.send(Ok(()))),
                    Wish::Put(folded, done) => {
                        sender.send_modify(|running| {
                            let running = Arc::make_mut(running);
                            running.version = folded.control.version();
                            Arc::make_mut(&mut running.loaded).overlays = folded.in_force(now);
                        });
                        let _gone = done.send(());
                    }
                }
            }
        });
        Self { wishes, running }
    }
}
