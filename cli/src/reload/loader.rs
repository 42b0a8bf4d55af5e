//! Loads, compares, applies, keeps and tells. Blocks: never to be called on a thread that serves.

mod hand_over;
mod logs;
mod trigger;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use headgate_admin::{FaultStatus, OverlayError};
use headgate_config::{
    Ask, Disk, Faults, Kept, Loaded, Noted, Overlay, Reads, Watch, Watching, load_layered,
};
use headgate_gateway::Edge;
use headgate_telemetry::{ConfigMetrics, Reload as Outcome};
use headgate_types::{Clock, UnixTime};
use tokio::sync::watch;

use self::logs::logged;
pub(crate) use self::trigger::Trigger;
use crate::reload::{
    past::Past,
    running::{self, Running, told},
    shelf::{Folded, Shelf},
};

/// How often a look is taken again because folders came while they were not watched.
const LOOKS_MAX: usize = 5;

/// Where a configuration comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The platform's file.
    pub(crate) path: PathBuf,
    /// Variables of the process.
    pub(crate) environment: BTreeMap<String, String>,
}

impl Origin {
    /// Loads what is good, and notes what was read.
    pub(crate) fn load(
        &self,
        kept: Option<&Kept>,
        overlays: &[Overlay],
        use_kept_platform: bool,
        now: UnixTime,
    ) -> (Result<Loaded, Faults>, Reads) {
        let files = Noted::new(&Disk);
        let loaded = load_layered(&Ask {
            files: &files,
            path: &self.path,
            environment: &self.environment,
            overlays,
            kept,
            use_kept_platform,
            now: Some(now),
        });
        (loaded, files.into_reads())
    }
}

/// What a process begins with.
#[derive(Debug)]
pub(crate) struct Begin {
    pub(crate) origin: Origin,
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) reads: Reads,
    pub(crate) shelf: Shelf,
    /// What operators have changed, as far as this process knew.
    pub(crate) folded: Folded,
    /// What was in force before.
    pub(crate) past: Past,
}

/// Owns the running configuration.
#[derive(Debug)]
pub(crate) struct Loader {
    begin: Begin,
    /// What stands over the files, and has not expired.
    overlays: Vec<Overlay>,
    /// The version of operators' changes that they are of.
    version: u64,
    /// What listeners and stores were made from.
    started: Arc<Loaded>,
    edge: Arc<Edge>,
    clock: Arc<dyn Clock>,
    metrics: ConfigMetrics,
    watch: Watch,
    running: watch::Sender<Arc<Running>>,
    /// The time of day for which files were last loaded, also in vain.
    judged: UnixTime,
    /// Whether another process has taken over, which follows the files from then on.
    is_retired: bool,
}

impl Loader {
    pub(crate) fn new(
        begin: Begin,
        edge: &Arc<Edge>,
        clock: Arc<dyn Clock>,
        metrics: ConfigMetrics,
        watch: Watch,
    ) -> Self {
        let mut running = Running::new(Arc::clone(&begin.loaded), clock.unix_time());
        running.version = begin.folded.control.version();
        let this = Self {
            overlays: begin.folded.in_force(clock.unix_time()),
            version: running.version,
            started: Arc::clone(&begin.loaded),
            edge: Arc::clone(edge),
            running: watch::Sender::new(Arc::new(running)),
            begin,
            clock,
            metrics,
            watch,
            judged: UnixTime::default(),
            is_retired: false,
        };
        this.log_parts(None);
        this.show();
        this
    }

    /// What is in force, as it changes.
    pub(crate) fn running(&self) -> watch::Receiver<Arc<Running>> {
        self.running.subscribe()
    }

    /// What operators had changed when this process began, and what was in force before.
    pub(crate) fn known(&self) -> (Folded, Past) {
        (self.begin.folded.clone(), self.begin.past.clone())
    }

    /// Time until the next overlay expires or delegation ends. None while there is none.
    pub(crate) fn next_end(&self) -> Option<Duration> {
        let now = self.clock.unix_time();
        let expiries = self.overlays.iter().map(|overlay| overlay.expires);
        let end = self.begin.loaded.next_end.filter(|end| *end > self.judged);
        expiries.chain(end).map(|end| end.since(now)).min()
    }

    /// Loads unless everything that was read last is as it was.
    pub(crate) fn look(&mut self) {
        if !self.is_retired && !self.begin.reads.are_current(&Disk) {
            self.reload(Trigger::Files);
        }
    }

    /// Loads, and puts in force what is good of it.
    pub(crate) fn reload(&mut self, trigger: Trigger) {
        if self.is_retired {
            return;
        }
        self.expire();
        self.load(trigger);
        self.follow();
    }

    /// Watches what was read last, and begins with that.
    pub(crate) fn follow(&mut self) {
        for _ in 0..LOOKS_MAX {
            let (watching, is_new) = self.watch.follow(&self.begin.reads);
            self.watches(watching);
            // Of a folder that was not watched, nobody told what happened meanwhile.
            if !is_new || self.begin.reads.are_current(&Disk) {
                return;
            }
            self.load(Trigger::Files);
        }
    }

    fn watches(&self, watching: Watching) {
        let before = self.running.borrow().watching;
        if before == watching {
            return;
        }
        if watching == Watching::Poll {
            tracing::warn!("files can't be watched; they are read every second instead");
        } else if before == Watching::Poll {
            tracing::info!("files are watched again");
        }
        self.metrics.polls(watching == Watching::Poll);
        self.running.send_modify(|running| Arc::make_mut(running).watching = watching);
    }

    fn load(&mut self, trigger: Trigger) {
        let began = self.clock.now();
        let use_kept_platform = matches!(trigger, Trigger::Overlay | Trigger::Time);
        let begin = &mut self.begin;
        let kept = &begin.loaded.kept;
        self.judged = self.clock.unix_time();
        let (loaded, reads) =
            begin.origin.load(Some(kept), &self.overlays, use_kept_platform, self.judged);
        begin.reads = reads;
        let outcome = match loaded {
            Ok(loaded) => self.apply(loaded, trigger),
            Err(faults) => self.reject(told(&faults), trigger),
        };
        self.metrics.ended(outcome, self.clock.now().since(began));
    }

    /// Puts in force what differs from what is.
    fn apply(&mut self, loaded: Loaded, trigger: Trigger) -> Outcome {
        let before = Arc::clone(&self.begin.loaded);
        let is_other = loaded.digest != before.digest;
        if is_other && let Err(error) = self.edge.apply(&loaded.settings, &loaded.digest) {
            let at = self.begin.origin.path.display().to_string();
            let (code, key, message) = (None, String::new(), error.to_string());
            return self.reject(vec![FaultStatus { code, at, key, message }], trigger);
        }
        let now = self.clock.unix_time();
        let is_same = !is_other && is_told_the_same(&loaded, &before);
        let outcome = if is_same { Outcome::Unchanged } else { running::outcome(&loaded) };
        self.begin.loaded = Arc::new(loaded);
        let loaded = &self.begin.loaded;
        let waits = running::waits(&self.started, loaded);
        let version = self.version;
        self.running.send_modify(|running| {
            let running = Arc::make_mut(running);
            running.version = version;
            if is_other {
                running.since = now;
            }
            running.loaded = Arc::clone(loaded);
            running.last = (now, outcome);
            running.rejected.clear();
            running.waits = waits;
        });
        if is_other {
            let (trigger, digest) = (trigger.as_str(), &loaded.digest);
            tracing::info!(trigger, digest, "configuration in force");
        }
        self.log_parts(Some(&before));
        self.keep();
        self.show();
        outcome
    }

    /// Leaves in force what is.
    fn reject(&self, faults: Vec<FaultStatus>, trigger: Trigger) -> Outcome {
        let now = self.clock.unix_time();
        let is_known = self.running.borrow().rejected == faults;
        if !is_known {
            let trigger = trigger.as_str();
            let faults = logged(&faults);
            tracing::error!(trigger, faults, "configuration rejected; what was in force stays");
        }
        self.running.send_modify(|running| {
            let running = Arc::make_mut(running);
            running.last = (now, Outcome::Rejected);
            running.rejected = faults;
        });
        self.tell_parts();
        Outcome::Rejected
    }

    /// Keeps the texts that are in force for the next start, and remembers what took effect.
    fn keep(&mut self) {
        let (loaded, version) = (&self.begin.loaded, self.running.borrow().version);
        let now = self.clock.unix_time();
        if let Err(error) = self.begin.past.record(loaded, version, now) {
            tracing::warn!(%error, "what is in force is not remembered");
        }
        let is_kept = match self.begin.shelf.keep(&self.begin.loaded.kept) {
            Ok(()) => self.begin.shelf.lasts(),
            Err(error) => {
                tracing::error!(%error, "last good configuration not kept");
                false
            }
        };
        self.running.send_modify(|running| Arc::make_mut(running).is_kept = is_kept);
    }

    fn show(&self) {
        self.metrics.in_force(&self.begin.loaded.digest);
        self.metrics.loaded(self.clock.unix_time());
        self.metrics.overlays(self.begin.loaded.overlays.len());
        self.tell_parts();
    }

    fn tell_parts(&self) {
        let running = self.running.borrow();
        let is_ok = |name, state| {
            let is_held = running::held(&running.loaded, name).is_some();
            state == headgate_config::PartState::Current && !is_held
        };
        self.metrics.parts(running.parts().map(|(name, state)| (name, is_ok(name, state))));
    }

    /// Forgets overlays whose time is over.
    fn expire(&mut self) {
        let now = self.clock.unix_time();
        for overlay in self.overlays.extract_if(.., |one| one.expires <= now) {
            let (id, key, actor) = (overlay.id, &overlay.key, &overlay.actor);
            tracing::info!(id, key, actor, "overlay expired");
        }
    }

    /// Whether one of these overlays fits the files beside the others; nothing changes.
    pub(crate) fn fits(&mut self, overlays: &[Overlay], id: u64) -> Result<(), OverlayError> {
        if self.is_retired {
            return Err(OverlayError::Busy);
        }
        let (kept, now) = (&self.begin.loaded.kept, self.clock.unix_time());
        let (loaded, _) = self.begin.origin.load(Some(kept), overlays, true, now);
        let loaded = loaded.map_err(|faults| OverlayError::Refused(told(&faults)))?;
        let out = loaded.left_out.iter().find(|out| out.overlay.id == id);
        out.map_or(Ok(()), |out| Err(OverlayError::Refused(told(&out.faults))))
    }

    /// Puts in force what operators have changed, and keeps it for the next start.
    pub(crate) fn put(&mut self, folded: &Folded) {
        if self.is_retired {
            return;
        }
        self.expire();
        let overlays = folded.in_force(self.clock.unix_time());
        self.version = folded.control.version();
        if self.overlays != overlays {
            self.overlays = overlays;
            self.load(Trigger::Overlay);
            self.follow();
        }
        // Nothing was to be loaded, or it was rejected.
        let version = self.version;
        if self.running.borrow().version != version {
            self.running.send_modify(|running| Arc::make_mut(running).version = version);
            self.keep();
        }
        if let Err(error) = self.begin.shelf.keep_control(folded) {
            tracing::error!(%error, "operators' changes not kept; a start reads them in the log");
        }
    }
}

/// Whether two loads of one digest are told the same.
fn is_told_the_same(one: &Loaded, other: &Loaded) -> bool {
    one.parts == other.parts
        && one.held == other.held
        && (one.platform, &one.platform_faults) == (other.platform, &other.platform_faults)
        && (&one.overlays, &one.left_out) == (&other.overlays, &other.left_out)
}
