//! The sink on a real `PostgreSQL`.

#![expect(clippy::unwrap_used, reason = "helpers of a test are tests too")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_events::{
    Body, EmbeddedLog, Log, Message, Sink, SinkError, Topics,
    sink::{self, Column, PostgresLocal, Schema, Table},
};
use headgate_idempotency::partition_of;
use headgate_store::Store;
use headgate_types::{Clock, Event, Moment, Root, SpanId, TraceId, UnixTime};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::time::timeout;

const TOPIC: &str = "orders";

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Moment {
        Moment::default()
    }

    fn unix_time(&self) -> UnixTime {
        UnixTime::from_secs(1_700_000_000)
    }
}

struct World {
    postgres: &'static PostgresLocal,
    table: String,
    log: Arc<EmbeddedLog>,
    connection: PgConnection,
    _folder: tempfile::TempDir,
}

fn message(id: &str, key: &str, data: &str) -> Message {
    let root = Root {
        id: id.into(),
        source: "/tests".into(),
        kind: "order.placed.v1".into(),
        partition_key: key.into(),
        time: UnixTime::from_secs(1_700_000_000),
        trace_id: TraceId::from_bytes([7; 16]).unwrap(),
        span_id: SpanId::from_bytes([7; 8]).unwrap(),
    };
    let event = Event::root(root, Bytes::from(data.to_owned()));
    Message::event(&Topics::default(), TOPIC, event)
}

fn order(n: u32, version: u32) -> Message {
    let data = format!(r#"{{"total":{n}.5,"version":{version}}}"#);
    message(&format!("{n}-{version}"), &format!("order-{n}"), &data)
}

impl World {
    async fn new() -> Option<Self> {
        let postgres = PostgresLocal::shared()?;
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &headgate_store::Settings::default()).unwrap();
        let log = Arc::new(EmbeddedLog::new(store, Topics::default(), Arc::new(Stopped)));
        let table = format!("t{:016x}", fastrand::u64(..));
        let connection = PgConnection::connect(postgres.url()).await.unwrap();
        Some(Self { postgres, table, log, connection, _folder: folder })
    }

    fn settings(&self) -> sink::Settings {
        let column = |(name, kind, value): (&str, &str, &str)| Column {
            name: name.to_owned(),
            kind: kind.parse().unwrap(),
            value: value.parse().unwrap(),
        };
        let columns = [
            ("id", "text", "partitionkey"),
            ("total", "numeric", "data.total"),
            ("version", "bigint", "data.version"),
            ("at", "timestamptz", "time"),
        ];
        let table = Table {
            name: self.table.clone(),
            topic: TOPIC.to_owned(),
            kinds: vec!["order.placed.v1".to_owned()],
            columns: columns.map(column).into(),
            key: vec!["id".to_owned()],
            sequence: None,
        };
        sink::Settings {
            batch_wait: Duration::from_millis(5),
            ..sink::Settings::new("shop", self.postgres.url(), vec![table])
        }
    }

    async fn start(&self, settings: sink::Settings) -> Result<Sink, SinkError> {
        Sink::start(settings, Arc::clone(&self.log) as Arc<dyn Log>, &Topics::default()).await
    }

    async fn append(&self, messages: Vec<Message>) {
        self.log.append(messages).await.unwrap();
    }

    /// Each row's id and version, by id.
    async fn rows(&mut self) -> Vec<(String, i64)> {
        let sql = format!("select id, version from {} order by id", self.table);
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    async fn count(&mut self, sql: &str) -> i64 {
        let sql = format!("{sql} where sink = 'shop.{}'", self.table);
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut self.connection).await.unwrap();
        row.get(0)
    }

    /// How many events are behind the table's offsets.
    async fn passed(&mut self) -> i64 {
        self.count("select coalesce(sum(next), 0)::bigint from headgate_offsets").await
    }

    async fn until_passed(&mut self, events: i64) {
        let passed = async {
            while self.passed().await < events {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), passed).await.expect("the sink writes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_latest_event_of_a_key_is_its_row() {
    let Some(mut world) = World::new().await else { return };
    let sink = world.start(world.settings()).await.unwrap();
    world.append(vec![order(1, 1), order(2, 1), order(1, 2)]).await;
    world.until_passed(3).await;
    sink.stop().await;
    let sql = format!("select id, total, version, at from {} order by id", world.table);
    let shown = world.postgres.psql(&format!("set timezone = 'UTC'; {sql}"));
    assert_eq!(
        shown, "order-1|1.5|2|2023-11-14 22:13:20+00\norder-2|2.5|1|2023-11-14 22:13:20+00\n",
        "by another client"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_goes_on_where_the_table_stands() {
    let Some(mut world) = World::new().await else { return };
    let group = format!("shop.{}", world.table);
    world.append((0..50).map(|n| order(n, 1)).collect()).await;
    let sink = world.start(world.settings()).await.unwrap();
    world.until_passed(50).await;
    drop(sink);

    // The log's group knows nothing of it, as after a crash between both; a row that is written
    // again would show its first version.
    for partition in 0..8 {
        world.log.reset(&group, TOPIC, partition, 0).await.unwrap();
    }
    let sql = format!("update {} set version = 7, hg_seq = -1", world.table);
    sqlx::query(AssertSqlSafe(sql)).execute(&mut world.connection).await.unwrap();
    world.append(vec![order(50, 1)]).await;
    let sink = world.start(world.settings()).await.unwrap();
    world.until_passed(51).await;
    sink.stop().await;
    let versions = world.rows().await.iter().filter(|(_, version)| *version == 7).count();
    assert_eq!(versions, 50, "nothing is written twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_table_misses_is_read_again() {
    let Some(mut world) = World::new().await else { return };
    world.append((0..20).map(|n| order(n, 1)).collect()).await;
    let sink = world.start(world.settings()).await.unwrap();
    world.until_passed(20).await;
    sink.stop().await;

    // An older copy of the database, and a log whose group has passed everything.
    let sql = format!(
        "with gone as (delete from {0}) delete from headgate_offsets where sink = 'shop.{0}'",
        world.table
    );
    sqlx::query(AssertSqlSafe(sql)).execute(&mut world.connection).await.unwrap();
    for partition in 0..8 {
        let sql = format!(
            "insert into headgate_offsets values ('shop.{}', '{TOPIC}', {partition}, 0)",
            world.table
        );
        sqlx::query(AssertSqlSafe(sql)).execute(&mut world.connection).await.unwrap();
    }
    let sink = world.start(world.settings()).await.unwrap();
    world.until_passed(20).await;
    sink.stop().await;
    assert_eq!(world.rows().await.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_kept_beside_the_table() {
    let Some(mut world) = World::new().await else { return };
    let partition = partition_of("order-1", 8);
    let poison = Message {
        topic: TOPIC.into(),
        partition,
        time: UnixTime::from_secs(1),
        body: Body::Other { key: None, value: Bytes::from_static(b"\xff\x00poison") },
    };
    let misfit = message("m", "order-1", r#"{"total":"much","version":1}"#);
    let sink = world.start(world.settings()).await.unwrap();
    world.append(vec![order(1, 1), poison, misfit, order(1, 2)]).await;
    world.until_passed(4).await;
    // It counts what the database has acknowledged to it.
    let counted = async {
        while sink.done() != (sink::Done { written: 2, rejected: 2, retried: 0 }) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), counted).await.expect("it counts them");
    sink.stop().await;
    assert_eq!(world.rows().await, [("order-1".to_owned(), 2)]);
    let sql = format!(
        "select value from headgate_rejected where sink = 'shop.{}' order by \"offset\"",
        world.table
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut world.connection).await.unwrap();
    assert_eq!(rows[0].get::<Vec<u8>, _>(0), b"\xff\x00poison");
    assert_eq!(rows.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_sink_writes_nothing() {
    let Some(mut world) = World::new().await else { return };
    let sink = world.start(world.settings()).await.unwrap();
    world.append(vec![order(1, 1)]).await;
    world.until_passed(1).await;
    // As if another process had written the next ten events of each partition.
    let sql =
        format!("update headgate_offsets set next = next + 10 where sink = 'shop.{}'", world.table);
    sqlx::query(AssertSqlSafe(sql)).execute(&mut world.connection).await.unwrap();
    let before = world.passed().await;
    world.append((2..12).map(|version| order(1, version)).chain([order(1, 12)]).collect()).await;
    world.until_passed(before + 1).await;
    sink.stop().await;
    assert_eq!(world.rows().await, [("order-1".to_owned(), 12)]);
    assert_eq!(world.passed().await, before + 1, "ten events were left to the other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_does_not_fit_is_told_at_the_start() {
    let Some(mut world) = World::new().await else { return };
    let check = sink::Settings { schema: Schema::Check, ..world.settings() };
    let missing = world.start(check.clone()).await.map(drop).unwrap_err();
    assert_eq!(missing.code(), "HG0071");

    let sql = format!("create table {} (id text, version text, hg_seq bigint)", world.table);
    sqlx::query(AssertSqlSafe(sql)).execute(&mut world.connection).await.unwrap();
    let differs = world.start(world.settings()).await.map(drop).unwrap_err();
    assert!(differs.to_string().contains("\"total\""), "{differs}");

    let nowhere = sink::Settings::new("shop", "postgres://h@127.0.0.1:1/x", check.tables);
    let nowhere = sink::Settings { timeout: Duration::from_secs(2), ..nowhere };
    let down = world.start(nowhere).await.map(drop).unwrap_err();
    assert_eq!(down.code(), "HG0072");
}
