//! The process that is killed and stopped: a thread for each partition, which handles its events
//! in one mode.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use headgate_idempotency::{
    Child, Claim, Claimed, Commit, CommitError, DynamoDb, Effect, Fingerprint, OnLost, Once,
    OsRandom, Records, Seen, Settings, StateWrite, StoreError, Ticket, TicketError, Uncommitted,
    dynamodb,
};
use headgate_store::{Content, Store};
use headgate_types::{Clock, Moment, UnixTime, parse_duration};
use tokio::time::{Instant, sleep};

use crate::{
    events::{CHILDREN, Delivered, Event, Mode, Source, count, state},
    ledger::{Line, NO_KEY},
    process::{DONE, Said, until_told},
};

/// Allowance for clocks: all workers have the same one.
const SKEW: Duration = Duration::from_millis(20);
/// Failures of the store in a row after which a worker gives up.
const FAILURES_MAX: u32 = 200;
/// Times that a commit is made anew because others changed the state.
const CONFLICTS_MAX: u32 = 50;
/// How long a worker waits after a failure of the store.
const AFTER_FAILURE: Duration = Duration::from_millis(20);
/// Children that a relay reads at once.
const RELAYED: usize = 64;
/// How long a relay waits for more.
const RELAY_LOOKS: Duration = Duration::from_millis(5);
/// The group in which a relay's offset is kept.
pub(crate) const RELAYS: &str = "relays";

/// What a worker works on.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The ledger's port on loopback.
    #[arg(long)]
    ledger: u16,
    /// How long a claim holds without a beat.
    #[arg(long, value_parser = parse_duration)]
    lease: Duration,
    /// The embedded store's folder, with the events and their offsets.
    #[arg(long, conflicts_with_all = ["table", "endpoint", "from"])]
    folder: Option<PathBuf>,
    /// DynamoDB's address.
    #[arg(long)]
    endpoint: Option<String>,
    /// The table of the records.
    #[arg(long)]
    table: Option<String>,
    /// With a table: where each partition's events begin.
    #[arg(long, value_delimiter = ',')]
    from: Vec<u64>,
    /// Partitions.
    #[arg(long)]
    partitions: u32,
}

#[derive(Debug)]
struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> Moment {
        self.0.elapsed().into()
    }

    #[expect(clippy::disallowed_methods, reason = "a process has one clock; this is it")]
    fn unix_time(&self) -> UnixTime {
        UnixTime::from_duration(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

/// Handles all events that are left, and tells of each; or, where they have no end, until whoever
/// started this has had enough.
///
/// # Errors
///
/// The store or the ledger fails for good.
#[expect(clippy::print_stdout, reason = "whoever started this reads it")]
pub(crate) fn work(arguments: &Arguments) -> Result<()> {
    let store = arguments
        .folder
        .as_ref()
        .map(|folder| Store::open(folder, &headgate_store::Settings::default()))
        .transpose()?;
    let enough: &'static AtomicBool = Box::leak(Box::default());
    thread::spawn(move || {
        // Without its input, too, a worker has to end.
        drop(until_told());
        enough.store(true, Ordering::Release);
    });
    thread::scope(|scope| {
        let threads: Vec<_> = (0..arguments.partitions)
            .map(|number| {
                let store = store.clone();
                scope.spawn(move || partition(arguments, store, number, enough))
            })
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().map_err(|_| anyhow!("a partition's thread has panicked"))?
        })
    })?;
    println!("{DONE}");
    Ok(())
}

fn in_runtime<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Handles a partition's events; those of mode transactional are relayed beside that.
fn partition(
    arguments: &Arguments,
    store: Option<Store>,
    number: u32,
    enough: &AtomicBool,
) -> Result<()> {
    let relayed = store.clone().filter(|_| Mode::of(number) == Mode::Transactional);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let relay = relayed.map(|store| scope.spawn(|| relay(store, arguments, number, &is_over)));
        let consumed = in_runtime(async {
            Partition::open(arguments, store, number).await?.consume(enough).await
        });
        is_over.store(true, Ordering::Release);
        if let Some(relay) = relay {
            relay.join().map_err(|_| anyhow!("a relay's thread has panicked"))??;
        }
        consumed
    })
}

/// Tells the ledger of a partition's children: each is carried out under its offset, so that one
/// which is recorded twice is counted twice, and one which is told twice is not.
#[expect(clippy::needless_pass_by_value, reason = "the handle is this thread's own")]
fn relay(store: Store, arguments: &Arguments, number: u32, is_over: &AtomicBool) -> Result<()> {
    let mut line = Line::open(arguments.ledger)?;
    let mut offset = store.offset(RELAYS, CHILDREN, number)?.unwrap_or(0);
    loop {
        // Asked first: what was committed before that is there to be read.
        let is_last = is_over.load(Ordering::Acquire);
        let children = store.read(CHILDREN, number, offset, RELAYED)?;
        if children.is_empty() {
            if is_last {
                return Ok(());
            }
            thread::sleep(RELAY_LOOKS);
            continue;
        }
        for child in children {
            let name = std::str::from_utf8(&child.payload)?;
            line.carry(name, &format!("child-{number}-{offset}"), offset)?;
            offset += 1;
        }
        let (group, topic) = (RELAYS.to_owned(), CHILDREN.to_owned());
        let moved =
            headgate_store::Operation::CommitOffset { group, topic, partition: number, offset };
        store.submit(headgate_store::Batch::new().with(moved))?.wait()?;
    }
}

struct Partition {
    number: u32,
    records: Records,
    source: Source,
    line: Line,
}

/// What came of one delivery.
enum Ended {
    Committed,
    Passed,
    /// It is to be delivered again.
    Again,
}

impl Partition {
    async fn open(arguments: &Arguments, store: Option<Store>, number: u32) -> Result<Self> {
        let line = Line::open(arguments.ledger)?;
        let settings = Settings { lease: arguments.lease, skew: SKEW, ..Settings::default() };
        let clock = Arc::new(RealClock(Instant::now()));
        let (store, source): (Arc<dyn headgate_idempotency::Store>, _) = if let Some(store) = store
        {
            (Arc::new(store.clone()), Source::Log(store, number))
        } else {
            let first = arguments.from.get(number as usize).copied().unwrap_or(0);
            let event = Event { partition: number, number: first };
            (Arc::new(table(arguments).await?), Source::Numbers(event))
        };
        let records = Records::new(store, clock, Arc::new(OsRandom), settings);
        Ok(Self { number, records, source, line })
    }

    async fn consume(mut self, enough: &AtomicBool) -> Result<()> {
        let mut failures = 0;
        // What was begun is brought to its end.
        while let Some(delivered) = self.source.next()? {
            let event = delivered.event.to_string();
            match self.handle(&delivered).await {
                Ok(Ended::Committed) => {
                    Said::Acknowledged.tell(&event)?;
                    self.source.settled();
                }
                Ok(Ended::Passed) => {
                    Said::Passed.tell(&event)?;
                    self.source.pass(&delivered).await?;
                }
                Ok(Ended::Again) => continue,
                Err(error) if error.downcast_ref::<StoreError>().is_some() => {
                    failures += 1;
                    ensure!(failures < FAILURES_MAX, "the store fails too often: {error:#}");
                    sleep(AFTER_FAILURE).await;
                    continue;
                }
                Err(error) => return Err(error),
            }
            failures = 0;
            if enough.load(Ordering::Acquire) {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn handle(&mut self, delivered: &Delivered) -> Result<Ended> {
        let claim = self.claim(delivered.event)?;
        if Mode::of(self.number) == Mode::Transactional {
            return self.once(claim, delivered).await;
        }
        match self.records.claim(claim).await? {
            Claimed::Run(ticket) => self.run(delivered, ticket).await,
            Claimed::Replay(_) | Claimed::Held(_) => Ok(Ended::Passed),
            Claimed::Busy { until } => {
                sleep(until.since(self.records.unix_time())).await;
                Ok(Ended::Again)
            }
            Claimed::Conflict => bail!("{} conflicts with itself", delivered.event),
        }
    }

    async fn once(&mut self, claim: Claim, delivered: &Delivered) -> Result<Ended> {
        let commit = self.commit(delivered).await?;
        match self.records.once(claim, commit).await {
            Ok(Once::Committed(_)) => Ok(Ended::Committed),
            Ok(Once::Replay(_)) => Ok(Ended::Passed),
            Ok(other) => bail!("{} without a claim: {other:?}", delivered.event),
            Err(CommitError::StateConflict { .. }) => Ok(Ended::Again),
            Err(CommitError::Store(error)) => Err(error.into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn run(&mut self, delivered: &Delivered, mut ticket: Ticket) -> Result<Ended> {
        let name = delivered.event.to_string();
        if ticket.attempt() > 1 {
            Said::TookOver.tell(&name)?;
        }
        let records = self.records.clone();
        match records.while_held(&ticket, self.effect(&ticket, &name)).await {
            Ok(Ok(())) => {}
            Ok(Err(Stopped::Broken(error))) => return Err(error),
            // Its lease runs out; until then the event is busy.
            Ok(Err(Stopped::Ticket(TicketError::Store(error)))) => return Err(error.into()),
            Ok(Err(Stopped::Ticket(_))) | Err(_) => {
                Said::Fenced.tell(&name)?;
                return Ok(Ended::Again);
            }
        }
        for _ in 0..CONFLICTS_MAX {
            let commit = self.commit(delivered).await?;
            let Err(Uncommitted { error, ticket: left }) = records.commit(ticket, commit).await
            else {
                return Ok(Ended::Committed);
            };
            match (error, left) {
                (CommitError::Fenced, _) => {
                    Said::Fenced.tell(&name)?;
                    return Ok(Ended::Again);
                }
                (
                    CommitError::StateConflict { .. } | CommitError::Store(StoreError::InDoubt(_)),
                    Some(left),
                ) => ticket = left,
                (CommitError::Store(error), _) => return Err(error.into()),
                (error, _) => return Err(error.into()),
            }
        }
        bail!("the state of partition {} changes too often", self.number)
    }

    async fn effect(&mut self, ticket: &Ticket, name: &str) -> Result<(), Stopped> {
        // A point at which a process that was stopped learns that its lease is over.
        tokio::task::yield_now().await;
        if Mode::of(self.number) != Mode::Keyed {
            self.line.carry(name, NO_KEY, ticket.fence())?;
            return Ok(());
        }
        if matches!(ticket.effect("pay"), Some(Effect::Carried { .. })) {
            return Ok(());
        }
        let since = self.records.unix_time();
        self.records.journal(ticket, "pay", Effect::Planned { since }).await?;
        let receipt = self.line.carry(name, &ticket.effect_key("pay"), ticket.fence())?;
        let response = receipt.into();
        Ok(self.records.journal(ticket, "pay", Effect::Carried { response }).await?)
    }

    fn claim(&self, event: Event) -> Result<Claim> {
        let fingerprint = Fingerprint::of_bytes(event.to_string().as_bytes());
        let claim = Claim::new(event.key()?, fingerprint, self.records.settings());
        let is_held = event.mode() == Mode::LeasedHold;
        Ok(Claim { on_lost: if is_held { OnLost::Hold } else { OnLost::Retry }, ..claim })
    }

    /// One more in the partition's count, a child, and the offset.
    async fn commit(&self, delivered: &Delivered) -> Result<Commit> {
        let (key, name) = (state(self.number), delivered.event.to_string());
        let item = self.records.store().get(&key).await?;
        let seen = item.as_ref().map_or(Seen::Absent, |item| Seen::Version(item.version));
        let handled = item.map_or(Ok(0), |item| count(&item.content.value))? + 1;
        let value = handled.to_be_bytes().to_vec().into();
        let content = Some(Content { value, ..Content::default() });
        let child = Child {
            id: name.clone(),
            topic: CHILDREN.to_owned(),
            partition: self.number,
            time: self.records.unix_time(),
            payload: name.clone().into(),
        };
        Ok(Commit {
            state: vec![StateWrite { key, seen, content }],
            emit: vec![child],
            also: delivered.offset().into_iter().collect(),
            ..Commit::new(name)
        })
    }
}

/// Why an effect was not carried out, or not written down.
enum Stopped {
    Ticket(TicketError),
    Broken(anyhow::Error),
}

impl From<TicketError> for Stopped {
    fn from(error: TicketError) -> Self {
        Self::Ticket(error)
    }
}

impl From<anyhow::Error> for Stopped {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}

async fn table(arguments: &Arguments) -> Result<DynamoDb> {
    let endpoint = arguments.endpoint.as_ref().context("neither --folder nor --endpoint")?;
    let table = arguments.table.as_ref().context("no --table")?;
    Ok(DynamoDb::connect(dynamodb::Settings::local(endpoint, table)).await?)
}
