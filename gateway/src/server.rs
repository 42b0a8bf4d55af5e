//! The server: pingora's runtimes, listeners and TLS around our connections.

mod backlog;
mod hand_over;
mod handshake;
mod signals;

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    os::fd::IntoRawFd,
    pin::Pin,
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::{
    apps::ServerApp,
    listeners::tls::Acceptor,
    protocols::{Stream, l4::stream::Stream as L4Stream},
    server::{
        ListenFds, RunArgs, Server, ShutdownWatch,
        configuration::{Opt, ServerConf},
    },
    services::{
        Service as PingoraService, ServiceReadyNotifier, ServiceWithDependents, listening::Service,
    },
};
use tokio::sync::watch;

pub use crate::server::{
    hand_over::{HandOver, Inherited, Kind, Shared},
    signals::Signals,
};
use crate::{
    connection,
    drain::Drained,
    edge::Edge,
    identity::{Clients, ClientsError},
    server::{backlog::Backlog, signals::Drain},
    settings,
    tls::{CertificateError, Certificates},
};

/// Time that pingora's runtimes get to drop what was cut off, in seconds.
const RUNTIME_EXIT_SECONDS: u64 = 1;
/// Blocking threads: name look-ups and file reads of the few background tasks.
const BLOCKING_THREADS_MAX: usize = 8;

/// A listening socket that is already bound, so that a busy port is known before anything starts.
#[derive(Debug)]
struct Socket {
    address: SocketAddr,
    listener: TcpListener,
}

/// All listening sockets of an edge.
pub struct Bound {
    hand_over: HandOver,
    plain: Vec<Socket>,
    tls: Vec<Socket>,
    /// Which clients the TLS listener takes. None: it asks for no certificate.
    clients: Option<Clients>,
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}

/// Why an edge can't listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address is taken, or not this machine's.
    #[error("can't listen on {address}")]
    Address {
        /// The address as configured.
        address: SocketAddr,
        /// Whether it was to speak TLS.
        is_tls: bool,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The authorities of clients can't be used.
    #[error("client authorities {} can't be used: {source}", path.display())]
    Clients {
        /// The bundle's file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: ClientsError,
    },
    /// A certificate can't be used.
    #[error("certificate {} can't be used: {source}", path.display())]
    Certificate {
        /// The certificate's file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: CertificateError,
    },
}

/// A bound address and what is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address with its real port.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub is_tls: bool,
}

impl Bound {
    /// Binds every listener; port 0 takes any free port.
    ///
    /// # Errors
    ///
    /// [`BindError`] for the first address or certificate that can't be used; nothing stays bound.
    pub fn new(settings: &settings::Edge) -> Result<Self, BindError> {
        Self::taking(settings, &mut Inherited::default())
    }

    /// As [`new`](Self::new), with the sockets that another process gave where they are the ones
    /// that are wanted.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn taking(settings: &settings::Edge, inherited: &mut Inherited) -> Result<Self, BindError> {
        let hand_over = HandOver::default();
        if let Some(tls) = &settings.tls {
            check_certificates(&tls.certificates)?;
        }
        let clients = settings.tls.as_ref().and_then(|tls| tls.clients.as_ref());
        let clients = clients.map(check_clients).transpose()?;
        let mut bind = |kind, address: &SocketAddr| {
            let socket = match inherited.take(kind, *address) {
                Some(listener) => Socket::of(listener),
                None => TcpListener::bind(address).and_then(Socket::of),
            };
            let is_tls = kind == Kind::Tls;
            let failed = |source| BindError::Address { address: *address, is_tls, source };
            let socket = socket.map_err(failed)?;
            hand_over.add(kind, *address, &socket.listener);
            Ok(socket)
        };
        let plain = settings.listen.iter().map(|address| bind(Kind::Plain, address));
        let plain = plain.collect::<Result<_, _>>()?;
        let tls = settings.tls.iter().flat_map(|tls| &tls.listen);
        let tls = tls.map(|address| bind(Kind::Tls, address)).collect::<Result<_, _>>()?;
        Ok(Self { hand_over, plain, tls, clients })
    }

    /// What gives the sockets to another process.
    pub fn hand_over(&self) -> HandOver {
        self.hand_over.clone()
    }

    /// The bound addresses, plain ones first.
    pub fn addresses(&self) -> Vec<Address> {
        let plain = self.plain.iter().map(|one| Address { address: one.address, is_tls: false });
        let tls = self.tls.iter().map(|one| Address { address: one.address, is_tls: true });
        plain.chain(tls).collect()
    }
}

fn check_certificates(settings: &[settings::Certificate]) -> Result<(), BindError> {
    Certificates::new(settings).map(drop).map_err(|(at, source)| {
        let path = settings.get(at).map(|one| one.cert_path.clone()).unwrap_or_default();
        BindError::Certificate { path, source }
    })
}

fn check_clients(settings: &settings::ClientAuth) -> Result<Clients, BindError> {
    let path = settings.ca_path.clone();
    Clients::new(settings).map_err(|source| BindError::Clients { path, source })
}

impl Socket {
    fn of(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { address, listener })
    }
}

/// Work beside the data path, run until the watch says true.
pub type Task = Box<dyn FnOnce(watch::Receiver<bool>) -> TaskFuture + Send + Sync>;
/// The future of a [`Task`].
pub type TaskFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves until a signal, drains, and returns how that went.
///
/// Runs its own runtimes: never to be called inside one. SIGTERM and SIGINT drain; a second
/// signal ends at once. So does a [`HandOver`] that is complete.
pub fn run(
    edge: &Arc<Edge>,
    bound: Bound,
    signals: Signals,
    tasks: Vec<(&'static str, Task)>,
) -> Drained {
    let configuration = ServerConf {
        threads: edge.threads.get(),
        work_stealing: false,
        listener_tasks_per_fd: 1,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(RUNTIME_EXIT_SECONDS),
        max_blocking_threads: Some(BLOCKING_THREADS_MAX),
        ..ServerConf::default()
    };
    // The constructor copies the configuration, so nothing may be changed behind it.
    let mut server = Server::new_with_opt_and_conf(None::<Opt>, configuration);
    server.bootstrap();
    let stop_accepting = watch::Sender::new(false);
    let hand_over = bound.hand_over();
    server.add_service(Listening::new(edge, bound, stop_accepting.subscribe()));
    for (name, task) in tasks {
        server.add_service(Background { name, task: Mutex::new(Some(task)) });
    }
    let drained = Arc::new(Mutex::new(Drained::CutOff { exchanges: 0 }));
    let drain = Drain::new(edge, (signals, hand_over), stop_accepting, &drained);
    server.run(RunArgs { shutdown_signal: Box::new(drain) });
    *drained.lock()
}

/// pingora's listening services, with our sockets and our moment to stop accepting.
struct Listening {
    plain: Service<App>,
    tls: Service<App>,
    sockets: Vec<Socket>,
    backlog: Backlog,
    stop_accepting: watch::Receiver<bool>,
}

impl Listening {
    fn new(edge: &Arc<Edge>, bound: Bound, stop_accepting: watch::Receiver<bool>) -> Self {
        let shakes = || handshake::acceptor(&edge.certificates, bound.clients.as_ref());
        let acceptor = (!bound.tls.is_empty()).then(shakes).flatten();
        let backlog = Backlog::new(edge, bound.hand_over(), acceptor.clone());
        let service = |acceptor, sockets: &[Socket]| {
            let mut service =
                Service::new("edge".to_owned(), App { edge: Arc::clone(edge), acceptor });
            for socket in sockets {
                service.add_tcp(&socket.address.to_string());
            }
            service
        };
        Self {
            plain: service(None, &bound.plain),
            tls: service(acceptor, &bound.tls),
            sockets: bound.plain.into_iter().chain(bound.tls).collect(),
            backlog,
            stop_accepting,
        }
    }
}

#[async_trait]
impl ServiceWithDependents for Listening {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        _shutdown: ShutdownWatch,
        listeners_per_fd: usize,
        ready: ServiceReadyNotifier,
    ) {
        if let Some(fds) = &fds {
            let mut fds = fds.lock();
            for socket in self.sockets.drain(..) {
                fds.add(socket.address.to_string(), socket.listener.into_raw_fd());
            }
        }
        ready.notify_ready();
        let stop = || self.stop_accepting.clone();
        tokio::join!(
            PingoraService::start_service(&mut self.plain, fds.clone(), stop(), listeners_per_fd),
            PingoraService::start_service(&mut self.tls, fds, stop(), listeners_per_fd),
        );
        self.backlog.serve();
    }

    fn name(&self) -> &'static str {
        "edge"
    }
}

/// Hands accepted streams to our connections.
struct App {
    edge: Arc<Edge>,
    /// What speaks TLS, where that is spoken.
    acceptor: Option<Arc<Acceptor>>,
}

#[async_trait]
impl ServerApp for App {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        _shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let (edge, peer) = (Arc::clone(&self.edge), connection::peer_of(&*stream));
        let Some(acceptor) = self.acceptor.clone() else {
            connection::serve_plain(edge, stream, peer).await;
            return None;
        };
        let stream = stream.into_any().downcast::<L4Stream>().ok();
        if let Some(stream) = stream {
            // Boxed: a handshake is larger than all that a connection without one needs.
            Box::pin(handshake::serve(edge, acceptor, *stream, peer)).await;
        }
        None
    }
}

/// A [`Task`] as pingora runs it, on a thread of its own.
struct Background {
    name: &'static str,
    task: Mutex<Option<Task>>,
}

#[async_trait]
impl ServiceWithDependents for Background {
    async fn start_service(
        &mut self,
        _fds: Option<ListenFds>,
        shutdown: ShutdownWatch,
        _listeners_per_fd: usize,
        ready: ServiceReadyNotifier,
    ) {
        ready.notify_ready();
        let task = self.task.lock().take();
        if let Some(task) = task {
            task(shutdown).await;
        }
    }

    fn name(&self) -> &str {
        self.name
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}
