//! What goes wrong between workers and what they stand on, and how soon they go on after it.

use std::{fmt, path::Path, time::Duration};

use anyhow::{Context, Result};
use headgate_events::kafka::{Further, OwnKafka};
use headgate_idempotency::testing::{DynamoDbLocal, Link, Weather};
use tokio::time::Instant;

use crate::{
    account::Left,
    world::{Place, SESSION},
};

/// How long a cut lasts at least: shorter than a session.
const CUT_FOR: Duration = Duration::from_secs(2);
/// How much longer at most: with it, longer than a session.
const CUT_FOR_MORE: Duration = Duration::from_secs(7);
/// How much later each piece comes on a slow way.
const SLOW_BY: Duration = Duration::from_millis(20);

/// The workers' ways to the broker and to the table. Whoever settles the account has others.
#[derive(Debug)]
pub(crate) struct Ways {
    broker: Link,
    table: Link,
}

impl Ways {
    /// Starts a broker in an empty folder with a way to it, and makes one to the table.
    pub(crate) async fn with_broker(folder: &Path) -> Result<(OwnKafka, Self)> {
        let (broker, table) = (Link::new().await, Link::new().await);
        let further = Further::Behind(broker.address().port());
        let kafka = OwnKafka::start_with(folder, further).context("Kafka is left out")?;
        broker.leads_to(kafka.further());
        let local = DynamoDbLocal::shared().context("DynamoDB Local is left out")?;
        let address = local.endpoint().strip_prefix("http://").context("it is on loopback")?;
        table.leads_to(address.parse()?);
        Ok((kafka, Self { broker, table }))
    }

    /// Where workers find everything.
    pub(crate) fn place(&self, place: &Place) -> Place {
        Place {
            brokers: Some(self.broker.address().to_string()),
            endpoint: Some(format!("http://{}", self.table.address())),
            ..place.clone()
        }
    }

    fn set(&self, weather: Weather) {
        self.broker.set(weather);
        self.table.set(weather);
    }
}

/// What happened, and what happens now.
#[derive(Clone, Debug, Default)]
pub struct Troubles {
    cuts: u64,
    resets: u64,
    stops: u64,
    /// The longest time from an end to the next that was done.
    recovery: Duration,
    /// The longest time in which nothing was done, and since when nothing has been.
    still: Duration,
    changed: Option<(Instant, Left)>,
    has_begun: bool,
    now: Option<Now>,
    healed: Option<(Instant, Option<Left>)>,
}

/// What happens now, and until when.
#[derive(Clone, Copy, Debug)]
struct Now {
    until: Instant,
    /// The worker that is stopped. None: it is the ways that are cut.
    stopped: Option<usize>,
}

impl Troubles {
    /// How often a way was cut or slowed down, or was reset.
    pub fn cuts(&self) -> u64 {
        self.cuts + self.resets
    }

    /// How often a worker was stopped.
    pub fn stops(&self) -> u64 {
        self.stops
    }

    /// The longest time from the end of a trouble to the next that was done.
    pub fn recovery(&self) -> Duration {
        self.recovery
    }

    /// The longest time in which nothing was done.
    pub fn still(&self) -> Duration {
        self.still
    }

    pub(crate) fn are_none(&self) -> bool {
        self.now.is_none()
    }

    /// Spoils one of the ways, or both.
    pub(crate) fn begin(&mut self, ways: &Ways, chance: &mut fastrand::Rng) {
        let which = match chance.u32(0..3) {
            0 => vec![&ways.broker],
            1 => vec![&ways.table],
            _ => vec![&ways.broker, &ways.table],
        };
        let weather = match chance.u32(0..4) {
            0 => {
                for way in which {
                    way.reset();
                }
                self.resets += 1;
                return;
            }
            1 => Weather::Slow(SLOW_BY),
            _ => Weather::Cut,
        };
        for way in which {
            way.set(weather);
        }
        self.cuts += 1;
        let length = CUT_FOR + CUT_FOR_MORE.mul_f64(chance.f64());
        self.now = Some(Now { until: Instant::now() + length, stopped: None });
    }

    /// A worker is stopped.
    pub(crate) fn stopped(&mut self, number: usize) {
        self.stops += 1;
        self.now = Some(Now { until: Instant::now() + SESSION * 2, stopped: Some(number) });
    }

    /// Ends what has lasted long enough, and tells the worker that may go on.
    pub(crate) fn over(&mut self, ways: Option<&Ways>, left: Option<&Left>) -> Option<usize> {
        let over = self.now.take_if(|now| Instant::now() >= now.until)?;
        if over.stopped.is_none() {
            if let Some(ways) = ways {
                ways.set(Weather::Fair);
            }
            self.healed = Some((Instant::now(), left.cloned()));
        }
        over.stopped
    }

    /// Takes the time until something was done after an end.
    pub(crate) fn saw(&mut self, left: Option<&Left>) {
        let Some(left) = left else { return };
        match &mut self.changed {
            Some((since, last)) if last == left => {
                // Until the groups have come together, nothing can be done.
                let still = if self.has_begun { since.elapsed() } else { Duration::ZERO };
                self.still = self.still.max(still);
            }
            changed => {
                self.has_begun |= changed.is_some();
                *changed = Some((Instant::now(), left.clone()));
            }
        }
        if let Some((since, _)) =
            self.healed.take_if(|(_, before)| before.as_ref().is_none_or(|before| before != left))
        {
            self.recovery = self.recovery.max(since.elapsed());
        }
    }
}

impl fmt::Display for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cuts, resets, stops, recovery, still, .. } = self;
        write!(
            f,
            "{stops} workers stopped, ways cut {cuts} times and reset {resets} times (on again \
             after {:.1} s at most), nothing done for {:.1} s at most",
            recovery.as_secs_f64(),
            still.as_secs_f64()
        )
    }
}
