//! What the store, the ledger and the acknowledgements say in the end, and whether they agree.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use headgate_idempotency::Store;
use headgate_store::{Item, Scalar};
use serde::Serialize;

use crate::{
    events::{Event, Mode, count, state},
    ledger::Carried,
    process::Said,
};

/// Faults that are told in words; all are counted.
const FAULTS_TOLD_MAX: usize = 20;

/// What workers said while they ran.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Commits that were acknowledged, by event: the same one twice would be two.
    pub(crate) acknowledged: BTreeMap<Event, u32>,
    /// Events that were taken over from a worker that was lost.
    pub(crate) taken_over: u64,
    /// Workers that were refused because the event was somebody else's.
    pub(crate) fenced: u64,
}

impl Told {
    pub(crate) fn note(&mut self, said: Said, event: Event) {
        match said {
            Said::Acknowledged => *self.acknowledged.entry(event).or_default() += 1,
            Said::TookOver => self.taken_over += 1,
            Said::Fenced => self.fenced += 1,
            Said::Passed => {}
        }
    }
}

/// Everything that is known in the end.
#[derive(Debug)]
pub(crate) struct Evidence {
    /// All events that have to be settled.
    pub(crate) events: Vec<Event>,
    pub(crate) told: Told,
    /// Effects by event's name, from the ledger.
    pub(crate) carried: Carried,
    /// Children by event's name, from the store.
    pub(crate) children: BTreeMap<String, u32>,
    /// What stands under each event's key.
    pub(crate) records: BTreeMap<Event, Stands>,
    /// Each partition's count of handled events.
    pub(crate) states: Vec<u64>,
    /// Whether the effects of mode transactional are in the ledger too.
    pub(crate) is_relayed: bool,
}

/// A record, as far as it matters here.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stands {
    is_held: bool,
    attempts: u64,
}

impl Stands {
    fn of(item: &Item) -> Self {
        let attributes = &item.content.attributes;
        let attempts = match attributes.get("att") {
            Some(Scalar::Number(attempts)) => *attempts,
            _ => 0,
        };
        Self { is_held: attributes.get("st") == Some(&"HOLD".into()), attempts }
    }
}

impl Evidence {
    /// Reads records and states; children are read by whoever knows where they are.
    pub(crate) async fn read(&mut self, store: &dyn Store, partitions: u32) -> Result<()> {
        for event in &self.events {
            if let Some(item) = store.get(event.key()?.item()).await? {
                self.records.insert(*event, Stands::of(&item));
            }
        }
        for partition in 0..partitions {
            let item = store.get(&state(partition)).await?;
            self.states.push(item.map_or(Ok(0), |item| count(&item.content.value))?);
        }
        Ok(())
    }

    /// Judges each event by what its mode promises.
    pub(crate) fn judge(&self) -> Verdict {
        let mut verdict = Verdict { rows: Mode::ALL.map(Row::new).to_vec(), ..Verdict::default() };
        for event in &self.events {
            let (seen, mode) = (self.seen(*event), event.mode());
            if let Some(row) = verdict.rows.iter_mut().find(|row| row.mode == mode.to_string()) {
                row.add(&seen);
            }
            for fault in seen.faults(mode, self.is_relayed) {
                verdict.fault(format!("{mode}, event {event}: {fault} ({seen:?})"));
            }
        }
        self.sums(&mut verdict);
        verdict
    }

    fn seen(&self, event: Event) -> Seen {
        let name = event.to_string();
        let stands = self.records.get(&event).copied().unwrap_or_default();
        let fences = self.carried.get(&name).map(Vec::as_slice).unwrap_or_default();
        let attempts: BTreeSet<_> = fences.iter().collect();
        Seen {
            recorded: self.children.get(&name).copied().unwrap_or_default(),
            carried: fences.len() as u64,
            carriers: attempts.len() as u64,
            acknowledged: self.told.acknowledged.get(&event).copied().unwrap_or_default(),
            is_held: stands.is_held,
            attempts: stands.attempts,
        }
    }

    /// What must agree beside each event for itself.
    fn sums(&self, verdict: &mut Verdict) {
        let known: BTreeSet<_> = self.events.iter().map(ToString::to_string).collect();
        let strange = |name: &&String| !known.contains(*name);
        for name in self.children.keys().filter(strange).chain(self.carried.keys().filter(strange))
        {
            verdict.fault(format!("{name} was never published"));
        }
        for (counted, partition) in self.states.iter().zip(0_u32..) {
            let of_this = |(name, times): (&String, &u32)| {
                let event = Event::named(name).ok()?;
                (event.partition == partition).then_some(u64::from(*times))
            };
            let children: u64 = self.children.iter().filter_map(of_this).sum();
            if *counted != children {
                let what = format!("{counted} counted in its state, {children} children");
                verdict.fault(format!("partition {partition}: {what}"));
            }
        }
    }
}

/// What is known of one event.
#[derive(Clone, Copy, Debug)]
struct Seen {
    recorded: u32,
    carried: u64,
    /// Different attempts among those that carried the effect out.
    carriers: u64,
    acknowledged: u32,
    is_held: bool,
    attempts: u64,
}

impl Seen {
    fn faults(&self, mode: Mode, is_relayed: bool) -> impl Iterator<Item = &'static str> {
        let may_be_held = mode == Mode::LeasedHold;
        let recorded = u32::from(!self.is_held);
        let (is_carried, is_as_often) = match mode {
            Mode::Transactional if !is_relayed => (true, self.carried == 0),
            Mode::Transactional | Mode::Keyed => (self.carried >= 1, self.carried <= 1),
            // Each loss may repeat it once: there were as many attempts.
            Mode::LeasedRetry => (self.carried >= 1, self.carried <= self.attempts),
            Mode::LeasedHold => (self.is_held || self.carried >= 1, self.carried <= 1),
        };
        [
            (self.recorded >= recorded, "its outcome is lost"),
            (self.recorded <= recorded, "its outcome is recorded twice"),
            (self.acknowledged <= 1, "its commit was acknowledged twice"),
            (self.acknowledged == 0 || self.recorded > 0, "it was acknowledged, and is lost"),
            (may_be_held || !self.is_held, "it is held"),
            (is_carried, "its effect is lost"),
            (is_as_often, "its effect was carried out too often"),
            (self.carriers == self.carried, "one attempt carried it out twice"),
        ]
        .into_iter()
        .filter_map(|(holds, fault)| (!holds).then_some(fault))
    }
}

/// The events of one mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The mode.
    pub mode: String,
    /// Different events.
    pub keys: u64,
    /// Outcomes that are recorded.
    pub recorded: u64,
    /// Effects that the ledger has.
    pub carried: u64,
    /// Of them, those that an event has beside its first.
    pub repeated: u64,
    /// Events that wait for somebody to say whether their effect happened.
    pub held: u64,
    /// Events with neither an outcome nor a hold.
    pub lost: u64,
    /// Events whose outcome is recorded more than once.
    pub doubled: u64,
}

impl Row {
    fn new(mode: Mode) -> Self {
        let mode = mode.to_string();
        let (keys, recorded, carried, repeated, held, lost, doubled) = Default::default();
        Self { mode, keys, recorded, carried, repeated, held, lost, doubled }
    }

    fn add(&mut self, seen: &Seen) {
        self.keys += 1;
        self.recorded += u64::from(seen.recorded);
        self.carried += seen.carried;
        self.repeated += seen.carried.saturating_sub(1);
        self.held += u64::from(seen.is_held);
        self.lost += u64::from(seen.recorded == 0 && !seen.is_held);
        self.doubled += u64::from(seen.recorded > 1);
    }
}

/// Whether everything agrees.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    /// By mode.
    pub rows: Vec<Row>,
    /// Faults that were found.
    pub faults: u64,
    /// The first of them.
    pub told: Vec<String>,
}

impl Verdict {
    pub(crate) fn fault(&mut self, what: String) {
        self.faults += 1;
        if self.told.len() < FAULTS_TOLD_MAX {
            self.told.push(what);
        }
    }
}

#[cfg(test)]
mod tests;
