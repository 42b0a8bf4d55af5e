//! The process that is killed and stopped: a thread for each partition, which handles its events
//! in one mode.

use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use headgate_idempotency::{
    Child, Claim, Claimed, Commit, Effect, Fingerprint, OnLost, Once, OsRandom, RecordKey, Records,
    Scope, Seen, Settings, StateWrite, Ticket,
};
use headgate_store::{Batch, Content, Key, Operation, Store};
use headgate_types::{Clock, Moment, UnixTime};
use tokio::time::Instant;

use crate::ledger::Line;

pub(crate) const PARTITIONS: u32 = 8;
pub(crate) const EVENTS: &str = "events";
pub(crate) const CHILDREN: &str = "children";
pub(crate) const GROUP: &str = "workers";
pub(crate) const STATES: &str = "states";
pub(crate) const LEASE: Duration = Duration::from_millis(300);
const SKEW: Duration = Duration::from_millis(20);

/// How a partition's events are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Transactional,
    Keyed,
    LeasedRetry,
    LeasedHold,
}

impl Mode {
    pub(crate) fn of(partition: u32) -> Self {
        [Self::Transactional, Self::Keyed, Self::LeasedRetry, Self::LeasedHold]
            [partition as usize % 4]
    }
}

#[derive(Debug)]
struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> Moment {
        self.0.elapsed().into()
    }

    #[expect(clippy::disallowed_methods, reason = "a process has one clock; this is it")]
    fn unix_time(&self) -> UnixTime {
        UnixTime::from_duration(SystemTime::now().duration_since(UNIX_EPOCH).unwrap())
    }
}

/// Handles all events that are left, and tells of each.
pub(crate) fn work(folder: &Path, port: u16) {
    let store = Store::open(folder, &headgate_store::Settings::default()).unwrap();
    thread::scope(|scope| {
        for partition in 0..PARTITIONS {
            let store = store.clone();
            scope.spawn(move || {
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = runtime.enable_time().build().unwrap();
                runtime.block_on(Partition::new(store, partition, port).consume());
            });
        }
    });
    println!("all done");
}

struct Partition {
    store: Store,
    number: u32,
    records: Records,
    line: Line,
}

impl Partition {
    fn new(store: Store, number: u32, port: u16) -> Self {
        let settings = Settings { lease: LEASE, skew: SKEW, ..Settings::default() };
        let clock = Arc::new(RealClock(Instant::now()));
        let records = Records::new(Arc::new(store.clone()), clock, Arc::new(OsRandom), settings);
        Self { store, number, records, line: Line::open(port) }
    }

    async fn consume(mut self) {
        loop {
            let offset = self.store.offset(GROUP, EVENTS, self.number).unwrap().unwrap_or(0);
            let found = self.store.read(EVENTS, self.number, offset, 1).unwrap();
            let Some(event) = found.into_iter().next() else { return };
            let name = String::from_utf8(event.payload.to_vec()).unwrap();
            self.handle(&name, offset + 1).await;
        }
    }

    async fn handle(&mut self, name: &str, next: u64) {
        let claim = self.claim(name);
        if Mode::of(self.number) == Mode::Transactional {
            let commit = self.commit(name, next);
            match self.records.once(claim, commit).await.unwrap() {
                Once::Committed(_) => acknowledge(name),
                Once::Replay(_) => self.pass(next).await,
                other => panic!("{other:?}"),
            }
            return;
        }
        match self.records.claim(claim).await.unwrap() {
            Claimed::Run(ticket) => self.run(name, next, ticket).await,
            Claimed::Replay(_) | Claimed::Held(_) => self.pass(next).await,
            Claimed::Busy { until } => {
                tokio::time::sleep(until.since(self.records.unix_time())).await;
            }
            Claimed::Conflict => panic!("{name} conflicts with itself"),
        }
    }

    async fn run(&mut self, name: &str, next: u64, ticket: Ticket) {
        let records = self.records.clone();
        let effect = self.effect(&ticket, name);
        // Lost, or the journal is fenced: the event is handed over again.
        let Ok(Ok(())) = records.while_held(&ticket, effect).await else { return };
        let commit = self.commit(name, next);
        if records.commit(ticket, commit).await.is_ok() {
            acknowledge(name);
        }
    }

    async fn effect(
        &mut self,
        ticket: &Ticket,
        name: &str,
    ) -> Result<(), headgate_idempotency::TicketError> {
        // A point at which a process that was stopped learns that its lease is over.
        tokio::task::yield_now().await;
        if Mode::of(self.number) != Mode::Keyed {
            self.line.carry(name, "-", ticket.fence());
            return Ok(());
        }
        if matches!(ticket.effect("pay"), Some(Effect::Carried { .. })) {
            return Ok(());
        }
        let since = self.records.unix_time();
        self.records.journal(ticket, "pay", Effect::Planned { since }).await?;
        let receipt = self.line.carry(name, &ticket.effect_key("pay"), ticket.fence());
        let response = receipt.into();
        self.records.journal(ticket, "pay", Effect::Carried { response }).await
    }

    fn claim(&self, name: &str) -> Claim {
        let scope = Scope::new("processes").unwrap();
        let key = RecordKey::new(&scope, name.to_owned()).unwrap();
        let fingerprint = Fingerprint::of_bytes(name.as_bytes());
        let claim = Claim::new(key, fingerprint, self.records.settings());
        let is_held = Mode::of(self.number) == Mode::LeasedHold;
        Claim { on_lost: if is_held { OnLost::Hold } else { OnLost::Retry }, ..claim }
    }

    /// One more in the partition's count, a child, and the offset.
    fn commit(&self, name: &str, next: u64) -> Commit {
        let key = Key::new(STATES, self.number.to_be_bytes().to_vec());
        let item = self.store.get(&key).unwrap();
        let seen = item.as_ref().map_or(Seen::Absent, |item| Seen::Version(item.version));
        let count = item.map_or(0, |item| count(&item.content.value)) + 1;
        let content = Content { value: count.to_be_bytes().to_vec().into(), ..Content::default() };
        let child = Child {
            id: name.to_owned(),
            topic: CHILDREN.to_owned(),
            partition: self.number,
            time: self.records.unix_time(),
            payload: name.to_owned().into(),
        };
        Commit {
            state: vec![StateWrite { key, seen, content: Some(content) }],
            emit: vec![child],
            also: vec![self.offset(next)],
            ..Commit::new(name.to_owned())
        }
    }

    fn offset(&self, offset: u64) -> Operation {
        let (group, topic) = (GROUP.to_owned(), EVENTS.to_owned());
        Operation::CommitOffset { group, topic, partition: self.number, offset }
    }

    /// Passes an event whose key needs nothing.
    async fn pass(&self, next: u64) {
        self.store.commit(Batch::new().with(self.offset(next))).await.unwrap();
    }
}

pub(crate) fn count(value: &[u8]) -> u64 {
    u64::from_be_bytes(value.try_into().unwrap())
}

/// One write, shorter than a pipe's atomic one: lines of threads do not mix.
fn acknowledge(name: &str) {
    io::stdout().lock().write_all(format!("ack {name}\n").as_bytes()).unwrap();
}
