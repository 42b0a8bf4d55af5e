//! The tasks that keep the keys of identity sources fresh.

use std::{collections::HashMap, sync::Arc};

use headgate_telemetry::IdentityMetrics;
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
};

use crate::identity::{Authenticator, Kind, refresh};

/// The tasks that keep the keys of URLs fresh, and fetch them when a request asks: one a source,
/// for as long as that is in force.
#[derive(Debug, Default)]
pub(crate) struct Refreshes {
    pub(super) tasks: JoinSet<()>,
    /// By the source's id.
    running: HashMap<u64, AbortHandle>,
}

impl Refreshes {
    /// Starts the tasks of new sources and ends those of sources that are gone. All of them end
    /// when `shutdown` holds true or its sender is gone, or this is dropped.
    pub(crate) fn follow(&mut self, now: &Authenticator, shutdown: &watch::Receiver<bool>) {
        while self.tasks.try_join_next().is_some() {}
        self.running.retain(|id, task| {
            let stays = now.sources.iter().any(|source| source.id == *id);
            if !stays {
                task.abort();
            }
            stays
        });
        for (index, source) in now.sources.iter().enumerate() {
            if self.running.contains_key(&source.id) {
                continue;
            }
            let (source, fetch) = (Arc::clone(source), Arc::clone(&now.fetch));
            let (clock, shutdown) = (Arc::clone(&now.clock), shutdown.clone());
            let metrics = now.metrics.get(index).cloned();
            let id = source.id;
            let task = self.tasks.spawn(async move {
                let Kind::Token(tokens) = &source.kind else { return };
                let ended = |is_good| {
                    if let Some(metrics) = &metrics {
                        fetched(metrics, is_good);
                    }
                };
                refresh::keep_fresh(&tokens.keys, &*fetch, &*clock, shutdown, ended).await;
            });
            self.running.insert(id, task);
        }
    }
}

fn fetched(metrics: &IdentityMetrics, is_good: bool) {
    if is_good {
        metrics.keys_fetched();
    } else {
        metrics.keys_fetch_failed();
    }
}
