//! What a handler pays for being exactly once: mode transactional beside the same work done bare,
//! on a store in memory that costs as little as it can.

mod flat;

use std::{
    io::Write,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Result, bail};
use bytes::Bytes;
use headgate_idempotency::{
    Decorated, Delivery, Emit, Event, Fault, OsRandom, PARTITIONS_DEFAULT, Records, STATE_SPACE,
    Settings, Settlement, Store, Tx, handler, partition_of,
};
use headgate_store::{Batch, Condition, Content, Key};
use headgate_types::{Clock, Follow, Moment, Root, SpanId, TraceId, UnixTime};
use serde::{Deserialize, Serialize};

use self::flat::FlatStore;
use crate::{Stopwatch, print};

/// Deliveries that are timed, after as many that warm up.
const DELIVERIES: u64 = 50_000;
/// More than bare work costs, at most.
const OVERHEAD_P50_MAX: Duration = Duration::from_micros(10);
const OVERHEAD_P99_MAX: Duration = Duration::from_micros(50);
const REPLAY_P50_MAX: Duration = Duration::from_micros(5);
const REPLAY_P99_MAX: Duration = Duration::from_micros(25);
const NOW: UnixTime = UnixTime::from_secs(1_795_219_200);

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    id: String,
    account: String,
    amount: u64,
    items: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Charged {
    id: String,
    balance: u64,
}

impl Emit for Charged {
    const TO: &'static str = "billing/order.charged.v1";
}

/// The work: one read and one write of state, one event.
#[handler(scope = "billing.charge@1", on = "orders/order.placed.v1", key = |e| e.data.id)]
async fn charge(e: Event<Order>, cx: &mut Tx) -> Result<u64, Fault> {
    let mut account = cx.state::<u64>(&e.data.account).await?;
    let balance = account.get().copied().unwrap_or_default() + e.data.amount;
    account.set(balance);
    cx.put(account)?;
    cx.emit("charged", Charged { id: e.data.id, balance })?;
    Ok(balance)
}

/// The same work with nothing around it: no key, no record, no condition. It may happen twice.
async fn bare(store: &FlatStore, event: Event) -> Result<u64> {
    let order: Order = serde_json::from_slice(&event.data)?;
    let key = Key::new(STATE_SPACE, order.account);
    let account = store.get(&key).await?;
    let balance: Option<u64> =
        account.map(|item| serde_json::from_slice(&item.content.value)).transpose()?;
    let balance = balance.unwrap_or_default() + order.amount;
    let data = serde_json::to_vec(&Charged { id: order.id, balance })?;
    let follow = Follow {
        id: format!("{}-charged", event.id).into(),
        source: "/hg/billing".into(),
        kind: "order.charged.v1".into(),
        partition_key: Arc::clone(&event.partition_key),
        time: NOW,
        ordinal: 1,
    };
    let child = event.follow(follow, Bytes::from(data))?;
    let partition = partition_of(&child.partition_key, PARTITIONS_DEFAULT);
    let content = Content { value: serde_json::to_vec(&balance)?.into(), ..Content::default() };
    let batch = Batch::new()
        .put(key, content, Condition::Always)
        .append("billing", partition, NOW, child.encode()?)
        .from_reserve();
    batch.validate()?;
    store.commit(batch).await?;
    Ok(balance)
}

/// One of many orders, of one of a thousand accounts.
fn event(number: u64) -> Result<Event> {
    let order = Order {
        id: format!("order-{number}"),
        account: format!("account-{}", number % 1_000),
        amount: 5,
        items: (0..8).map(|item| format!("item {item} of order {number}")).collect(),
    };
    let ids = (TraceId::from_bytes([7; 16]), SpanId::from_bytes([9; 8]));
    let (Some(trace_id), Some(span_id)) = ids else { bail!("ids above zero") };
    let root = Root {
        id: format!("event-{number}").into(),
        source: "/hg/orders".into(),
        kind: "order.placed.v1".into(),
        partition_key: order.account.as_str().into(),
        time: NOW,
        trace_id,
        span_id,
    };
    Ok(Event::root(root, serde_json::to_vec(&order)?.into()))
}

#[derive(Debug)]
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Moment {
        Moment::ZERO
    }

    fn unix_time(&self) -> UnixTime {
        NOW
    }
}

/// Prints the rows.
///
/// # Errors
///
/// A bar is missed, or a delivery cost another number of commits than it should.
pub(crate) fn run(out: &mut impl Write) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(measure(out))
}

async fn measure(out: &mut impl Write) -> Result<()> {
    let (plain, store) = (FlatStore::default(), FlatStore::default());
    let (shared, clock) = (Arc::new(store.clone()), Arc::new(Standing));
    let records = Records::new(shared, clock, Arc::new(OsRandom), Settings::default());
    let charge = Decorated::new(charge(), records)?;
    let (mut bares, mut decorated, mut replays) = (Vec::new(), Vec::new(), Vec::new());
    // Turn by turn, so that whatever else the machine does meets all of them.
    for number in 0..2 * DELIVERIES {
        let delivery = Delivery::first(event(number)?);
        let copy = delivery.event.clone();
        let start = Stopwatch::now();
        bare(&plain, copy).await?;
        let bare_took = start.elapsed();
        let start = Stopwatch::now();
        let done = charge.deliver(&delivery).await?;
        let done_took = start.elapsed();
        let start = Stopwatch::now();
        let replayed = charge.deliver(&delivery).await?;
        let replay_took = start.elapsed();
        same(&done, &replayed)?;
        if number >= DELIVERIES {
            bares.push(bare_took);
            decorated.push(done_took);
            replays.push(replay_took);
        }
    }
    let commits = [&plain, &store].map(|store| store.commits.load(Ordering::Relaxed));
    writeln!(out, "\nhandler      p50        p99        max")?;
    let (bare_p50, bare_p99) = print(out, "bare", &mut bares)?;
    let (p50, p99) = print(out, "decorated", &mut decorated)?;
    let replay = print(out, "replay", &mut replays)?;
    let overhead = (p50.saturating_sub(bare_p50), p99.saturating_sub(bare_p99));
    writeln!(out, "decorator adds {:?} at p50, {:?} at p99", overhead.0, overhead.1)?;
    writeln!(out, "commits {commits:?} in {} deliveries, each delivered twice", 2 * DELIVERIES)?;
    if commits != [2 * DELIVERIES; 2] {
        bail!("a delivery is one commit, and its duplicate is none");
    }
    if overhead.0 > OVERHEAD_P50_MAX || overhead.1 > OVERHEAD_P99_MAX {
        bail!("a bar is missed: {OVERHEAD_P50_MAX:?} at p50, {OVERHEAD_P99_MAX:?} at p99");
    }
    if replay.0 > REPLAY_P50_MAX || replay.1 > REPLAY_P99_MAX {
        bail!("a replay's bar is missed: p50 {REPLAY_P50_MAX:?}, p99 {REPLAY_P99_MAX:?}");
    }
    Ok(())
}

fn same(done: &Settlement, replayed: &Settlement) -> Result<()> {
    match (done, replayed) {
        (Settlement::Done { result }, Settlement::Replayed { result: again, rejected: false })
            if result == again =>
        {
            Ok(())
        }
        other => bail!("not done once and replayed once: {other:?}"),
    }
}
