//! Runs the sinks of the configuration in force, and changes them with it.

use std::collections::BTreeMap;

use headgate_config::{Loaded, Sink as Wanted};
use headgate_events::{Sink, sink::Url};

use crate::events::Events;

/// The sinks of this process, by their names.
pub(super) struct Sinks {
    events: Events,
    running: BTreeMap<String, (Wanted, Sink)>,
    /// Whether a sink is not running that should.
    pub(super) is_incomplete: bool,
}

impl Sinks {
    pub(super) fn new(events: Events) -> Self {
        Self { events, running: BTreeMap::new(), is_incomplete: false }
    }

    /// Stops the sinks that are gone or have changed, and starts those that are new.
    pub(super) async fn follow(&mut self, loaded: &Loaded) {
        let wanted = &loaded.sinks;
        let is_wanted = |running: &Wanted| wanted.contains(running);
        let stale: Vec<_> = (self.running.iter())
            .filter(|(_, (running, _))| !is_wanted(running))
            .map(|(name, _)| name.clone())
            .collect();
        for name in stale {
            if let Some((_, sink)) = self.running.remove(&name) {
                sink.stop().await;
            }
        }
        self.is_incomplete = false;
        for sink in wanted {
            let name = &sink.settings.name;
            if self.running.contains_key(name) {
                continue;
            }
            match self.start(sink).await {
                Some(running) => {
                    self.running.insert(name.clone(), (sink.clone(), running));
                }
                None => self.is_incomplete = true,
            }
        }
    }

    /// Starts a sink. None: it can't be started now, which is told.
    async fn start(&self, sink: &Wanted) -> Option<Sink> {
        let name = &sink.settings.name;
        let url = sink.url.read().inspect_err(|error| {
            let code = error.code();
            tracing::error!(%error, code, sink = %name, "sink not started");
        });
        let mut settings = sink.settings.clone();
        settings.url = Url(url.ok()?);
        let parts = &self.events.parts;
        let started = Sink::start(settings, parts.log.clone(), &parts.topics).await;
        let started = started.inspect_err(|error| {
            tracing::error!(%error, code = error.code(), sink = %name, "sink not started");
        });
        started.ok()
    }

    /// Stops all at once.
    pub(super) async fn stop(self) {
        let mut stopping = tokio::task::JoinSet::new();
        for (_, sink) in self.running.into_values() {
            stopping.spawn(sink.stop());
        }
        stopping.join_all().await;
    }
}
