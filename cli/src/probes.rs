//! Sends the probes of the configuration in force, on their schedule and when somebody asks.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use headgate_admin::{ProbeBegun, ProbeRun, ProbeStatus, Probes};
use headgate_config::Probe;
use headgate_gateway::{
    Edge, Phase, Probed,
    server::{Address, Task},
};
use headgate_telemetry::{Metrics, ProbeMetrics, ProbeResult};
use headgate_types::{Clock, UnixTime, format_duration};
use http::{HeaderValue, header::AUTHORIZATION};
use parking_lot::Mutex;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::reload::Running;

/// A wait between two runs lasts from this share of the interval on, so that edges that begin
/// together do not probe together for ever.
const WAIT_LEAST: f64 = 0.8;
/// And this much longer at most, so that it is the interval on average.
const WAIT_SPREAD: f64 = 0.4;

/// Sends probes. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Prober(Arc<Inner>);

struct Inner {
    edge: Arc<Edge>,
    /// Where probes are sent. None: nobody listens for clients.
    to: Option<Address>,
    running: watch::Receiver<Arc<Running>>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    known: Mutex<BTreeMap<String, Known>>,
}

/// What is known of a probe.
struct Known {
    metrics: ProbeMetrics,
    /// When the run began that is under way.
    begun: Option<UnixTime>,
    last: Option<ProbeRun>,
}

impl Prober {
    /// Sends them to the first of these listeners, plain ones before those with TLS.
    pub(crate) fn new(
        edge: &Arc<Edge>,
        listeners: &[Address],
        running: &watch::Receiver<Arc<Running>>,
        clock: &Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Self {
        Self(Arc::new(Inner {
            edge: Arc::clone(edge),
            to: listeners.iter().min_by_key(|listener| listener.is_tls).copied(),
            running: running.clone(),
            clock: Arc::clone(clock),
            metrics: metrics.clone(),
            known: Mutex::default(),
        }))
    }

    /// Follows the schedule until the edge drains.
    pub(crate) fn task(&self) -> Task {
        let prober = self.clone();
        Box::new(|mut shutdown| {
            Box::pin(async move {
                let mut phase = prober.0.edge.lifecycle().watch();
                tokio::select! {
                    () = prober.follow() => {}
                    // Senders that are gone mean the same as ones that say stop.
                    _drains = phase.wait_for(|phase| *phase > Phase::Serving) => {}
                    _stopped = shutdown.wait_for(|stop| *stop) => {}
                }
            })
        })
    }

    /// Runs the probes of each configuration that comes into force.
    async fn follow(&self) {
        let mut running = self.0.running.clone();
        let mut probes = Vec::new();
        let mut schedule = JoinSet::new();
        loop {
            let wanted = running.borrow_and_update().loaded.probes.clone();
            if wanted != probes {
                probes = wanted;
                schedule = JoinSet::new();
                self.forget_others(&probes);
                for probe in &probes {
                    if let Some(every) = probe.every {
                        schedule.spawn(self.clone().repeat(probe.clone(), every));
                    }
                }
            }
            if running.changed().await.is_err() {
                // Nothing changes any more; the schedule goes on.
                while schedule.join_next().await.is_some() {}
                return;
            }
        }
    }

    async fn repeat(self, probe: Probe, every: Duration) {
        // Edges that start together spread over the first interval.
        sleep(every.mul_f64(fastrand::f64())).await;
        loop {
            if self.enter(&probe.settings.name).is_ok() {
                self.run(&probe).await;
            }
            sleep(every.mul_f64(WAIT_LEAST + WAIT_SPREAD * fastrand::f64())).await;
        }
    }

    /// Begins a run; the one that is under way where there is one.
    fn enter(&self, name: &str) -> Result<UnixTime, UnixTime> {
        let mut known = self.0.known.lock();
        let metrics = || self.0.metrics.probe(name);
        let known = (known.entry(name.to_owned())).or_insert_with(|| Known {
            metrics: metrics(),
            begun: None,
            last: None,
        });
        if let Some(begun) = known.begun {
            return Err(begun);
        }
        let now = self.0.clock.unix_time();
        known.begun = Some(now);
        Ok(now)
    }

    /// Runs a probe that was entered. Dropped, it is no more under way.
    async fn run(&self, probe: &Probe) {
        let name = &*probe.settings.name;
        let _leaves = Leaves { prober: self, name };
        let probed = self.send(probe).await;
        let mut known = self.0.known.lock();
        let Some(known) = known.get_mut(name) else { return };
        known.metrics.ran(probed.result, probed.took);
        let time = known.begun.map(|begun| begun.to_string()).unwrap_or_default();
        if let Some(fault) = &probed.fault {
            tracing::warn!(probe = name, result = %probed.result, fault, "probe failed");
        }
        known.last = Some(told(name, time, probed));
    }

    async fn send(&self, probe: &Probe) -> Probed {
        let failed = |fault: String| Probed {
            result: ProbeResult::Unreachable,
            trace: None,
            status: None,
            took: Duration::ZERO,
            fault: Some(fault),
        };
        let Some(to) = self.0.to else { return failed("nobody listens for clients".to_owned()) };
        let credential = match &probe.credential {
            None => None,
            Some(place) => match place.read() {
                Ok(secret) => Some(shown(probe, &secret)),
                Err(error) => return failed(error.to_string()),
            },
        };
        match credential {
            Some(None) => failed("no header can hold its credential".to_owned()),
            credential => self.0.edge.probe(to, &probe.settings, credential.flatten()).await,
        }
    }

    /// Forgets what is known of probes that are no more.
    fn forget_others(&self, probes: &[Probe]) {
        self.0.known.lock().retain(|name, known| {
            let stays = probes.iter().any(|probe| *probe.settings.name == **name);
            if !stays {
                known.metrics.gone();
            }
            stays
        });
    }
}

/// The end of a run, however it ends.
struct Leaves<'a> {
    prober: &'a Prober,
    name: &'a str,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        if let Some(known) = self.prober.0.known.lock().get_mut(self.name) {
            known.begun = None;
        }
    }
}

/// The header with a credential; none where no header can hold it.
fn shown(probe: &Probe, secret: &str) -> Option<headgate_gateway::Credential> {
    let header = probe.credential_header.clone();
    let text = if header == AUTHORIZATION { format!("Bearer {secret}") } else { secret.to_owned() };
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some((header, value))
}

fn told(name: &str, time: String, probed: Probed) -> ProbeRun {
    let Probed { result, trace, status, took, fault } = probed;
    ProbeRun {
        name: name.to_owned(),
        result: result.as_str().to_owned(),
        time,
        trace_id: trace.map(|trace| trace.to_string()),
        status,
        duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        fault,
    }
}

impl Probes for Prober {
    fn list(&self) -> Vec<ProbeStatus> {
        let loaded = Arc::clone(&self.0.running.borrow().loaded);
        let known = self.0.known.lock();
        let status = |probe: &Probe| ProbeStatus {
            name: probe.settings.name.to_string(),
            sends: format!("{} {}", probe.settings.method, probe.settings.path),
            every: probe.every.map(format_duration),
            timeout: format_duration(probe.settings.timeout),
            last: known.get(&*probe.settings.name).and_then(|known| known.last.clone()),
        };
        loaded.probes.iter().map(status).collect()
    }

    fn begin(&self, name: &str) -> Option<ProbeBegun> {
        let loaded = Arc::clone(&self.0.running.borrow().loaded);
        let probe = loaded.probes.iter().find(|probe| *probe.settings.name == *name)?.clone();
        let time = match self.enter(name) {
            Ok(time) => {
                let prober = self.clone();
                // It ends by itself, within the probe's time.
                tokio::spawn(async move { prober.run(&probe).await });
                time
            }
            Err(under_way) => under_way,
        };
        Some(ProbeBegun { name: name.to_owned(), time: time.to_string() })
    }
}
