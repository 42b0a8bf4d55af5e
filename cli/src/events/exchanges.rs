//! Lets exchanges become events, where the configuration wants that.

use std::sync::Arc;

use headgate_config::Loaded;
use headgate_events::{EXCHANGE_TOPIC, ExchangeFeed, Exchanges, Retention, Topic};
use headgate_gateway::{Edge, Keeper, server::Task};
use headgate_telemetry::Metrics;

use crate::events::Events;

/// The topic of exchanges, where they become events.
pub(super) fn topic(loaded: &Loaded) -> Option<Topic> {
    let keep = loaded.exchanges?.keep;
    let usual = Topic::new(EXCHANGE_TOPIC);
    let retention = Retention { age: Some(keep), ..usual.retention };
    Some(Topic { retention, ..usual })
}

/// Lets the edge's exchanges become events from here on. What appends them is for
/// [`task`](Events::exchanges_task).
pub(super) fn begin(loaded: &Loaded, edge: &Arc<Edge>, metrics: &Metrics) -> Option<ExchangeFeed> {
    let per_second = loaded.exchanges?.per_second;
    let (exchanges, feed) = Exchanges::new(metrics.exchanges());
    edge.keep_facts(Keeper::of_exchanges(exchanges, per_second));
    Some(feed)
}

impl Events {
    /// Appends exchanges until the edge has ended, and then those that wait.
    pub(super) fn exchanges_task(&self) -> Option<Task> {
        let feed = self.exchanges.lock().take()?;
        let log = Arc::clone(&self.parts.log);
        let topic = self.parts.topics.get(EXCHANGE_TOPIC);
        Some(Box::new(move |mut shutdown| {
            Box::pin(async move {
                let stop = async move {
                    // A sender that is gone means the same as one that says stop.
                    let _stopped = shutdown.wait_for(|stop| *stop).await;
                };
                feed.run(log, topic, stop).await;
            })
        }))
    }
}
