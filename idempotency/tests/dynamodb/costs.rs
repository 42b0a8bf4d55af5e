//! What each verb costs, counted, and the page that says so.

use std::{env, fmt::Write as _, fs, path::Path, sync::Arc};

use headgate_idempotency::{
    Blame, Child, Claim, Claimed, Commit, Delayed, DynamoDb, Effect, Fingerprint, Hold, Once,
    OsRandom, Park, RecordKey, Records, Release, Resolution, Scope, Seen, Settings, StateWrite,
    Store, Ticket, testing::ManualClock,
};
use headgate_store::{Content, Key};
use headgate_types::Clock;

/// Set it to write the page.
const WRITE: &str = "HEADGATE_WRITE_TABLES";
const PAGE: &str = "../docs/concepts/exactly-once/dynamodb-costs.md";

/// What stands above the table.
const TEXT: &str = "# What DynamoDB costs

DynamoDB is paid by request and size.
A write of up to 1 KB is one write unit, and two inside a transaction; larger items cost in steps of 1 KB.
A strong read of up to 4 KB is one read unit.
A record without its result is well below 1 KB, and the units below are of such items.

A batch of one item is one plain request.
A batch of several is one transaction, so each of its items costs twice.
A refused write brings the item along that stood against it, and so saves the read; it costs as much as the write.
No row below has a read.

An event in the transactional mode is one request, and so is its duplicate.
The modes with a claim take two, and a beat for each third of the lease that the handler runs.
A look into a delay queue, or into the whole outbox, is 16 requests of one read unit at least, one for each shard.

";

/// A commit of a result alone, and one that writes a state and emits an event too.
fn commit(is_wide: bool, name: &str, records: &Records) -> Commit {
    if !is_wide {
        return Commit::new("result");
    }
    let content = Content { value: "state".into(), ..Content::default() };
    let state = StateWrite {
        key: Key::new("state", name.to_owned()),
        seen: Seen::Absent,
        content: Some(content),
    };
    Commit { state: vec![state], emit: vec![child(records)], ..Commit::new("result") }
}

fn child(records: &Records) -> Child {
    Child {
        id: "child".to_owned(),
        topic: "topic".to_owned(),
        partition: 0,
        time: records.unix_time(),
        payload: "payload".into(),
    }
}

struct Costs {
    table: DynamoDb,
    clock: Arc<ManualClock>,
    records: Records,
    rows: String,
}

impl Costs {
    fn new(table: DynamoDb) -> Self {
        let clock = Arc::new(ManualClock::new());
        let store: Arc<dyn Store> = Arc::new(table.clone());
        let of_records: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let records = Records::new(store, of_records, Arc::new(OsRandom), Settings::default());
        let mut rows = "| | requests | items | write units |\n|---|---|---|---|\n".to_owned();
        rows.reserve(2_000);
        Self { table, clock, records, rows }
    }

    fn claim(name: &str) -> Claim {
        let key = RecordKey::new(&Scope::new("costs").unwrap(), name.to_owned()).unwrap();
        Claim::new(key, Fingerprint::of_bytes(b"payload"), &Settings::default())
    }

    async fn run(&self, name: &str) -> Ticket {
        match self.records.claim(Self::claim(name)).await.unwrap() {
            Claimed::Run(ticket) => ticket,
            other => panic!("{name} is free: {other:?}"),
        }
    }

    fn section(&mut self, title: &str) {
        writeln!(self.rows, "| **{title}** | | | |").unwrap();
    }

    /// Adds a row: what a step sent, and what DynamoDB takes for it.
    async fn row<T>(&mut self, what: &str, step: impl Future<Output = T>) -> T {
        let before = self.table.consumed();
        let done = step.await;
        let after = self.table.consumed();
        let requests = after.requests - before.requests;
        let alone = after.writes_alone - before.writes_alone;
        let together = after.writes_together - before.writes_together;
        let units = alone + 2 * together;
        assert!(after.read_units <= before.read_units, "{what} reads nothing");
        // DynamoDB Local tells two units for a transaction of whatever size, and none for a refusal.
        let told = after.write_units - before.write_units;
        assert!(told <= units as f64, "{what}: {told} units are told, and {units} expected");
        writeln!(self.rows, "| {what} | {requests} | {} | {units} |", alone + together).unwrap();
        done
    }
}

async fn transactional(costs: &mut Costs) {
    costs.section("transactional");
    let records = costs.records.clone();
    for (name, is_wide) in [("narrow", false), ("wide", true)] {
        let what = if is_wide { "event, with one state and one child" } else { "event" };
        let (claim, outcome) = (Costs::claim(name), commit(is_wide, name, &records));
        let once = costs.row(what, records.once(claim, outcome)).await.unwrap();
        assert!(matches!(once, Once::Committed(_)), "{once:?}");
        let (claim, outcome) = (Costs::claim(name), commit(is_wide, name, &records));
        let once = costs.row("its duplicate", records.once(claim, outcome)).await.unwrap();
        assert!(matches!(once, Once::Replay(_)), "{once:?}");
    }
}

async fn claimed(costs: &mut Costs) {
    costs.section("keyed or leased");
    let records = costs.records.clone();
    let claim = Costs::claim("claimed");
    let ticket = costs.row("claim", records.claim(claim)).await.unwrap();
    let Claimed::Run(ticket) = ticket else { panic!("the key is free: {ticket:?}") };
    costs.row("beat", records.renew(&ticket)).await.unwrap();
    let planned = Effect::Planned { since: records.unix_time() };
    costs.row("journal of an effect", records.journal(&ticket, "e", planned)).await.unwrap();
    let narrow = commit(false, "claimed", &records);
    costs.row("commit", records.commit(ticket, narrow)).await.unwrap();
    let ticket = costs.run("claimed wide").await;
    let wide = commit(true, "claimed wide", &records);
    costs.row("commit, with one state and one child", records.commit(ticket, wide)).await.unwrap();
    let claim = Costs::claim("claimed");
    let replay = costs.row("duplicate", records.claim(claim)).await.unwrap();
    assert!(matches!(replay, Claimed::Replay(_)), "{replay:?}");
    let _lost = costs.run("lost").await;
    let claim = Costs::claim("lost");
    let busy = costs.row("claim of what another one works on", records.claim(claim)).await;
    assert!(matches!(busy, Ok(Claimed::Busy { .. })), "{busy:?}");
    costs.clock.advance(Settings::default().lease * 2);
    let claim = Costs::claim("lost");
    let taken = costs.row("takeover of a lost claim", records.claim(claim)).await.unwrap();
    assert!(matches!(taken, Claimed::Run(_)), "{taken:?}");
}

async fn failures(costs: &mut Costs) {
    costs.section("failures, after a claim");
    let records = costs.records.clone();
    let delayed =
        Delayed { queue: "retries".to_owned(), id: "event".into(), payload: "event".into() };
    let release = |delayed| Release {
        due: records.unix_time(),
        error: "error".to_owned(),
        blame: Blame::Handler,
        delayed,
        also: Vec::new(),
    };
    let ticket = costs.run("released").await;
    costs.row("release", records.release(ticket, release(None))).await.unwrap();
    let ticket = costs.run("delayed").await;
    let step = records.release(ticket, release(Some(delayed)));
    costs.row("release, with the event to come again", step).await.unwrap();
    let ticket = costs.run("rejected").await;
    let outcome = commit(false, "rejected", &records);
    costs.row("reject", records.reject(ticket, outcome)).await.unwrap();
    let ticket = costs.run("parked").await;
    let park = Park { error: "error".to_owned(), emit: vec![child(&records)], ..Park::default() };
    costs.row("park, with its dead letter", records.park(ticket, park)).await.unwrap();
    let ticket = costs.run("held").await;
    let hold = Hold { error: "error".to_owned(), ..Hold::default() };
    costs.row("hold", records.hold(ticket, hold)).await.unwrap();
    let key = Costs::claim("held").key;
    let held = records.held(&key).await.unwrap().unwrap();
    let done = Resolution::Done(Commit::new("result"));
    costs.row("resolve", records.resolve(&key, &held, done)).await.unwrap();
}

/// The page with what was counted.
pub(crate) async fn check(table: DynamoDb) {
    let mut costs = Costs::new(table);
    transactional(&mut costs).await;
    claimed(&mut costs).await;
    failures(&mut costs).await;
    let page = format!(
        "{TEXT}{}\nCounted by the test `dynamodb` of the crate `idempotency` on DynamoDB Local; with\n\
         `{WRITE}=1` it writes this page again.\n",
        costs.rows
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    if env::var_os(WRITE).is_some() {
        fs::write(&file, &page).unwrap();
    }
    let documented = fs::read_to_string(&file).unwrap();
    assert_eq!(documented, page, "run the test with {WRITE}=1");
}
