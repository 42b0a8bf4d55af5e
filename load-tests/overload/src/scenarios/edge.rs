//! A6 and F: the edge's own processor, and what costs nothing.

use std::time::Duration;

use anyhow::{Result, ensure};
use headgate_sim::{
    scenarios::{CAPACITY, Measure, Unit, at_least, at_most},
    upstream::{Endpoint, Time},
};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::Scenario;
use crate::lab::{
    Lab, Setup, Stage,
    client::{connect, exchange},
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        id: "A6",
        title: Some("the edge's core is asked for 2 and 3 times what it can proxy"),
        measures: A6,
        run: a6,
        fails_unprotected: true,
    },
    Scenario {
        id: "F4",
        title: Some("500 WebSockets, 500 event streams and 500 idle connections"),
        measures: F4,
        run: f4,
        fails_unprotected: false,
    },
    Scenario {
        id: "F5",
        title: Some("a flood of refusals, with access lines"),
        measures: F5,
        run: f5,
        fails_unprotected: false,
    },
];

const A6: &[Measure] = &[
    at_least("goodput at 2x, over what refusals leave of the core", 0.9, Unit::Percent),
    at_least("goodput at 3x, over what refusals leave of the core", 0.9, Unit::Percent),
    at_most("time of a refusal, over that of a proxied call", 0.35, Unit::Times),
    at_most("p99 of the admin's health meanwhile", 0.1, Unit::Millis),
];
const F4: &[Measure] = &[
    at_most("permits held", 0.0, Unit::Count),
    at_most("sheds at half load beside them", 0.0, Unit::Count),
];
const F5: &[Measure] = &[
    at_most("refusal lines per second", 101.0, Unit::Count),
    at_least("refusals counted, over refused answers", 1.0, Unit::Times),
];

/// Bytes of an answer that make a call worth refusing.
const BODY_BYTES: usize = 128 << 10;
/// Connections that keep the core busy.
const CONNECTIONS: usize = 48;
/// Time to find out what the core can do.
const PROXIED: Duration = Duration::from_secs(2);

fn a6(lab: &Lab) -> Result<Vec<f64>> {
    let served = lab.stage(big(lab, 0.0), async |stage| closed(stage, 200).await)?;
    let mut cut = big(lab, 0.0);
    (cut.protects, cut.overload) = (true, "cut = { bulk = \"100%\" }".to_owned());
    let refused = lab.stage(cut, async |stage| closed(stage, 503).await)?;
    let cost = refused.cpu_seconds / served.cpu_seconds;
    let mut figures = Vec::new();
    let mut slowest = 0.0_f64;
    for times in [2.0, 3.0] {
        let end = 2.0 + lab.time(6.0, 4.0);
        let mut setup = big(lab, end).mix(&[(0.0, times * served.per_second)]);
        setup.protects = lab.protects;
        let (seen, health) = lab.stage(setup, async |stage| {
            stage.play_beside(async |stage| health(stage, end).await).await
        })?;
        let left = (1.0 - times * cost) / (1.0 - cost);
        let best = served.per_second * left.max(0.0);
        figures.push(seen.run.goodput(2.0, end) / best.max(1.0));
        slowest = slowest.max(health);
    }
    figures.extend([cost, slowest]);
    Ok(figures)
}

fn big(lab: &Lab, seconds: f64) -> Setup {
    let mut setup = lab.usual(seconds);
    setup.protects = false;
    setup.body_bytes = BODY_BYTES;
    setup.endpoints = vec![Endpoint::new(100_000, &[Time::Fixed(0.0)])];
    setup.concurrency.mode = Some("off");
    setup
}

/// What a core does as fast as it goes.
#[derive(Clone, Copy, Debug)]
struct Closed {
    per_second: f64,
    /// Processor time of one request.
    cpu_seconds: f64,
}

async fn closed(stage: &Stage, wanted: u16) -> Result<Closed> {
    let mut clients = JoinSet::new();
    let edge = stage.proxy.address;
    let before = stage.proxy.cpu()?;
    let start = Instant::now();
    for place in 0..CONNECTIONS {
        clients.spawn(async move {
            let mut stream = connect(edge, place).await?;
            let mut count = 0_u32;
            while start.elapsed() < PROXIED {
                let (answer, _) = exchange(&mut stream, BULK.as_bytes()).await?;
                ensure!(answer.status == wanted, "answered {}, not {wanted}", answer.status);
                count += 1;
            }
            Ok(count)
        });
    }
    let mut count = 0.0;
    while let Some(client) = clients.join_next().await {
        count += f64::from(client??);
    }
    let cpu_seconds = stage.proxy.cpu()?.since(before).total() / count;
    Ok(Closed { per_second: count / start.elapsed().as_secs_f64(), cpu_seconds })
}

const BULK: &str =
    "GET /load/r0/0 HTTP/1.1\r\nhost: load.example\r\nheadgate-priority: bulk\r\n\r\n";

/// The p99 of the time in which the admin listener says that the edge is alive.
async fn health(stage: &Stage, seconds: f64) -> Result<f64> {
    let start = Instant::now();
    let mut times = Vec::new();
    while start.elapsed().as_secs_f64() < seconds {
        let took = stage
            .operator
            .get("/healthz")
            .await
            .map_or(f64::INFINITY, |(_, took)| took.as_secs_f64());
        times.push(took);
        sleep(Duration::from_millis(50)).await;
    }
    Ok(headgate_sim::figures::quantile(times, 0.99))
}

/// Of each kind; small, so that a usual limit of open files suffices.
const IDLE: usize = 500;

fn f4(lab: &Lab) -> Result<Vec<f64>> {
    let seconds = lab.time(8.0, 5.0);
    let setup = lab.usual(seconds).mix(&[(0.0, 0.5 * CAPACITY)]);
    lab.stage(setup, async |stage| {
        let mut idle = Vec::new();
        for (kind, further) in KINDS {
            for number in 0..IDLE {
                idle.push(open(stage, number, kind, further).await?);
            }
        }
        let held = stage.operator.limits().await?.number("/upstreams/0/gate/in_flight");
        let seen = stage.play().await?;
        let sheds = seen.run.sum(&seen.run.all(), 0.0, seconds).shed;
        drop(idle);
        Ok(vec![held, f64::from(sheds)])
    })
}

const KINDS: [(&str, &str); 3] = [
    (
        "websocket",
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    ),
    ("events", ""),
    ("0", ""),
];

async fn open(stage: &Stage, number: usize, kind: &str, further: &str) -> Result<TcpStream> {
    let mut stream = connect(stage.proxy.address, number).await?;
    let head = format!("GET /load/r0/{kind} HTTP/1.1\r\nhost: load.example\r\n{further}\r\n");
    let (answer, _) = exchange(&mut stream, head.as_bytes()).await?;
    ensure!([101, 200].contains(&answer.status), "{kind} is answered {}", answer.status);
    Ok(stream)
}

fn f5(lab: &Lab) -> Result<Vec<f64>> {
    let seconds = lab.time(8.0, 5.0);
    let mut setup = lab.usual(seconds).mix(&[(0.0, 5.0 * CAPACITY)]);
    setup.logs = true;
    lab.stage(setup, async |stage| {
        stage.proxy.empty_output()?;
        let seen = stage.play().await?;
        let refused: u64 = seen.answers.codes.values().sum();
        let page = stage.operator.metrics().await?;
        let counted = crate::lab::sum(&page, RULED, &["ruled=\"refused\""]);
        let lines = stage.proxy.printed()?.lines().filter(|line| line.contains("\"HG00")).count();
        // Lines are limited by the clock's seconds, of which a run touches one more than it lasts.
        Ok(vec![lines as f64 / (seconds + 1.0), counted / refused.max(1) as f64])
    })
}

/// What layers said, request by request.
pub(super) const RULED: &str = "headgate_gateway_ruled_requests_total";
