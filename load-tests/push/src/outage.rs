//! A log that is away under load: what publishes is told so, and nothing else notices.
//!
//! The edge is on Kafka and `DynamoDB` Local. The broker is killed, and the way to the table is cut:
//! as long as the table is there an order is durable in it, and waits there for the broker.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use headgate_events::kafka::OwnKafka;
use headgate_idempotency::testing::{DynamoDbLocal, Link, Weather};
use headgate_tests::{Edge, Folder, get};
use serde_json::Value;
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use crate::orders::{function, order, site};

/// Requests of the other route in a second.
const HOMES: u32 = 200;
/// Orders in a second.
const ORDERS: u32 = 10;
/// Clients of each kind; an order may wait for seconds.
const CLIENTS: u32 = 100;
/// How much slower the other route's slowest hundredth may be.
const SLOWER_MAX: f64 = 1.10;
/// Time for everything that was taken to be handled afterwards.
const HANDLED_WITHIN: Duration = Duration::from_mins(2);

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outage {
    away: Duration,
    /// The other route's slowest hundredth before and meanwhile.
    p99: [Duration; 2],
    /// Answers of the other route that were not 200.
    failed: usize,
    /// Answers to orders meanwhile, by status and code.
    answers: BTreeMap<String, usize>,
    /// Answers 503 without `retry-after`.
    bare: usize,
    taken: usize,
    lost: usize,
}

impl Outage {
    pub(crate) fn holds(&self) -> bool {
        let [before, meanwhile] = self.p99.map(|p99| p99.as_secs_f64());
        let is_refused = self.answers.keys().all(|answer| answer.starts_with("503 HG0041"));
        meanwhile <= before * SLOWER_MAX
            && self.failed + self.bare + self.lost == 0
            && is_refused
            && !self.answers.is_empty()
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { away, p99: [before, meanwhile], failed, answers, bare, taken, lost } = self;
        write!(
            f,
            "away for {away:?}: the other route's p99 is {before:.2?} before and {meanwhile:.2?} \
             meanwhile, {failed} failed; orders meanwhile {answers:?}, {bare} without \
             retry-after; {taken} taken, {lost} lost"
        )
    }
}

/// None: a server is left out.
pub(crate) async fn outage(away: Duration) -> Result<Option<Outage>> {
    let folder = Folder::default();
    let data = folder.path().to_owned();
    let started = spawn_blocking(move || (OwnKafka::start(&data), DynamoDbLocal::shared())).await?;
    let (Some(mut kafka), Some(table)) = started else { return Ok(None) };
    let endpoint = table.endpoint().trim_start_matches("http://");
    let link = Link::to(endpoint.parse().context("the table's address")?).await;
    let shared = format!(
        "[events]\nlog = \"kafka\"\nkafka = {{ brokers = {:?} }}\n\
         [idempotency]\nstore = \"dynamodb\"\n\
         dynamodb = {{ table = \"outage\", endpoint = \"http://{}\", region = \"local\" }}\n",
        kafka.brokers(),
        link.address()
    );
    let function = function(10).await;
    let edge = Arc::new(site(&function, "orders", &shared).start().await);
    // Connections and a broker that has just started take their time once.
    load(&edge, Duration::from_secs(5), "warm").await?;
    let before = load(&edge, away, "before").await?;
    ensure!(before.refused.is_empty(), "orders are taken before: {:?}", before.refused);

    link.set(Weather::Cut);
    let mut kafka = spawn_blocking(move || {
        kafka.kill();
        kafka
    })
    .await?;
    // What was under way when it began is told one or the other.
    sleep(Duration::from_secs(1)).await;
    let meanwhile = load(&edge, away, "meanwhile").await?;
    link.set(Weather::Fair);
    let _kafka = spawn_blocking(move || {
        kafka.restart();
        kafka
    })
    .await?;

    let taken: Vec<_> = before.taken.iter().chain(&meanwhile.taken).cloned().collect();
    let lost = unhandled(&edge, &taken).await;
    let mut answers = meanwhile.refused;
    if !meanwhile.taken.is_empty() {
        answers.insert("202".to_owned(), meanwhile.taken.len());
    }
    Ok(Some(Outage {
        away,
        p99: [p99(before.took), p99(meanwhile.took)],
        failed: before.failed + meanwhile.failed,
        answers,
        bare: meanwhile.bare,
        taken: taken.len(),
        lost,
    }))
}

/// What clients saw of some load.
#[derive(Debug, Default)]
struct Seen {
    /// How long each request of the other route took, from when it was due.
    took: Vec<Duration>,
    failed: usize,
    /// Where the results of orders are.
    taken: Vec<String>,
    refused: BTreeMap<String, usize>,
    bare: usize,
}

/// Both routes' load for a time, at a rate that waits for nobody.
async fn load(edge: &Arc<Edge>, lasts: Duration, name: &'static str) -> Result<Seen> {
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let homes = Arc::clone(edge);
        clients.spawn(async move { home(&homes, lasts, number).await });
        let orders = Arc::clone(edge);
        clients.spawn(async move { place(&orders, lasts, (name, number)).await });
    }
    let mut all = Seen::default();
    while let Some(seen) = clients.join_next().await {
        let seen = seen?;
        all.took.extend(seen.took);
        all.failed += seen.failed;
        all.taken.extend(seen.taken);
        all.bare += seen.bare;
        for (answer, count) in seen.refused {
            *all.refused.entry(answer).or_default() += count;
        }
    }
    Ok(all)
}

/// Ticks of one of the clients, which together make so many a second.
fn ticks(per_second: u32, number: u32) -> tokio::time::Interval {
    let every = Duration::from_secs(1) * CLIENTS / per_second;
    let mut ticks = tokio::time::interval_at(Instant::now() + every * number / CLIENTS, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    ticks
}

async fn home(edge: &Edge, lasts: Duration, number: u32) -> Seen {
    let (mut seen, mut client) = (Seen::default(), edge.h1().await);
    let (mut ticks, ends) = (ticks(HOMES, number), Instant::now() + lasts);
    loop {
        let due = ticks.tick().await;
        if due >= ends {
            return seen;
        }
        let reply = client.send(get("/tv/home")).await;
        seen.took.push(due.elapsed());
        seen.failed += usize::from(reply.status != 200);
    }
}

async fn place(edge: &Edge, lasts: Duration, (name, number): (&str, u32)) -> Seen {
    let (mut seen, mut client) = (Seen::default(), edge.h1().await);
    let (mut ticks, ends) = (ticks(ORDERS, number), Instant::now() + lasts);
    for order_number in 0.. {
        if ticks.tick().await >= ends {
            break;
        }
        let id = format!("{name}-{number}-{order_number}");
        let reply = client.send(order("alice-key", &id)).await;
        if reply.status == 202 {
            seen.taken.push(reply.header("location").to_owned());
            continue;
        }
        let code = reply.json().get("code").and_then(Value::as_str).unwrap_or("-").to_owned();
        *seen.refused.entry(format!("{} {code}", reply.status)).or_default() += 1;
        seen.bare += usize::from(reply.header("retry-after").is_empty());
    }
    seen
}

/// How many of these have no result in time.
async fn unhandled(edge: &Edge, taken: &[String]) -> usize {
    let (mut client, ends) = (edge.h1().await, Instant::now() + HANDLED_WITHIN);
    let mut looks = interval(Duration::from_millis(100));
    let mut left: Vec<_> = taken.iter().collect();
    while !left.is_empty() && Instant::now() < ends {
        looks.tick().await;
        let mut still = Vec::new();
        for location in left {
            let reply = client.send(get(location).header("x-api-key", "alice-key")).await;
            if reply.status != 200 {
                still.push(location);
            }
        }
        left = still;
    }
    left.len()
}

fn p99(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took.get(took.len() * 99 / 100).copied().unwrap_or_default()
}
