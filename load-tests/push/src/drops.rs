//! Scenario S26: clients that are dropped at random, and come back to where they were.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use headgate_tests::push::Stream;
use tokio::{task::JoinSet, time::Instant};

use crate::orders::{function, order, site};

/// Orders that all are told of.
const ORDERS: usize = 20;

/// What came of it.
#[derive(Debug)]
pub(crate) struct Dropped {
    clients: usize,
    /// Connections that they had in all.
    connections: usize,
    /// Results that a client missed, saw twice, or saw in another order.
    wrong: usize,
    lasted: Duration,
}

impl Dropped {
    pub(crate) fn holds(&self) -> bool {
        self.wrong == 0 && self.connections > self.clients
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, connections, wrong, lasted } = self;
        write!(
            f,
            "{clients} clients on {connections} connections, {ORDERS} results each in \
             {lasted:.1?}; {wrong} saw them otherwise than once and in order"
        )
    }
}

pub(crate) async fn drops(clients: usize, seed: u64) -> Result<Dropped> {
    let function = function(10).await;
    let edge = Arc::new(site(&function, "orders", "").start().await);
    let start = Stream::open(&edge, "alice-key", None).await.last;
    let began = Instant::now();
    let mut all = JoinSet::new();
    for number in 0..clients {
        let edge = Arc::clone(&edge);
        let mut chance = fastrand::Rng::with_seed(seed.wrapping_add(number as u64));
        all.spawn(async move {
            let (mut last, mut seen, mut connections) = (start, Vec::new(), 0);
            while seen.len() < ORDERS {
                let mut stream = Stream::open(&edge, "alice-key", last).await;
                connections += 1;
                for _ in 0..=chance.usize(0..6) {
                    if seen.len() < ORDERS {
                        seen.push(stream.pushed().await.get("id").map(ToString::to_string));
                    }
                }
                last = stream.last;
            }
            (seen, connections)
        });
    }
    let mut client = edge.h1().await;
    for number in 0..ORDERS {
        let reply = client.send(order("alice-key", &format!("o-{number}"))).await;
        ensure!(reply.status == 202, "the order is taken");
    }
    let seen = all.join_all().await;
    let lasted = began.elapsed();
    let first = seen.first().map(|(seen, _)| seen.clone()).unwrap_or_default();
    let is_each_once = first.iter().collect::<BTreeSet<_>>().len() == ORDERS;
    ensure!(is_each_once, "the first client saw {first:?}");
    let wrong = seen.iter().filter(|(seen, _)| *seen != first).count();
    let connections = seen.iter().map(|(_, connections)| connections).sum();
    Ok(Dropped { clients, connections, wrong, lasted })
}
