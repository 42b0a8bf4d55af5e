//! The new process: receives sockets, prepares, takes the store, serves.

use std::{
    io,
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process,
    sync::Arc,
    thread,
    time::Duration,
};

use headgate_gateway::{
    Edge,
    server::{Inherited, Shared},
};
use headgate_store::{Access, Remote, Store, answer};
use headgate_telemetry::Metrics;
use tokio::{runtime, time::Instant};

use crate::{
    store::Stores,
    upgrade::{
        Error, socket_in,
        wire::{Line, Message, Offer, PROTOCOL},
    },
};

/// Time for the running edge to answer.
const WELCOME_WITHIN: Duration = Duration::from_secs(5);
/// Time for it to close its store.
const RELEASE_WITHIN: Duration = Duration::from_secs(10);
/// Time for it to say that it drains.
const DONE_WITHIN: Duration = Duration::from_secs(10);
/// Time for the first fetch of keys that callers are verified with. What is not there by then is
/// fetched on.
const KEYS_WITHIN: Duration = Duration::from_secs(5);

/// An edge that can be taken over from.
#[derive(Debug)]
pub(crate) struct TakeOver {
    line: Line,
    /// Its listening sockets.
    pub(crate) inherited: Inherited,
    pid: u32,
    /// Over which its store is read. None: it has none.
    reads: Option<UnixStream>,
    /// Over which it will use the store of this process.
    answers: Vec<UnixStream>,
}

impl TakeOver {
    /// Asks the edge that runs with this `data.dir`.
    pub(crate) fn begin(dir: &Path) -> Result<Self, Error> {
        let path = socket_in(dir);
        let nobody = |source| Error::Nobody { path, source };
        let stream = UnixStream::connect(socket_in(dir)).map_err(nobody)?;
        let step = "it began";
        let mut line = Line::new(stream).map_err(Error::broken_off(step))?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let hello = Message::Hello { protocol: PROTOCOL, version, pid: process::id() };
        // One that refuses at once has hung up by then; what it said is there to be read.
        let sent = line.send(&hello);
        let welcome = line.receive(WELCOME_WITHIN).or_else(|error| sent.and(Err(error)));
        let (message, descriptors) = welcome.map_err(Error::broken_off(step))?;
        match message {
            Message::Welcome { pid, sockets, has_store, .. } => {
                Self::welcome(line, (pid, has_store), &sockets, descriptors)
            }
            Message::Refused(refusal) => Err(Error::Refused(refusal)),
            _ => Err(Error::broken_off(step)(io::ErrorKind::InvalidData.into())),
        }
    }

    fn welcome(
        line: Line,
        (pid, has_store): (u32, bool),
        offers: &[Offer],
        descriptors: Vec<OwnedFd>,
    ) -> Result<Self, Error> {
        let count = offers.len() + if has_store { 3 } else { 0 };
        if descriptors.len() != count {
            let error = io::Error::other("not a descriptor for each socket");
            return Err(Error::broken_off("sockets were received")(error));
        }
        let mut descriptors = descriptors.into_iter();
        let sockets = offers.iter().zip(descriptors.by_ref()).map(|(offer, descriptor)| Shared {
            kind: offer.kind.into(),
            wanted: offer.wanted,
            listener: TcpListener::from(descriptor),
        });
        let inherited = Inherited::new(sockets.collect());
        let mut streams = descriptors.map(UnixStream::from);
        let reads = streams.next();
        Ok(Self { line, inherited, pid, reads, answers: streams.collect() })
    }

    /// The stores of this process, the embedded one as long as the running edge has it through
    /// that one.
    pub(crate) fn stores(&mut self, dir: &Path, metrics: &Metrics) -> anyhow::Result<Stores> {
        let Some(reads) = self.reads.take() else {
            return Ok(Stores::open_dir(Some(dir), metrics)?);
        };
        let remote = Remote::new(reads, None);
        Ok(Stores::remote(dir, remote.map_err(Error::broken_off("the store was read"))?, metrics)?)
    }

    /// Has all that is left to prepare fetched, and takes the store. The running edge accepts and
    /// serves on.
    ///
    /// # Errors
    ///
    /// [`Error`], and what the store says.
    pub(crate) fn take(mut self, stores: &Stores, edge: &Arc<Edge>) -> anyhow::Result<Arrived> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(Arc::clone(edge).fetch_keys(KEYS_WITHIN));
        drop(runtime);
        let step = "the store was taken";
        let ready = Message::Ready { left: self.inherited.left() };
        let since = Instant::now();
        let released = self.line.send(&ready).and_then(|()| self.line.receive(RELEASE_WITHIN));
        match released.map_err(Error::broken_off(step))? {
            (Message::Released, _) => {}
            _ => {
                return Err(Error::broken_off(step)(io::ErrorKind::ConnectionAborted.into()).into());
            }
        }
        if let Some((store, movable)) = stores.movable() {
            movable.take().map_err(crate::exit::Invalid::new)?;
            for stream in self.answers {
                serve_store(store.clone(), stream)?;
            }
        }
        Ok(Arrived { line: self.line, pid: self.pid, since, store_away: Duration::ZERO })
    }
}

/// Lets the old process use the store for as long as it drains.
fn serve_store(store: Store, stream: UnixStream) -> io::Result<()> {
    let serve = move || {
        if let Err(error) = answer(&store, stream, Access::All) {
            tracing::debug!(%error, "draining edge's store connection failed");
        }
    };
    thread::Builder::new().name("upgrade-store".to_owned()).spawn(serve).map(drop)
}

/// A process that has all it needs to serve.
#[derive(Debug)]
pub(crate) struct Arrived {
    line: Line,
    pid: u32,
    since: Instant,
    /// Time during which the store was in no process, or in this one that did not serve yet.
    store_away: Duration,
}

impl Arrived {
    /// Says that this process serves, and tells whether it is to go on. Blocks.
    pub(crate) fn complete(&mut self) -> bool {
        self.store_away = self.since.elapsed();
        let done = self.line.send(&Message::Serving).and_then(|()| self.line.receive(DONE_WITHIN));
        let pid = self.pid;
        match done {
            Ok((Message::Done, _)) => true,
            Ok(_) => {
                tracing::error!(
                    pid,
                    code = "HG1223",
                    "hand-over broke off, the old edge serves on"
                );
                false
            }
            // Sockets and store are here, and the other one can't serve without.
            Err(error) => {
                tracing::warn!(pid, %error, "old edge is gone, this one serves");
                true
            }
        }
    }

    /// Writes down that it is done.
    pub(crate) fn tell(&self) {
        let store_away_ms = self.store_away.as_secs_f64() * 1_000.0;
        tracing::info!(pid = self.pid, store_away_ms, "took over from the running edge");
    }
}
