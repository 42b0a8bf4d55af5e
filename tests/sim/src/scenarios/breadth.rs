//! B: one route, one tenant or one kind of work must not harm the others.

use headgate_router::overload::concurrency::Share;
use headgate_types::{Class, Ratio};

use super::{CAPACITY, Protection, Scenario, Unit, at_least, at_most};
use crate::{
    traffic::Stream,
    upstream::{Behavior, Change, Endpoint, Time},
    world::{GateSetup, Setup, run},
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        id: "B1",
        title: "one of 20 routes hangs forever",
        measures: &[
            at_most("p99 of the others, over before", 1.1, Unit::Times),
            at_least("success of the others", 0.9999, Unit::Percent),
            at_most("hung route in flight, over its first limit", 1.0, Unit::Times),
        ],
        run: b1,
        fails_unprotected: true,
        compares: false,
    },
    Scenario {
        id: "B2",
        title: "calls of 500 ms and of 5 ms on one upstream, the slow ones at 1.5 of its capacity",
        measures: &[at_most("p99 of fast calls, over alone", 1.15, Unit::Times)],
        run: b2,
        fails_unprotected: true,
        compares: false,
    },
    Scenario {
        id: "B3",
        title: "1 of 50 tenants floods at 50 times, then 16",
        measures: &[
            at_least("success of the others, 1 floods", 0.999, Unit::Percent),
            at_most("p99 of the others, over before", 1.2, Unit::Times),
            at_least("success of the others, 16 flood", 0.995, Unit::Percent),
        ],
        run: b3,
        fails_unprotected: true,
        compares: false,
    },
    Scenario {
        id: "B4",
        title: "pages of 4 calls at twice the capacity",
        measures: &[at_least("pages served whole", 0.45, Unit::Percent)],
        run: b4,
        fails_unprotected: true,
        compares: false,
    },
    Scenario {
        id: "B5",
        title: "writes with 10 % guaranteed, bulk at 20 times the capacity",
        measures: &[
            at_least("success of writes", 0.999, Unit::Percent),
            at_least("unused share borrowed", 0.95, Unit::Percent),
        ],
        run: b5,
        fails_unprotected: true,
        compares: false,
    },
];

fn share(guaranteed: f64, is_held: bool) -> Share {
    Share { guaranteed: Ratio::new(guaranteed).unwrap_or_default(), is_held }
}

/// Twenty upstreams at half load behind a gate each; unprotected, nothing bounds what one holds.
fn b1(seed: u64, protection: Protection) -> Vec<f64> {
    let routes = 20;
    let mut setup = Setup::usual(seed, 90.0, protection);
    setup.timeout = 30.0;
    setup.endpoints = vec![Endpoint::new(20, &[Time::Erlang2(0.05)]); routes];
    setup.upstreams = (0..routes).map(|route| route..route + 1).collect();
    setup.gates = protection.map(|rule| vec![GateSetup::new(rule); routes]).unwrap_or_default();
    // A tenth of all traffic goes to the route that will hang.
    let others = 0.3 * CAPACITY;
    let hung = others * (routes - 1) as f64 / 9.0;
    setup.streams = (0..routes)
        .map(|route| {
            let rate = if route == 0 { hung } else { others };
            let mut stream = Stream::steady(Class::Standard, rate);
            (stream.gate, stream.upstream) = (route, route);
            stream.patience = 30.0;
            stream
        })
        .collect();
    setup.endpoints[0].slots = 40;
    setup.changes = vec![(30.0, 0, Change::Behave(Behavior::Hang))];
    let first_limit = 20.0;
    let run = run(setup);
    let others: Vec<_> = (1..routes).collect();
    let before = run.latency(&others, (5.0, 30.0), 0.99);
    let after = run.latency(&others, (31.0, 60.0), 0.99);
    let held = run.hung_max.max(1) as f64;
    vec![after / before, run.success(&others, 30.0, 60.0), held / run.hung_limit.max(first_limit)]
}

fn b2(seed: u64, protection: Protection) -> Vec<f64> {
    let world = |slow_rate: f64| {
        let mut setup = Setup::usual(seed, 180.0, protection);
        setup.endpoints[0].services = vec![Time::Erlang2(0.5), Time::Erlang2(0.005)];
        let mut slow = Stream::steady(Class::Standard, slow_rate);
        slow.patience = 5.0;
        let mut fast = Stream::steady(Class::Standard, 200.0);
        (fast.service, fast.partition) = (1, 1);
        setup.streams = vec![slow, fast];
        if let Some(gate) = setup.gates.first_mut() {
            gate.settings.partitions = vec![share(0.0, false), share(0.3, true)];
            if let crate::rivals::Rule::Ours(settings) = &mut gate.rule {
                settings.kinds = 2;
            }
        }
        // The limit has to find out first what two kinds of calls take.
        run(setup).latency(&[1], (60.0, 180.0), 0.99)
    };
    vec![world(60.0) / world(0.0)]
}

fn b3(seed: u64, protection: Protection) -> Vec<f64> {
    let tenants = 50_u64;
    let each = 0.7 * CAPACITY / tenants as f64;
    let flooded = |floods: u64| {
        let mut setup = Setup::usual(seed, 80.0, protection);
        let mut others = Stream::steady(Class::Standard, each * (tenants - floods) as f64);
        others.users = floods..tenants;
        let ordinary = each * floods as f64;
        let mut flooding = Stream::steady(Class::Standard, ordinary);
        flooding.users = 0..floods;
        flooding.rate = vec![(0.0, ordinary), (20.0, 50.0 * ordinary)];
        setup.streams = vec![others, flooding];
        run(setup)
    };
    let (one, many) = (flooded(1), flooded(16));
    let before = one.latency(&[0], (3.0, 20.0), 0.99);
    vec![
        one.success(&[0], 20.0, 78.0),
        one.latency(&[0], (20.0, 78.0), 0.99) / before,
        many.success(&[0], 20.0, 78.0),
    ]
}

fn b4(seed: u64, protection: Protection) -> Vec<f64> {
    let mut setup = Setup::usual(seed, 60.0, protection);
    let mut pages = Stream::steady(Class::Standard, 2.0 * CAPACITY / 4.0);
    pages.page = 4;
    setup.streams = vec![pages];
    let run = run(setup);
    let (sent, whole) = run.lines[0].pages;
    vec![whole as f64 / sent.max(1) as f64]
}

fn b5(seed: u64, protection: Protection) -> Vec<f64> {
    let mut setup = Setup::usual(seed, 90.0, protection);
    // Both of one class, so that only the guarantee protects the writes.
    let mut writes = Stream::steady(Class::Bulk, 0.0);
    writes.partition = 1;
    writes.rate = vec![(0.0, 0.08 * CAPACITY), (60.0, 0.0)];
    let bulk = Stream::steady(Class::Bulk, 20.0 * CAPACITY);
    setup.streams = vec![writes, bulk];
    if let Some(gate) = setup.gates.first_mut() {
        gate.settings.partitions = vec![share(0.0, false), share(0.1, false)];
    }
    let run = run(setup);
    let idle = run.goodput(75.0, 88.0) / CAPACITY;
    vec![run.success(&[0], 5.0, 58.0), idle]
}
