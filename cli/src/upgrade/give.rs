//! What a running edge does about upgrades: hands over to the process that asks, and starts one on
//! SIGQUIT.

use std::{
    env, fs, io,
    os::{
        fd::AsFd as _,
        unix::{
            fs::PermissionsExt as _,
            net::{self, UnixStream},
        },
    },
    path::PathBuf,
    process::{self, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use headgate_config::Loaded;
use headgate_gateway::{
    Edge, Phase,
    server::{HandOver, Shared, Task},
};
use headgate_store::{Access, Movable, Remote, Store, answer};
use parking_lot::Mutex;
use tokio::{
    net::UnixListener,
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::Semaphore,
    task::spawn_blocking,
};

use crate::{
    args,
    reload::Loader,
    store::Stores,
    upgrade::{
        Arrived, Error, notify, socket_in,
        wire::{Line, Message, Offer, PROTOCOL, Refusal, SOCKETS_MAX},
    },
};

/// Time for a process that connects to say what it wants.
const HELLO_WITHIN: Duration = Duration::from_secs(2);
/// Time for the new process to load its configuration and fetch keys.
const PREPARE_WITHIN: Duration = Duration::from_mins(2);
/// Time for it to open the store and to serve. Keyed requests wait meanwhile.
const SERVE_WITHIN: Duration = Duration::from_secs(10);
/// Mode of the socket: who reaches it gets the edge's sockets.
const OWNER_ONLY: u32 = 0o600;

/// How this process is started once more.
#[derive(Debug)]
pub(crate) struct Again {
    /// As it was found at the start: the file may be another by now, and that is the point.
    program: Option<PathBuf>,
    config: PathBuf,
    is_strict: bool,
    json: bool,
}

impl Again {
    pub(crate) fn new(args: &args::Run, json: bool) -> Self {
        let (config, is_strict) = (args.config.config.clone(), args.strict);
        Self { program: env::current_exe().ok(), config, is_strict, json }
    }

    /// Starts `headgate upgrade` beside this process, and tells when that ends badly.
    fn start(&self) -> io::Result<()> {
        let program = self.program.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut command = Command::new(program);
        command.arg("upgrade").arg("--config").arg(&self.config).stdin(Stdio::null());
        command.args(self.is_strict.then_some("--strict")).args(self.json.then_some("--json"));
        let mut child = command.spawn()?;
        tracing::info!(pid = child.id(), "upgrade started");
        let wait = move || match child.wait() {
            Ok(status) if status.success() => {}
            Ok(status) => tracing::error!(%status, "upgrade failed, this edge serves on"),
            Err(error) => tracing::error!(%error, "upgrade can't be followed"),
        };
        thread::Builder::new().name("upgrade-child".to_owned()).spawn(wait).map(drop)
    }
}

/// What is handed over, and how.
pub(crate) struct Giver {
    dir: Option<PathBuf>,
    edge: Arc<Edge>,
    hand_over: HandOver,
    store: Option<(Store, Arc<Movable>)>,
    again: Again,
    /// Stands still while another process takes over.
    loader: Option<Arc<Mutex<Loader>>>,
    /// What this process took over from, and has to be told.
    arrived: Option<Arrived>,
}

impl Giver {
    /// What there is to give, and how to start who takes it.
    pub(crate) fn new(
        again: Again,
        edge: &Arc<Edge>,
        hand_over: &HandOver,
        stores: &Stores,
        loaded: &Loaded,
    ) -> Self {
        Self {
            again,
            edge: Arc::clone(edge),
            hand_over: hand_over.clone(),
            store: stores.movable(),
            dir: loaded.data_dir.clone(),
            loader: None,
            arrived: None,
        }
    }

    /// With what keeps the configuration as it is while another process takes over, and with what
    /// this one took over from.
    pub(crate) fn with(self, loader: Option<Arc<Mutex<Loader>>>, arrived: Option<Arrived>) -> Self {
        Self { loader, arrived, ..self }
    }

    /// Catches SIGQUIT from here on. The flag is set when this process has to end, since the one
    /// that it took over from serves on.
    ///
    /// # Errors
    ///
    /// When the system refuses a handler.
    pub(crate) fn task(self, has_failed: Arc<AtomicBool>) -> io::Result<Task> {
        // The handler is registered with a runtime at hand; any later runtime hears of it.
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let quit = {
            let _context = runtime.enter();
            signal(SignalKind::quit())?
        };
        // The one that this process took over from listens there until that is done.
        let listener = if self.arrived.is_none() { self.listen() } else { None };
        Ok(Box::new(|mut shutdown| {
            Box::pin(async move {
                tokio::select! {
                    () = self.run(quit, listener, has_failed) => {}
                    // A sender that is gone means the same as one that says stop.
                    _stopped = shutdown.wait_for(|stop| *stop) => {}
                }
            })
        }))
    }

    async fn run(
        mut self,
        mut quit: Signal,
        mut listener: Option<net::UnixListener>,
        has_failed: Arc<AtomicBool>,
    ) {
        if let Some(mut arrived) = self.arrived.take() {
            let completed = spawn_blocking(move || arrived.complete().then_some(arrived)).await;
            let Ok(Some(arrived)) = completed else {
                has_failed.store(true, Ordering::Relaxed);
                return self.end();
            };
            listener = self.listen();
            arrived.tell();
        }
        notify::serving();
        let listener = listener.and_then(|listener| UnixListener::from_std(listener).ok());
        let this = Arc::new(self);
        let one_at_a_time = Arc::new(Semaphore::new(1));
        loop {
            tokio::select! {
                () = this.hand_over.over() => return,
                stream = accept(listener.as_ref()) => if let Some(stream) = stream {
                    Arc::clone(&this).begin(stream, &one_at_a_time);
                },
                signal = quit.recv() => if signal.is_some() {
                    this.start();
                },
            }
        }
    }

    /// Listens in the folder, in place of a process that is gone or handed over. None where there
    /// is no folder, and where that is not possible.
    fn listen(&self) -> Option<net::UnixListener> {
        let path = socket_in(self.dir.as_deref()?);
        let bound = match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => net::UnixListener::bind(&path),
        };
        let bound = bound.and_then(|listener| {
            fs::set_permissions(&path, fs::Permissions::from_mode(OWNER_ONLY))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        let failed = |error: &io::Error| {
            let path = path.display();
            tracing::warn!(code = "HG1224", %error, %path, "no upgrade of this process is possible");
        };
        bound.inspect_err(failed).ok()
    }

    /// Ends this process: the one that it was to take over from serves on, with the store.
    fn end(&self) {
        if let Some((_, movable)) = &self.store {
            drop(movable.let_go());
        }
        self.hand_over.complete(Vec::new());
    }

    fn start(&self) {
        if self.dir.is_none() {
            let error = Error::NoFolder;
            tracing::error!(code = error.code(), %error, "no upgrade");
        } else if let Err(error) = self.again.start() {
            tracing::error!(%error, "no upgrade: the program can't be started");
        }
    }

    /// Talks to the process that asks, on a thread of its own; one at a time.
    fn begin(self: Arc<Self>, stream: UnixStream, one_at_a_time: &Arc<Semaphore>) {
        let Ok(turn) = Arc::clone(one_at_a_time).try_acquire_owned() else {
            let refused =
                Line::new(stream).and_then(|mut line| line.send(&Message::Refused(Refusal::Busy)));
            if let Err(error) = refused {
                tracing::debug!(%error, "second upgrade not told that it is one too many");
            }
            return;
        };
        drop(spawn_blocking(move || {
            let _turn = turn;
            if let Err(error) = self.talk(stream) {
                tracing::warn!(%error, "upgrade came to nothing, this edge serves on");
            }
        }));
    }

    fn talk(&self, stream: UnixStream) -> io::Result<()> {
        let mut line = Line::new(stream)?;
        let (hello, _) = line.receive(HELLO_WITHIN)?;
        let Message::Hello { protocol, version, pid } = hello else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let sockets = match self.sockets(protocol) {
            Ok(sockets) => sockets,
            Err(refusal) => return line.send(&Message::Refused(refusal)),
        };
        tracing::info!(pid, version, "an upgrade prepares to take over");
        let streams = self.welcome(&mut line, &sockets)?;
        drop(sockets);
        let (Message::Ready { left }, _) = line.receive(PREPARE_WITHIN)? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        // What is in force stays so until it is the other's; what is set meanwhile would be lost.
        let mut loader = self.loader.as_ref().map(|loader| loader.lock());
        self.release(&mut line, streams)?;
        if let Some(loader) = &mut loader {
            loader.retire();
        }
        tracing::info!(pid, "handed over");
        self.hand_over.complete(left);
        Ok(())
    }

    fn sockets(&self, protocol: u32) -> Result<Vec<Shared>, Refusal> {
        if protocol != PROTOCOL {
            return Err(Refusal::Protocol(PROTOCOL));
        }
        if self.edge.lifecycle().phase() > Phase::Serving {
            return Err(Refusal::Draining);
        }
        let sockets = self.hand_over.sockets().ok_or(Refusal::Draining)?;
        if sockets.len() > SOCKETS_MAX { Err(Refusal::Sockets) } else { Ok(sockets) }
    }

    /// Gives the sockets, and a view of the store; returns what leads to the other's store.
    fn welcome(&self, line: &mut Line, sockets: &[Shared]) -> io::Result<Option<Remote>> {
        let (mut theirs, mut remote) = (Vec::new(), None);
        if let Some((store, _)) = &self.store {
            let (ours, reads) = UnixStream::pair()?;
            let store = store.clone();
            thread::Builder::new().name("upgrade-store".to_owned()).spawn(move || {
                if let Err(error) = answer(&store, ours, Access::Reads) {
                    tracing::debug!(%error, "upgrade's view of the store failed");
                }
            })?;
            let (our_reads, their_reads) = UnixStream::pair()?;
            let (our_commits, their_commits) = UnixStream::pair()?;
            remote = Some(Remote::new(our_reads, Some(our_commits))?);
            theirs.extend([reads, their_reads, their_commits]);
        }
        let offer = |one: &Shared| Offer { kind: one.kind.into(), wanted: one.wanted };
        let welcome = Message::Welcome {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: process::id(),
            sockets: sockets.iter().map(offer).collect(),
            has_store: remote.is_some(),
        };
        let listeners = sockets.iter().map(|one| one.listener.as_fd());
        let descriptors: Vec<_> =
            listeners.chain(theirs.iter().map(|stream| stream.as_fd())).collect();
        line.send_with(&welcome, &descriptors)?;
        Ok(remote)
    }

    /// Lets the other process have the store and serve, or takes the store back.
    fn release(&self, line: &mut Line, remote: Option<Remote>) -> io::Result<()> {
        let away = self.store.as_ref().map(|(_, movable)| movable.let_go());
        let serving = line.send(&Message::Released).and_then(|()| line.receive(SERVE_WITHIN));
        let done = match serving {
            Ok((Message::Serving, _)) => line.send(&Message::Done),
            Ok(_) => Err(io::ErrorKind::InvalidData.into()),
            Err(error) => Err(error),
        };
        match (done, away) {
            (Ok(()), away) => {
                if let (Some(away), Some(remote)) = (away, remote) {
                    away.there(remote);
                }
                Ok(())
            }
            (Err(error), away) => {
                // It may be gone already.
                drop(line.send(&Message::Abort));
                if let Some(Err(error)) = away.map(headgate_store::Away::back) {
                    tracing::error!(code = error.code(), %error, "store can't be opened again");
                }
                Err(error)
            }
        }
    }
}

/// The next process that connects. None when it could not be accepted.
async fn accept(listener: Option<&UnixListener>) -> Option<UnixStream> {
    let Some(listener) = listener else { return std::future::pending().await };
    match listener.accept().await.and_then(|(stream, _)| stream.into_std()) {
        Ok(stream) => Some(stream),
        Err(error) => {
            tracing::warn!(%error, "upgrade can't be accepted");
            // Such as no descriptor left: a look now and then, not a loop at full speed.
            tokio::time::sleep(HELLO_WITHIN).await;
            None
        }
    }
}
