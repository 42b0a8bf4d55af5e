//! Wires events: the log, what routes publish, and the handlers of the configuration in force.

mod consumers;

use std::{sync::Arc, time::Duration};

use headgate_admin::EventState;
use headgate_config::{EventLog, Loaded};
use headgate_events::{
    EmbeddedLog, LogError, Looked, Parts, Publish, PublishError, Publisher, Results, Retention,
    Silent, Topic, Topics,
};
use headgate_gateway::{self as gateway, Asked, NotPublished, Publication, ResultsAsk};
use headgate_idempotency::{OsRandom, Records};
use headgate_store::Store;
use headgate_telemetry::Metrics;
use headgate_types::Clock;

use self::consumers::Handlers;

/// What the parts that deal with events share.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    pub(crate) parts: Parts,
    pub(crate) publisher: Publisher,
    pub(crate) results: Results,
    /// The handlers that run.
    pub(crate) handlers: Handlers,
    /// The embedded log, which has to be trimmed. None: another cluster's own work.
    embedded: Option<EmbeddedLog>,
}

impl Events {
    /// Opens the log; none where the configuration has no place for events, or the store could not
    /// be opened.
    pub(crate) fn open(
        loaded: &Loaded,
        (store, records): (Option<&Store>, Option<&Records>),
        clock: &Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Option<Self> {
        let (topics, records) = (topics(loaded), records?.clone());
        let EventLog::Embedded { .. } = loaded.events.as_ref()? else { return None };
        let store = store?.clone();
        let log = EmbeddedLog::new(store.clone(), topics.clone(), Arc::clone(clock));
        let results = Results::new(records.clone());
        let parts = Parts {
            log: Arc::new(log.clone()),
            records,
            delays: Arc::new(store),
            clock: Arc::clone(clock),
            random: Arc::new(OsRandom),
            topics,
            notify: Arc::new(Silent),
            results: Some(results.clone()),
            relay: None,
            metrics: Some(metrics.clone()),
        };
        let publisher = Publisher::new(parts.clone());
        let (handlers, embedded) = (Handlers::default(), Some(log));
        Some(Self { parts, publisher, results, handlers, embedded })
    }

    /// What the admin API answers from.
    pub(crate) fn for_operators(&self) -> EventState {
        let handlers = self.handlers.clone();
        EventState { parts: self.parts.clone(), handlers: Arc::new(move || handlers.running()) }
    }

    /// Removes what no topic keeps any more.
    async fn trim(&self) {
        let Some(log) = &self.embedded else { return };
        if let Err(error) = log.trim().await {
            tracing::warn!(%error, code = error.code(), "log not trimmed");
        }
    }
}

/// The topics that the configuration names.
fn topics(loaded: &Loaded) -> Topics {
    Topics::new(loaded.settings.topics.iter().map(|topic| Topic {
        partitions: topic.partitions,
        retention: Retention { age: Some(topic.retention), bytes: None },
        ..Topic::new(&topic.name)
    }))
}

/// What the data path asks.
impl gateway::Publish for Events {
    fn publish(
        &self,
        publication: Publication,
    ) -> Asked<'_, Result<gateway::Published, NotPublished>> {
        let Publication { topic, event, owner, claim } = publication;
        let owner = Some(owner.as_str().to_owned());
        let publish = Publish { topic, event, owner, claim };
        Box::pin(async move {
            let published = self.publisher.publish(publish).await.map_err(refused)?;
            let (trace, is_repeated) = (published.event.trace_id, published.is_repeated);
            Ok(gateway::Published { trace, is_repeated })
        })
    }

    fn results(
        &self,
        ask: ResultsAsk,
    ) -> Asked<'_, Result<gateway::Results, gateway::Unavailable>> {
        Box::pin(async move {
            let ResultsAsk { trace, owner, wait } = ask;
            let looked = if wait == Duration::ZERO {
                self.results.look(trace, owner.as_str()).await
            } else {
                self.results.wait(trace, owner.as_str(), wait).await
            };
            match looked {
                Ok(Looked::Unknown) => Ok(gateway::Results::Unknown),
                Ok(Looked::Pending { settled, handlers }) => {
                    Ok(gateway::Results::Running { settled, handlers })
                }
                Ok(Looked::Settled(results)) => {
                    let results = results.iter().map(|(name, result)| (&**name, result.json()));
                    Ok(gateway::Results::Settled(object(results).into()))
                }
                Err(error) => {
                    tracing::debug!(%error, "results can't be read");
                    Err(gateway::Unavailable)
                }
            }
        })
    }
}

/// A JSON object of members that are JSON already.
fn object<'a>(members: impl Iterator<Item = (&'a str, bytes::Bytes)>) -> Vec<u8> {
    let mut text = vec![b'{'];
    for (index, (name, value)) in members.enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(serde_json::json!(name).to_string().as_bytes());
        text.push(b':');
        text.extend_from_slice(&value);
    }
    text.push(b'}');
    text
}

fn refused(error: PublishError) -> NotPublished {
    tracing::debug!(%error, "event not published");
    match error {
        PublishError::Conflict | PublishError::Busy { .. } => NotPublished::Conflict,
        PublishError::Invalid(_) | PublishError::Log(LogError::Invalid(_)) => NotPublished::Invalid,
        _ => NotPublished::Unavailable,
    }
}

#[cfg(test)]
mod tests;
