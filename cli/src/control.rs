//! What operators change: each change is appended to the log with the version that it was made
//! from, folded as every edge of the log folds it, and put in force.
//!
//! The fold is `headgate_config::control`; here is what appends to it, what follows it, and what
//! asks how it stood. Where no log is configured, changes are this process's own and end with it.

mod follow;
mod past;
#[cfg(test)]
mod tests;
mod write;

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use headgate_admin::{
    Answer, ChangedBy, ConfigAsk, ConfigAt, ControlStatus, FaultStatus, MadeStatus, OverlayError,
    OverlayStatus, OverlayWish, Overlays, RolledBack, Versions, VersionsAsk,
};
use headgate_config::{
    OVERLAYS_MAX,
    control::{self as fold, By, Change, Outdated},
};
use headgate_events::{Log, Topic};
use headgate_types::{Clock, UnixTime};
use parking_lot::Mutex;
use tokio::{sync::watch, task::spawn_blocking, time::timeout};

use crate::{
    control::past::{changed, ended},
    reload::{At, Folded, Found, Handle, Past},
};

/// How often a change that nobody expected to be the next is made again, after others' changes of
/// other keys.
const ATTEMPTS_MAX: usize = 8;
/// Verdicts on the last changes that are remembered for whoever made them.
const VERDICTS_MAX: usize = 256;
/// Changes of this process's own that can be looked at and gone back over.
const OWN_MAX: usize = 1_000;
/// Time for the log to take a change and for this edge to have it in force; a verb waits a little
/// longer.
const CHANGED_WITHIN: Duration = Duration::from_secs(4);
/// Bytes of a change at most: what Kafka takes in one message by default is twice that.
const CHANGE_BYTES_MAX: usize = 512 << 10;

/// Where changes stand.
pub(crate) enum Home {
    /// In a topic, of a log of this kind.
    Log(Arc<dyn Log>, Topic, &'static str),
    /// In this process alone: no log is configured.
    Process,
    /// Nowhere: the log that is configured could not be opened.
    Nowhere,
}

impl Home {
    /// The log. None where there is none, or it could not be opened.
    pub(crate) fn log(&self) -> Option<&Arc<dyn Log>> {
        match self {
            Self::Log(log, ..) => Some(log),
            Self::Process | Self::Nowhere => None,
        }
    }

    /// What tells it from another one that an edge may have had before.
    fn name(&self) -> String {
        match self {
            Self::Log(_, topic, kind) => format!("{kind}/{}", topic.name),
            Self::Process | Self::Nowhere => String::new(),
        }
    }
}

/// Operators' changes. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Control {
    inner: Arc<Inner>,
}

struct Inner {
    home: Home,
    loader: Handle,
    past: Past,
    clock: Arc<dyn Clock>,
    /// This edge's name in what it writes.
    node: String,
    fold: Mutex<Fold>,
    /// Everything below this offset is folded and in force. None: the topic's end was not reached
    /// yet.
    folded: watch::Sender<Option<u64>>,
    /// Changes are made here one after the other, so that they are not in each other's way.
    turn: tokio::sync::Mutex<()>,
}

/// What was folded.
#[derive(Debug, Default)]
struct Fold {
    folded: Folded,
    /// What became of the last changes, by their offsets.
    verdicts: VecDeque<(u64, Result<(), Outdated>)>,
    /// The version from which overlays were last taken over into the log.
    adopted_from: Option<u64>,
    /// Why the log can't be followed for the moment.
    fault: Option<String>,
    /// Where no log is: the changes themselves, and the state before them.
    own: (fold::Control, VecDeque<Change>),
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("fold", &self.inner.fold).finish_non_exhaustive()
    }
}

impl Control {
    /// Begins with what was folded when the process began. What was kept of another log is taken
    /// over into this one.
    pub(crate) fn new(
        home: Home,
        (loader, past): (Handle, Past),
        folded: Folded,
        (clock, node): (Arc<dyn Clock>, String),
    ) -> Self {
        let folded = folded.at(home.name(), clock.unix_time());
        let fold = Mutex::new(Fold { folded, ..Fold::default() });
        let (folded, turn) = (watch::Sender::new(None), tokio::sync::Mutex::default());
        Self { inner: Arc::new(Inner { home, loader, past, clock, node, fold, folded, turn }) }
    }

    /// What stands, once all that was changed before is known; of an edge that has just begun, that
    /// is waited for.
    async fn known(&self) -> Result<fold::Control, OverlayError> {
        let Inner { home, fold, folded, .. } = &*self.inner;
        let is_known = match home {
            Home::Log(..) => {
                let mut folded = folded.subscribe();
                let read = timeout(CHANGED_WITHIN / 2, folded.wait_for(Option::is_some)).await;
                matches!(read, Ok(Ok(_)))
            }
            Home::Process => true,
            Home::Nowhere => false,
        };
        let fold = fold.lock();
        if is_known {
            return Ok(fold.folded.control.clone());
        }
        Err(OverlayError::NoLog(fold.fault.clone().unwrap_or_else(|| self.unread().to_owned())))
    }

    /// Why nothing is known where no fault is.
    fn unread(&self) -> &'static str {
        match self.inner.home {
            Home::Nowhere => "it could not be opened when the edge began; the log says why",
            _ => "it has not been read to its end yet",
        }
    }

    fn now(&self) -> UnixTime {
        self.inner.clock.unix_time()
    }

    fn by(&self, by: &ChangedBy) -> By {
        let (actor, reason, node) = (by.actor.clone(), by.reason.clone(), self.inner.node.clone());
        By { actor, reason, node, time: self.now() }
    }

    async fn set_one(&self, wish: OverlayWish) -> Result<OverlayStatus, OverlayError> {
        let _turn = self.inner.turn.lock().await;
        let OverlayWish { key, value, lifetime, by } = wish;
        for _ in 0..ATTEMPTS_MAX {
            let before = self.known().await?;
            expected(by.expect, &before)?;
            let now = self.now();
            if before.in_force(now).len() >= OVERLAYS_MAX {
                return Err(OverlayError::TooMany);
            }
            let expires = UnixTime::from_duration(now.as_duration().saturating_add(lifetime));
            let change = before.setting(key.clone(), value.clone(), expires, self.by(&by));
            let id = change.set.first().map(|overlay| overlay.id).unwrap_or_default();
            let after = before.after(&change).in_force(now);
            self.inner.loader.fits(after, id).await?;
            if self.append(change).await?.is_ok() {
                return self.status_of(id).ok_or(OverlayError::InDoubt);
            }
            let stands = self.known().await?;
            if by.expect.is_some() || stands.differs_on(&key, &before) {
                return Err(conflict(by.expect.unwrap_or_else(|| before.version()), &stands));
            }
        }
        Err(OverlayError::Busy)
    }

    async fn unset_one(&self, id: u64, by: ChangedBy) -> Result<OverlayStatus, OverlayError> {
        let _turn = self.inner.turn.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let before = self.known().await?;
            expected(by.expect, &before)?;
            let status = self.status_of(id).filter(|_| before.overlay(id).is_some());
            let status = status.ok_or(OverlayError::Unknown)?;
            if self.append(before.unsetting(id, self.by(&by))).await?.is_ok() {
                return Ok(status);
            }
            if let Some(expect) = by.expect {
                return Err(conflict(expect, &self.known().await?));
            }
        }
        Err(OverlayError::Busy)
    }

    async fn go_back(&self, to: u64, by: ChangedBy) -> Result<RolledBack, OverlayError> {
        let _turn = self.inner.turn.lock().await;
        let before = self.known().await?;
        expected(by.expect, &before)?;
        let target = self.version(to).await?;
        let change = before.rolling_back(&target, self.by(&by));
        let set = change.set.iter().map(changed).collect();
        let unset = ended(&change, &before);
        let version = before.version();
        if change.set.is_empty() && change.unset.is_empty() {
            return Ok(RolledBack { version, to, set, unset });
        }
        if self.append(change).await?.is_err() {
            return Err(conflict(version, &self.known().await?));
        }
        Ok(RolledBack { version: version + 1, to, set, unset })
    }

    fn status_of(&self, id: u64) -> Option<OverlayStatus> {
        self.inner.loader.overlays().into_iter().find(|overlay| overlay.id == id)
    }
}

/// Refuses where another version stands than is expected.
fn expected(expect: Option<u64>, stands: &fold::Control) -> Result<(), OverlayError> {
    match expect.filter(|expect| *expect != stands.version()) {
        Some(expect) => Err(conflict(expect, stands)),
        None => Ok(()),
    }
}

fn conflict(expected: u64, stands: &fold::Control) -> OverlayError {
    let stands = stands.last().map_or_else(MadeStatus::default, |made| MadeStatus {
        version: made.version,
        actor: made.by.actor.clone(),
        reason: made.by.reason.clone(),
        time: made.by.time.to_string(),
    });
    OverlayError::Conflict { expected, stands: Box::new(stands) }
}

fn too_large(bytes: usize) -> OverlayError {
    let message = format!("the change has {bytes} bytes, and {CHANGE_BYTES_MAX} are allowed");
    let (at, key) = ("request".to_owned(), String::new());
    OverlayError::Refused(vec![FaultStatus { code: None, at, key, message }])
}

impl Overlays for Control {
    fn set(&self, wish: OverlayWish) -> Answer<OverlayStatus> {
        let this = self.clone();
        Box::pin(async move { this.set_one(wish).await })
    }

    fn unset(&self, id: u64, by: ChangedBy) -> Answer<OverlayStatus> {
        let this = self.clone();
        Box::pin(async move { this.unset_one(id, by).await })
    }

    fn list(&self) -> Vec<OverlayStatus> {
        self.inner.loader.overlays()
    }

    fn control(&self) -> ControlStatus {
        let (topic, is_known) = match &self.inner.home {
            Home::Log(_, topic, _) => {
                (Some(topic.name.to_string()), self.inner.folded.borrow().is_some())
            }
            Home::Process => (None, true),
            Home::Nowhere => (None, false),
        };
        let fold = self.inner.fold.lock();
        let unread = (!is_known).then(|| self.unread().to_owned());
        let (version, fault) = (fold.folded.control.version(), fold.fault.clone().or(unread));
        ControlStatus { version, topic, fault }
    }

    fn rollback(&self, to: u64, by: ChangedBy) -> Answer<RolledBack> {
        let this = self.clone();
        Box::pin(async move { this.go_back(to, by).await })
    }

    fn versions(&self, ask: VersionsAsk) -> Answer<Versions> {
        let this = self.clone();
        Box::pin(async move { this.page(ask).await })
    }

    fn at(&self, at: ConfigAsk) -> Answer<ConfigAt> {
        let past = self.inner.past.clone();
        let at = match at {
            ConfigAsk::Time(time) => At::Time(time),
            ConfigAsk::Version(version) => At::Version(version),
        };
        Box::pin(async move {
            let found = spawn_blocking(move || past.find(at)).await;
            let found = found.map_err(|_panic| OverlayError::NotRecorded)?;
            let unreadable = |error| {
                tracing::warn!(%error, "what was in force can't be read");
                OverlayError::NotRecorded
            };
            found.map_err(unreadable)?.map(was).ok_or(OverlayError::NotRecorded)
        })
    }
}

/// What was in force, as it is told.
fn was(found: Found) -> ConfigAt {
    let Found { was, until, effective } = found;
    ConfigAt {
        since: was.since,
        until,
        version: was.version,
        digest: was.digest,
        overlays: was.overlays.iter().map(changed).collect(),
        effective: serde_json::from_str(&effective).unwrap_or_default(),
    }
}
