//! Wires the parts of an edge together, once, and serves.

use std::{
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use headgate_admin::{NoOverlays, Overlays, Readiness, Server, State};
use headgate_gateway::{
    Drained, Edge, Parts, Phase,
    identity::HttpFetch,
    server::{self, Address, BindError, Bound, Signals, Task},
};
use headgate_telemetry::access;
use tokio::sync::watch;

use crate::{
    exit::Invalid,
    facts::FactsLog,
    live::Live,
    machine,
    output::Output,
    reload::{Handle, Reload, Running, Start},
    timeline::{Timeline, Watched},
};

/// Time that queued access lines have to be written at the end.
const ACCESS_FLUSH: Duration = Duration::from_secs(2);

/// The addresses of a bound edge.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// Where devices call, plain listeners first.
    pub(crate) edge: Vec<Address>,
    /// Where operators ask.
    pub(crate) admin: SocketAddr,
}

impl Addresses {
    /// The URL of the first plain listener, or else of the first one.
    pub(crate) fn edge_url(&self) -> String {
        self.edge.first().map(url).unwrap_or_default()
    }

    /// The URL of the admin listener.
    pub(crate) fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }
}

fn url(address: &Address) -> String {
    let scheme = if address.is_tls { "https" } else { "http" };
    format!("{scheme}://{}", address.address)
}

/// Binds everything, tells the addresses, and serves until a signal.
///
/// # Errors
///
/// [`Invalid`] for a port in use or a part that can't be built from the settings.
pub(crate) fn serve(
    start: Start,
    announce: impl FnOnce(&Addresses) -> io::Result<()>,
) -> anyhow::Result<ExitCode> {
    let Start { loaded, stores, metrics, clock, begin } = start;
    let exporter = metrics.exporter();
    let (log, writer) = access::Log::start(io::stdout(), &metrics).context("access log")?;
    let records = stores.records(&clock);
    let facts = FactsLog::of(&loaded, stores.local());
    let facts_kept = facts.as_ref().map(|facts| facts.keep(&metrics, &clock));
    let parts = Parts {
        records: records.clone(),
        clock: Arc::clone(&clock),
        metrics: metrics.clone(),
        access: log.clone(),
        fetch: Arc::new(HttpFetch::default()),
        digest: loaded.digest.as_str().into(),
    };
    let threads = loaded.settings.edge.threads.get();
    let edge = Edge::new(&loaded.settings, parts).map_err(Invalid::new)?;
    let bound = Bound::new(&loaded.settings.edge).map_err(not_bound)?;
    let admin = bind_admin(loaded.admin_listen)?;
    let addresses = Addresses { edge: bound.addresses(), admin: admin.local_addr()? };
    let signals = Signals::catch().context("signals")?;
    let reload = match begin {
        Some(begin) => {
            let (clock, metrics) = (Arc::clone(&clock), metrics.config());
            Some(Reload::new(begin, &edge, clock, metrics).context("signals")?)
        }
        None => None,
    };
    announce(&addresses)?;

    let mint = edge.mint();
    let (readiness, readiness_watch) = watch::channel(Readiness::Ready);
    let handle = reload.as_ref().map(Reload::handle);
    let running = match &handle {
        Some(handle) => handle.running(),
        // The last value stays when its sender is gone.
        None => watch::channel(Arc::new(Running::new(loaded, clock.unix_time()))).1,
    };
    let timeline = Timeline::of(stores.local());
    let watched = Watched::new(&edge, &running, &clock, &metrics);
    let state = State {
        readiness: readiness_watch,
        exporter,
        passport_keys: Arc::new(move || mint.jwks()),
        status: Arc::new(
            Live::new(&edge, running, &addresses, Arc::clone(&clock), log)
                .with_facts(facts)
                .with_timeline(timeline.clone()),
        ),
        overlays: overlays(handle),
        records: records.clone(),
    };
    let mut tasks = vec![
        ("admin", admin_task(Server::new(admin, state), Arc::clone(&edge), readiness)),
        ("identity", identity_task(&edge)),
        ("passport", passport_task(&edge)),
        ("machine", machine::task(&edge, threads)),
        ("timeline", watched.task(timeline)),
    ];
    if let Some((keeper, task)) = facts_kept {
        edge.keep_facts(keeper);
        tasks.push(("facts", task));
    }
    tasks.extend(stores.upkeep(records, &metrics, &clock).map(|task| ("store", task)));
    tasks.extend(reload.map(|reload| ("reload", reload.task())));
    let drained = server::run(&edge, bound, signals, tasks);
    writer.close(ACCESS_FLUSH);
    if let Drained::CutOff { exchanges } = drained {
        tracing::warn!(exchanges, "drain deadline passed, exchanges cut off");
    }
    Ok(ExitCode::SUCCESS)
}

fn overlays(handle: Option<Handle>) -> Arc<dyn Overlays> {
    match handle {
        Some(handle) => Arc::new(handle),
        None => Arc::new(NoOverlays),
    }
}

/// Names the key that asks for the address.
fn not_bound(error: BindError) -> Invalid {
    match error {
        BindError::Address { address, is_tls, source } => {
            let key = if is_tls { "edge.tls.listen" } else { "edge.listen" };
            Invalid::message(format!("can't listen on {address} ({key}): {source}"))
        }
        other => Invalid::new(other),
    }
}

fn bind_admin(address: SocketAddr) -> Result<TcpListener, Invalid> {
    TcpListener::bind(address).map_err(|error| {
        Invalid::message(format!("can't listen on {address} (admin.listen): {error}"))
    })
}

/// Serves the admin API, whose readiness follows the edge's phase.
fn admin_task(server: Server, edge: Arc<Edge>, readiness: watch::Sender<Readiness>) -> Task {
    Box::new(|mut shutdown| {
        Box::pin(async move {
            let follow = async move {
                let mut phase = edge.lifecycle().watch();
                // A signal may have come before this task ran: the phase counts, not its change.
                if phase.wait_for(|phase| *phase > Phase::Serving).await.is_ok() {
                    readiness.send_replace(Readiness::Draining);
                }
                std::future::pending::<()>().await;
            };
            let stopped = async move {
                // A sender that is gone means the same as one that says stop.
                drop(shutdown.wait_for(|stop| *stop).await);
            };
            tokio::select! {
                served = server.run(stopped) => if let Err(error) = served {
                    tracing::error!(%error, "admin listener failed");
                },
                () = follow => {}
            }
        })
    })
}

fn identity_task(edge: &Arc<Edge>) -> Task {
    let edge = Arc::clone(edge);
    Box::new(|shutdown| Box::pin(edge.keep_keys_fresh(shutdown)))
}

fn passport_task(edge: &Arc<Edge>) -> Task {
    let mint = edge.mint();
    Box::new(|shutdown| Box::pin(mint.run(shutdown)))
}

/// Tells where the edge listens and that it is ready: people by a line each, machines by one JSON
/// object in the line before the access lines.
pub(crate) fn print_addresses(addresses: &Addresses, output: &mut Output<'_>) -> io::Result<()> {
    let edge: Vec<_> = addresses.edge.iter().map(url).collect();
    let admin = addresses.admin_url();
    if output.json {
        return output.json_line(&serde_json::json!({ "edge": edge, "admin": admin }));
    }
    let out = &mut output.out;
    for url in edge {
        writeln!(out, "edge {url}")?;
    }
    writeln!(out, "admin {admin}")?;
    writeln!(out, "headgate ready")?;
    out.flush()
}
