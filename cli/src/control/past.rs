//! How changes stood before: the log is folded anew, as far as is asked for.

use std::{collections::VecDeque, ops::ControlFlow, sync::Arc};

use headgate_admin::{ChangedOverlay, OverlayError, VersionStatus, Versions, VersionsAsk};
use headgate_config::{
    Overlay,
    control::{self as fold, Change},
};
use headgate_events::{Log, LogError, Tail, Tailed, Topic};
use tokio::time::timeout;

use super::{CHANGED_WITHIN, Control, Home};

/// Looks at each change that counted, with the state before it; a break ends the walk there.
type Visit<'v> = &'v mut (dyn FnMut(&fold::Control, &Change) -> ControlFlow<()> + Send);

impl Control {
    /// The state at a version.
    pub(super) async fn version(&self, version: u64) -> Result<fold::Control, OverlayError> {
        let mut up_to = |before: &fold::Control, _: &Change| {
            if before.version() == version {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        let state = self.walk(&mut up_to).await?;
        if state.version() == version { Ok(state) } else { Err(OverlayError::NoVersion) }
    }

    /// A page of versions.
    pub(super) async fn page(&self, ask: VersionsAsk) -> Result<Versions, OverlayError> {
        let mut versions = VecDeque::new();
        let mut is_cut = false;
        let mut collect = |before: &fold::Control, change: &Change| {
            let version = before.version().saturating_add(1);
            if ask.before.is_some_and(|end| version >= end) {
                return ControlFlow::Break(());
            }
            versions.push_back(told(version, before, change));
            while versions.len() > ask.limit {
                versions.pop_front();
                is_cut = true;
            }
            ControlFlow::Continue(())
        };
        self.walk(&mut collect).await?;
        let next = versions.front().map(|first| first.version).filter(|_| is_cut);
        Ok(Versions { versions: versions.into(), next })
    }

    /// Folds from the beginning, and returns the state where the walk ended.
    async fn walk(&self, visit: Visit<'_>) -> Result<fold::Control, OverlayError> {
        match &self.inner.home {
            Home::Log(log, topic, _) => {
                let walked = timeout(CHANGED_WITHIN, walk_log(log, topic, visit)).await;
                let late = |_| OverlayError::NoLog("it was not read in time".to_owned());
                walked.map_err(late)?.map_err(|error| OverlayError::NoLog(error.to_string()))
            }
            Home::Process => {
                let (mut state, changes) = self.inner.fold.lock().own.clone();
                let mut changes = changes.iter();
                let _ended = changes.try_for_each(|change| step(&mut state, change, &mut *visit));
                Ok(state)
            }
            Home::Nowhere => Err(OverlayError::NoLog(self.unread().to_owned())),
        }
    }
}

async fn walk_log(
    log: &Arc<dyn Log>,
    topic: &Topic,
    visit: Visit<'_>,
) -> Result<fold::Control, LogError> {
    let mut tail = Tail::open(Arc::clone(log), topic.clone(), 0).await?;
    let mut state = fold::Control::default();
    while let Tailed::Entries(entries) = tail.next().await? {
        for entry in &entries {
            let Ok(change) = serde_json::from_slice(&entry.value) else { continue };
            if step(&mut state, &change, &mut *visit).is_break() {
                return Ok(state);
            }
        }
    }
    Ok(state)
}

fn step(state: &mut fold::Control, change: &Change, visit: Visit<'_>) -> ControlFlow<()> {
    if change.from != state.version() {
        return ControlFlow::Continue(());
    }
    visit(state, change)?;
    // It was made from this version.
    let _outdated = state.take(change);
    ControlFlow::Continue(())
}

fn told(version: u64, before: &fold::Control, change: &Change) -> VersionStatus {
    VersionStatus {
        version,
        action: change.action.as_str().to_owned(),
        to: change.to,
        actor: change.by.actor.clone(),
        reason: change.by.reason.clone(),
        time: change.by.time.to_string(),
        node: change.by.node.clone(),
        set: change.set.iter().map(changed).collect(),
        unset: ended(change, before),
    }
}

/// What a change makes of an overlay.
pub(super) fn changed(overlay: &Overlay) -> ChangedOverlay {
    ChangedOverlay {
        id: overlay.id,
        key: overlay.key.clone(),
        value: overlay.value.clone(),
        expires: overlay.expires.to_string(),
    }
}

/// The overlays that a change ends.
pub(super) fn ended(change: &Change, before: &fold::Control) -> Vec<ChangedOverlay> {
    change.unset.iter().filter_map(|id| before.overlay(*id)).map(changed).collect()
}
