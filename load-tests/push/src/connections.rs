//! Ten thousand connections that wait: what each costs, how fast all are told, and that one who
//! reads nothing is cut off.

use std::{fmt, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use headgate_tests::push::{PUSH, Stream};
use serde_json::Value;
use tokio::{task::JoinSet, time::Instant};

use crate::orders::{counted, function, order, site};

/// Connections that are opened at once.
const AT_ONCE: usize = 100;
/// What waits for one connection at most, in these runs.
const WAITING_MAX: usize = 16;
/// Bytes of a result that fills the buffers of whoever reads nothing.
const LARGE: usize = 50_000;
/// Large results at most until that one is cut off.
const LARGE_MAX: usize = 2_000;
/// Memory of the edge for one connection that waits, at most.
const BYTES_MAX: u64 = 64 << 10;
const OPEN: &str = "headgate_gateway_push_open_connections";
const CUT_OFF: &str = "headgate_gateway_push_cut_off_connections_total";

/// What came of it.
#[derive(Debug)]
pub(crate) struct Waiting {
    connections: usize,
    /// Memory of the edge before and with them.
    resident: [u64; 2],
    opened_in: Duration,
    /// From an order to its result at the last connection.
    told_in: Duration,
    /// Large results until the one who reads nothing was cut off.
    cut_off_after: Option<usize>,
}

impl Waiting {
    fn bytes_each(&self) -> u64 {
        let [before, with] = self.resident;
        with.saturating_sub(before) / self.connections.max(1) as u64
    }

    pub(crate) fn holds(&self) -> bool {
        self.bytes_each() <= BYTES_MAX && self.cut_off_after.is_some()
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, with] = self.resident.map(|bytes| bytes >> 20);
        let Self { connections, opened_in, told_in, cut_off_after, .. } = self;
        let each = self.bytes_each();
        write!(
            f,
            "{connections} opened in {opened_in:.1?}; {before} MiB before, {with} MiB with them, \
             {each} bytes each; the last is told {told_in:.1?} after the order; one who reads \
             nothing is cut off after {cut_off_after:?} results of {LARGE} bytes"
        )
    }
}

pub(crate) async fn connections(connections: usize) -> Result<Waiting> {
    let small = function(10).await;
    let lines = format!("push.max_waiting = {WAITING_MAX}");
    let edge = Arc::new(site(&small, "orders", "").edge(&lines).start().await);
    let before = edge.resident_bytes();
    let began = Instant::now();
    let mut all = Vec::with_capacity(connections);
    while all.len() < connections {
        let mut opening = JoinSet::new();
        for _ in 0..AT_ONCE.min(connections - all.len()) {
            let edge = Arc::clone(&edge);
            opening.spawn(async move { Stream::open(&edge, "alice-key", None).await });
        }
        all.extend(opening.join_all().await);
    }
    let opened_in = began.elapsed();
    ensure!(counted(&edge, OPEN).await == connections as u64, "all are open");
    let with = edge.resident_bytes();

    let began = Instant::now();
    let reply = edge.send(order("alice-key", "o-1")).await;
    ensure!(reply.status == 202, "the order is taken");
    let mut told: JoinSet<_> = all
        .into_iter()
        .map(|mut stream| async move {
            let pushed = stream.pushed().await;
            (pushed.get("trace_id").and_then(Value::as_str).map(str::to_owned), stream)
        })
        .collect();
    // They stay open until all are told.
    let mut streams = Vec::with_capacity(connections);
    while let Some(one) = told.join_next().await {
        let (trace, stream) = one?;
        ensure!(trace.as_deref() == Some(reply.trace_id()), "each is told of the order");
        streams.push(stream);
    }
    let told_in = began.elapsed();
    drop(streams);
    let cut_off_after = slow_reader().await?;
    let resident = [before, with];
    Ok(Waiting { connections, resident, opened_in, told_in, cut_off_after })
}

/// After how many large results one who reads nothing is cut off. None: it never was.
async fn slow_reader() -> Result<Option<usize>> {
    let large = function(LARGE).await;
    let lines = format!("push.max_waiting = {WAITING_MAX}");
    let edge = site(&large, "orders", "").edge(&lines).start().await;
    let mut raw = edge.raw().await;
    raw.send(&format!("GET {PUSH} HTTP/1.1\r\nhost: edge\r\nx-api-key: bob-key\r\n\r\n")).await;
    raw.head().await;
    let mut reader = Stream::open(&edge, "bob-key", None).await;
    let mut client = edge.h1().await;
    for number in 0..LARGE_MAX {
        let reply = client.send(order("bob-key", &format!("l-{number}"))).await;
        ensure!(reply.status == 202, "the order is taken");
        reader.pushed().await;
        if counted(&edge, CUT_OFF).await > 0 {
            return Ok(Some(number + 1));
        }
    }
    Ok(None)
}
