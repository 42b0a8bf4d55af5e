//! Takes in changes as they come, and puts in force what has come of them.

use std::{convert::Infallible, sync::Arc, time::Duration};

use headgate_config::control::{By, Change};
use headgate_events::{Entry, Log, LogError, Tail, Tailed, Topic};
use headgate_gateway::server::Task;
use tokio::time::sleep;

use super::{
    CHANGE_BYTES_MAX, Control, Fold, Home, VERDICTS_MAX,
    write::{message, written},
};

/// Time before a log that gave no answer is asked again.
const AGAIN: Duration = Duration::from_millis(500);
/// Who takes over what an edge kept before its changes stood in the log.
const ADOPTER: &str = "headgate";
const ADOPTED: &str = "kept by this edge before its changes stood in this log";

impl Control {
    /// Follows the log until the edge ends.
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

    /// Follows what is changed, for ever; a log that gives no answer is asked again, and the edge
    /// serves on with what it has.
    pub(super) async fn run(&self) {
        let Home::Log(log, topic, _) = &self.inner.home else {
            return std::future::pending().await;
        };
        loop {
            let Err(error) = self.follow(log, topic).await;
            let is_new = self.inner.fold.lock().fault.replace(error.to_string()).is_none();
            if is_new {
                let code = error.code();
                tracing::warn!(%error, code, "operators' changes are not followed for the moment");
            }
            sleep(AGAIN).await;
        }
    }

    async fn follow(&self, log: &Arc<dyn Log>, topic: &Topic) -> Result<Infallible, LogError> {
        let from = self.begin(log, topic).await?;
        let mut tail = Tail::open(Arc::clone(log), topic.clone(), from).await?;
        loop {
            let mut is_known = self.inner.folded.borrow().is_some();
            match tail.next().await? {
                Tailed::Entries(entries) => self.inner.fold.lock().take(&entries),
                Tailed::CaughtUp(next) => {
                    self.inner.fold.lock().catch_up(next);
                    is_known = true;
                }
            }
            // Of what stands there, nothing is put in force before all of it is known.
            if is_known {
                self.adopt(log, topic).await?;
                self.put().await;
                let next = self.inner.fold.lock().folded.next;
                self.inner.folded.send_replace(Some(next));
            }
        }
    }

    /// Where to go on. A log that ends before that is another one than was folded: what is in force
    /// is taken over into it.
    async fn begin(&self, log: &Arc<dyn Log>, topic: &Topic) -> Result<u64, LogError> {
        let bounds = log.bounds(&topic.name).await?.unwrap_or_default();
        let end = bounds.first().map(|bounds| bounds.next).unwrap_or_default();
        let mut fold = self.inner.fold.lock();
        if fold.folded.next > end {
            tracing::error!(
                topic = %topic.name,
                "the log of changes has less than was folded; what is in force is taken over into it"
            );
            fold.folded = std::mem::take(&mut fold.folded).anew(self.now());
        }
        Ok(fold.folded.next)
    }

    /// Appends what was kept elsewhere and is no change here yet, once for each version from which
    /// that is tried: a change that came before it is heeded.
    async fn adopt(&self, log: &Arc<dyn Log>, topic: &Topic) -> Result<(), LogError> {
        let Some(change) = self.adoption() else { return Ok(()) };
        log.append(vec![message(topic, &change)]).await?;
        self.inner.fold.lock().adopted_from = Some(change.from);
        Ok(())
    }

    fn adoption(&self) -> Option<Change> {
        let mut fold = self.inner.fold.lock();
        if fold.folded.unfolded.is_empty() {
            return None;
        }
        let (actor, reason) = (ADOPTER.to_owned(), ADOPTED.to_owned());
        let by = By { actor, reason, node: self.inner.node.clone(), time: self.now() };
        let Some(mut change) = fold.folded.control.adopting(&fold.folded.unfolded, by) else {
            fold.folded.unfolded.clear();
            return None;
        };
        // What is too much for one change is for the next.
        while change.set.len() > 1 && written(&change).len() > CHANGE_BYTES_MAX {
            change.set.pop();
        }
        (fold.adopted_from != Some(change.from)).then_some(change)
    }

    /// Puts in force what is folded.
    pub(super) async fn put(&self) {
        let folded = self.inner.fold.lock().folded.clone();
        self.inner.loader.put(folded).await;
    }
}

impl Fold {
    /// Takes entries in. Those that were taken in before change nothing.
    fn take(&mut self, entries: &[Entry]) {
        for entry in entries {
            if entry.offset < self.folded.next {
                continue;
            }
            self.folded.next = entry.offset + 1;
            let change = match serde_json::from_slice::<Change>(&entry.value) {
                Ok(change) => change,
                Err(error) => {
                    let offset = entry.offset;
                    tracing::warn!(%error, offset, "an entry of operators' changes is none");
                    continue;
                }
            };
            let verdict = self.folded.control.take(&change);
            if verdict.is_ok() {
                let (version, action) = (self.folded.control.version(), change.action.as_str());
                let By { actor, reason, node, .. } = &change.by;
                tracing::info!(version, action, actor, reason, node, "operators' change taken in");
            }
            self.verdicts.push_back((entry.offset, verdict));
            while self.verdicts.len() > VERDICTS_MAX {
                self.verdicts.pop_front();
            }
        }
    }

    /// All that stood in the log is taken in.
    fn catch_up(&mut self, next: u64) {
        self.folded.next = self.folded.next.max(next);
        if self.fault.take().is_some() {
            tracing::info!("operators' changes are followed again");
        }
    }
}
