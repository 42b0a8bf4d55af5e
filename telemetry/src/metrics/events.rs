//! What happens to events on their way from a publisher to handlers.

use headgate_types::Class;
use metrics::{Counter, Gauge};

use super::bounded;
use crate::{catalog, metrics::Metrics};

/// Counts the events of one topic.
#[derive(Clone, Debug)]
pub struct TopicMetrics {
    published: Counter,
}

/// Counts what a handler's consumer does. How deliveries end is counted by the handler.
#[derive(Clone, Debug)]
pub struct GroupMetrics {
    consumed: Counter,
    redelivered: Counter,
    parked: Counter,
    lag: Gauge,
    in_flight: Gauge,
    waiting: [Gauge; 4],
    paused: Gauge,
}

impl Metrics {
    /// The handles of one topic. The same name gives the same counts.
    pub fn topic(&self, topic: &str) -> TopicMetrics {
        let (_, topic) = bounded(&mut self.names.lock().topics, "", topic);
        TopicMetrics { published: self.counter(&catalog::EVENTS_PUBLISHED, &[topic]) }
    }

    /// The handles of one handler's consumer, by its scope. The same name gives the same counts.
    pub fn group(&self, scope: &str) -> GroupMetrics {
        let (_, handler) = bounded(&mut self.names.lock().handlers, "", scope);
        GroupMetrics {
            consumed: self.counter(&catalog::EVENTS_CONSUMED, &[handler]),
            redelivered: self.counter(&catalog::EVENTS_REDELIVERED, &[handler]),
            parked: self.counter(&catalog::EVENTS_PARKED, &[handler]),
            lag: self.gauge(&catalog::EVENTS_LAG, &[handler]),
            in_flight: self.gauge(&catalog::EVENTS_IN_FLIGHT, &[handler]),
            waiting: Class::ALL
                .map(|class| self.gauge(&catalog::EVENTS_WAITING, &[handler, class.as_str()])),
            paused: self.gauge(&catalog::EVENTS_PAUSED, &[handler]),
        }
    }
}

impl TopicMetrics {
    /// Counts an event that was published.
    pub fn published(&self) {
        self.published.increment(1);
    }
}

impl GroupMetrics {
    /// Counts entries that the consumer was given.
    pub fn consumed(&self, entries: u64) {
        self.consumed.increment(entries);
    }

    /// Counts an event that is given again.
    pub fn redelivered(&self) {
        self.redelivered.increment(1);
    }

    /// Counts an event that is given up.
    pub fn parked(&self) {
        self.parked.increment(1);
    }

    /// Tells how many entries are not settled.
    pub fn lag(&self, entries: u64) {
        self.lag.set(entries as f64);
    }

    /// Tells how many deliveries are at work.
    pub fn in_flight(&self, deliveries: u32) {
        self.in_flight.set(f64::from(deliveries));
    }

    /// Tells how many events of each class wait.
    pub fn waiting(&self, events: impl Fn(Class) -> usize) {
        for (gauge, class) in self.waiting.iter().zip(Class::ALL) {
            gauge.set(events(class) as f64);
        }
    }

    /// Tells whether events wait.
    pub fn paused(&self, is_paused: bool) {
        self.paused.set(if is_paused { 1.0 } else { 0.0 });
    }
}
