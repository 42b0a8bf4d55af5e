//! Wires the parts of an edge together, once, and serves.

use std::{
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use headgate_admin::{NoOverlays, Readiness, Server, State};
use headgate_config::{Loaded, name_servers};
use headgate_gateway::{
    Drained, Edge, Parts, Phase,
    identity::HttpFetch,
    server::{self, Address, BindError, Bound, HandOver, Inherited, Kind, Signals, Task},
};
use headgate_idempotency::Records;
use headgate_telemetry::{Metrics, access};
use headgate_types::Clock;
use tokio::{runtime, sync::watch, time::sleep};

use crate::{
    events::{Events, control_home, timeline_home},
    exit::{self, Invalid},
    facts::FactsLog,
    live::{Keys, Live},
    machine,
    output::Output,
    probes::Prober,
    reload::{Reload, Running, Start},
    timeline::{Timeline, Watched, node},
    upgrade::{Giver, TakeOver},
};

/// Time that queued access lines have to be written at the end.
const ACCESS_FLUSH: Duration = Duration::from_secs(2);

/// Time for the first request of an operator's connection that was accepted just before another
/// process took over.
const FIRST_REQUEST_FOR: Duration = Duration::from_millis(500);

/// Time for the first look for endpoints. What is not there by then is looked for on.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(3);

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
    let Start { loaded, stores, metrics, clock, begin, again, mut take_over } = start;
    let (log, writer) = access::Log::start(io::stdout(), &metrics).context("access log")?;
    let records = stores.records(&clock);
    let facts = FactsLog::of(&loaded, stores.local());
    let facts_kept = facts.as_ref().map(|facts| facts.keep(&metrics, &clock));
    let threads = loaded.settings.edge.threads.get();
    let edge = edge(&loaded, records.as_ref(), &clock, &metrics, &log)?;
    let events = Events::wire((&loaded, &edge), (&stores, records.as_ref()), &clock, &metrics)?;
    let Sockets { bound, admin, addresses } = Sockets::bind(&loaded, take_over.as_mut())?;
    let hand_over = bound.hand_over();
    let signals = Signals::catch().context("signals")?;
    let mut reload = begin
        .map(|begin| Reload::new(begin, &edge, Arc::clone(&clock), metrics.config()))
        .transpose()
        .context("signals")?;
    let arrived = take_over.map(|it| it.take(&stores, &edge)).transpose()?;
    if let Some(reload) = &mut reload {
        reload.begin(arrived.is_some());
    }
    let is_unwanted = Arc::<AtomicBool>::default();
    let upgrades = again.map(|again| {
        let giver = Giver::new(again, &edge, &hand_over, &stores, &loaded);
        giver.with(reload.as_ref().map(Reload::loader), arrived).task(Arc::clone(&is_unwanted))
    });
    let upgrades = upgrades.transpose().context("signals")?;
    announce(&addresses)?;

    let (readiness, readiness_watch) = watch::channel(Readiness::Ready);
    let running = in_force(reload.as_ref(), Arc::clone(&loaded), &*clock);
    let home = control_home(events.as_ref(), &loaded, &stores, &clock)?;
    let timeline = Timeline::new(stores.local(), (node(addresses.admin), &running), &clock)
        .shared(timeline_home(&home, &loaded), &metrics);
    let control = reload.as_ref().map(|it| it.control(home, &clock, node(addresses.admin)));
    let watched = Watched::new(&edge, &running, &clock, &metrics);
    let prober = Prober::new(&edge, &addresses.edge, &running, &clock, &metrics);
    let state = State {
        readiness: readiness_watch,
        exporter: metrics.exporter(),
        tails: edge.tails().clone(),
        passport_keys: Arc::new(Keys(edge.mint())),
        status: Arc::new(
            Live::new(&edge, running.clone(), &addresses, Arc::clone(&clock), log)
                .with_facts(facts),
        ),
        timeline: Arc::new(timeline.clone()),
        overlays: control.clone().map_or_else(|| Arc::new(NoOverlays) as _, |it| Arc::new(it) as _),
        records: records.clone(),
        events: events.as_ref().map(Events::for_operators),
        probes: Arc::new(prober.clone()),
    };
    let timeline_told = timeline.task().map(|task| ("timeline log", task));
    let mut tasks = vec![
        ("admin", admin_task(Server::new(admin, state), (Arc::clone(&edge), hand_over), readiness)),
        ("timeline", watched.task(timeline)),
        ("probes", prober.task()),
    ];
    tasks.extend(timeline_told);
    tasks.extend(edge_tasks(&edge, threads));
    if let Some((keeper, task)) = facts_kept {
        edge.keep_facts(keeper);
        tasks.push(("facts", task));
    }
    tasks.extend(stores.upkeep(records, &metrics, &clock).map(|task| ("store", task)));
    tasks.extend(reload.map(|reload| ("reload", reload.task())));
    tasks.extend(control.map(|control| ("control", control.task())));
    tasks.extend(events.into_iter().flat_map(|it| it.tasks(&edge, running.clone())));
    tasks.extend(upgrades.map(|task| ("upgrade", task)));
    let drained = server::run(&edge, bound, signals, tasks);
    writer.close(ACCESS_FLUSH);
    Ok(ended(drained, is_unwanted.load(Ordering::Relaxed)))
}

/// The edge as it is configured, with its endpoints looked up.
fn edge(
    loaded: &Loaded,
    records: Option<&Records>,
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
    access: &access::Log,
) -> anyhow::Result<Arc<Edge>> {
    let parts = Parts {
        records: records.cloned(),
        clock: Arc::clone(clock),
        metrics: metrics.clone(),
        access: access.clone(),
        fetch: Arc::new(HttpFetch::default()),
        digest: loaded.digest.as_str().into(),
    };
    let edge = Edge::new(&loaded.settings, parts).map_err(Invalid::new)?;
    look_up(&edge)?;
    Ok(edge)
}

/// Tells of what was cut off, and with what the process ends.
fn ended(drained: Drained, is_unwanted: bool) -> ExitCode {
    if let Drained::CutOff { exchanges } = drained {
        tracing::warn!(exchanges, "drain deadline passed, exchanges cut off");
    }
    if is_unwanted { ExitCode::from(exit::INVALID) } else { ExitCode::SUCCESS }
}

/// All listening sockets.
struct Sockets {
    bound: Bound,
    admin: TcpListener,
    addresses: Addresses,
}

impl Sockets {
    /// Takes over what is there, and binds the rest.
    fn bind(loaded: &Loaded, take_over: Option<&mut TakeOver>) -> anyhow::Result<Self> {
        let mut none = Inherited::default();
        let inherited = take_over.map_or(&mut none, |it| &mut it.inherited);
        let bound = Bound::taking(&loaded.settings.edge, inherited).map_err(not_bound)?;
        let admin = bind_admin(loaded.admin_listen, inherited, &bound.hand_over())?;
        let addresses = Addresses { edge: bound.addresses(), admin: admin.local_addr()? };
        Ok(Self { bound, admin, addresses })
    }
}

/// What is in force, as it changes.
fn in_force(
    reload: Option<&Reload>,
    loaded: Arc<Loaded>,
    clock: &dyn Clock,
) -> watch::Receiver<Arc<Running>> {
    let fixed = || {
        // The last value stays when its sender is gone.
        watch::channel(Arc::new(Running::new(loaded, clock.unix_time()))).1
    };
    reload.map_or_else(fixed, |reload| reload.handle().running())
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

fn bind_admin(
    address: SocketAddr,
    inherited: &mut Inherited,
    hand_over: &HandOver,
) -> Result<TcpListener, Invalid> {
    let socket =
        inherited.take(Kind::Admin, address).map_or_else(|| TcpListener::bind(address), Ok);
    let socket = socket.map_err(|error| {
        Invalid::message(format!("can't listen on {address} (admin.listen): {error}"))
    })?;
    hand_over.add(Kind::Admin, address, &socket);
    Ok(socket)
}

/// Serves the admin API, whose readiness follows the edge's phase. Another process that takes over
/// answers in its place: at the same address the edge is as ready as before.
fn admin_task(
    server: Server,
    (edge, hand_over): (Arc<Edge>, HandOver),
    readiness: watch::Sender<Readiness>,
) -> Task {
    Box::new(|mut shutdown| {
        Box::pin(async move {
            let is_over = hand_over.clone();
            let follow = async move {
                let mut phase = edge.lifecycle().watch();
                // A signal may have come before this task ran: the phase counts, not its change.
                let drains = phase.wait_for(|phase| *phase > Phase::Serving).await.is_ok();
                if drains && !is_over.is_over() {
                    readiness.send_replace(Readiness::Draining);
                }
                std::future::pending::<()>().await;
            };
            let no_more = hand_over.clone();
            let no_more = async move { no_more.over().await };
            let stopped = async move {
                let over = async {
                    hand_over.over().await;
                    sleep(FIRST_REQUEST_FOR).await;
                };
                tokio::select! {
                    // A sender that is gone means the same as one that says stop.
                    _stopped = shutdown.wait_for(|stop| *stop) => {}
                    () = over => {}
                }
            };
            tokio::select! {
                served = server.run(no_more, stopped) => if let Err(error) = served {
                    tracing::error!(%error, "admin listener failed");
                },
                () = follow => {}
            }
        })
    })
}

/// What keeps the edge itself fresh, and does what it does beside the data path.
fn edge_tasks(edge: &Arc<Edge>, threads: usize) -> impl Iterator<Item = (&'static str, Task)> {
    let always = [
        ("identity", identity_task(edge)),
        ("health", health_task(edge)),
        ("discovery", discovery_task(edge)),
        ("passport", passport_task(edge)),
        ("machine", machine::task(edge, threads)),
    ];
    let traces = edge.spans().map(|_| ("traces", traces_task(edge)));
    always.into_iter().chain(traces)
}

fn identity_task(edge: &Arc<Edge>) -> Task {
    let edge = Arc::clone(edge);
    Box::new(|shutdown| Box::pin(edge.keep_keys_fresh(shutdown)))
}

fn health_task(edge: &Arc<Edge>) -> Task {
    let edge = Arc::clone(edge);
    Box::new(|shutdown| Box::pin(edge.check_health(shutdown)))
}

fn traces_task(edge: &Arc<Edge>) -> Task {
    let edge = Arc::clone(edge);
    Box::new(|shutdown| Box::pin(edge.export_traces(shutdown)))
}

/// Has endpoints looked up that are, so that the first request finds them.
fn look_up(edge: &Arc<Edge>) -> io::Result<()> {
    if !edge.is_to_be_looked_up() {
        return Ok(());
    }
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Arc::clone(edge).discover_first(name_servers(), LOOK_UP_WITHIN));
    Ok(())
}

fn discovery_task(edge: &Arc<Edge>) -> Task {
    let edge = Arc::clone(edge);
    Box::new(|shutdown| Box::pin(edge.discover(name_servers(), shutdown)))
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
