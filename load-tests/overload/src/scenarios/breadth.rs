//! B: one route, one tenant or one kind of work must not harm the others.

use anyhow::Result;
use headgate_sim::{
    figures::Run,
    scenarios::CAPACITY,
    upstream::{Behavior, Change, Endpoint, Time},
};
use headgate_types::Class;

use super::Scenario;
use crate::lab::{Lab, Setup, USUAL};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::shared("B1", b1, true)
        .titled("one of 20 routes hangs forever; 2 ms more count as 1.1x"),
    Scenario::shared("B2", b2, true).titled(
        "calls of 500 ms and of 5 ms on one upstream, the slow ones at 1.5 of its capacity and \
         with a limit of their own",
    ),
    Scenario::shared("B3", b3, true),
    Scenario::shared("B4", b4, true),
    Scenario::shared("B5", b5, true)
        .titled("critical writes at 8 % of the capacity, bulk at 10 times the capacity"),
];

/// What counts as no harm in any case.
const NO_HARM_SECONDS: f64 = 0.002;

fn b1(lab: &Lab) -> Result<Vec<f64>> {
    let (routes, first_limit) = (20, 20.0);
    let (from, end) = (8.0, 9.0 + lab.time(12.0, 7.0));
    let mut setup = lab.usual(end);
    setup.timeout_seconds = 30.0;
    setup.endpoints = vec![Endpoint::new(20, &[USUAL]); routes];
    setup.upstreams = (0..routes).map(|route| route..route + 1).collect();
    // A tenth of all traffic goes to the route that will hang.
    let others = 0.12 * CAPACITY;
    let hung = others * (routes - 1) as f64 / 9.0;
    setup.streams = (0..routes)
        .map(|route| {
            let mut stream = Setup::steady(Class::Standard, if route == 0 { hung } else { others });
            stream.upstream = route;
            stream.patience = 30.0;
            stream
        })
        .collect();
    setup.changes = vec![(from, 0, Change::Behave(Behavior::Hang))];
    let run = lab.run(setup)?;
    let others: Vec<_> = (1..routes).collect();
    let before = run.latency(&others, (1.0, from), 0.99);
    let after = run.latency(&others, (from + 1.0, end), 0.99);
    let ratio = after / before;
    let ratio = if after - before <= NO_HARM_SECONDS { ratio.min(1.1) } else { ratio };
    let held = run.at_endpoint_max.first().copied().unwrap_or_default();
    Ok(vec![
        ratio,
        run.success(&others, from, end),
        held as f64 / limit_of(&run, from, first_limit),
    ])
}

/// The largest limit of the first upstream from then on, or its first one.
fn limit_of(run: &Run, from: f64, first: f64) -> f64 {
    let (_, _, most) = run.limit(from, f64::INFINITY);
    most.max(first)
}

fn b2(lab: &Lab) -> Result<Vec<f64>> {
    let (from, end) = (5.0, 5.0 + lab.time(12.0, 6.0));
    let mut p99s = Vec::new();
    for slow_rate in [60.0, 0.0] {
        let mut setup = lab.usual(end);
        setup.endpoints = vec![Endpoint::new(20, &[Time::Erlang2(0.5), Time::Erlang2(0.005)])];
        let mut slow = Setup::steady(Class::Standard, slow_rate);
        slow.patience = 5.0;
        let mut fast = Setup::steady(Class::Standard, 200.0);
        fast.service = 1;
        setup.streams = vec![slow, fast];
        setup.team = SLOW_ROUTE.replace("MODE", if lab.protects { "enforce" } else { "off" });
        p99s.push(lab.run(setup)?.latency(&[1], (from, end), 0.99));
    }
    let [mixed, alone] = p99s.as_slice() else { return Ok(vec![f64::INFINITY]) };
    Ok(vec![mixed / alone])
}

/// The more exact path wins, so this is where the slow calls go.
const SLOW_ROUTE: &str = "[route.slow]\nmatch = \"GET /load/r0/0\"\nto = \"u0\"\n\
    priority = \"critical\"\nretry = { max = 0, on = [] }\n\
    concurrency = { mode = \"MODE\", initial = 12, max = 14 }\n";

fn b3(lab: &Lab) -> Result<Vec<f64>> {
    let tenants = 50_u32;
    let each = 0.7 * CAPACITY / f64::from(tenants);
    let (from, end) = (6.0, 6.0 + lab.time(12.0, 6.0));
    let flooded = |floods: u32| {
        let mut setup = lab.usual(end);
        let mut others = Setup::steady(Class::Standard, each * f64::from(tenants - floods));
        others.users = floods.into()..tenants.into();
        let ordinary = each * f64::from(floods);
        let mut flooding = Setup::steady(Class::Standard, ordinary);
        flooding.users = 0..floods.into();
        flooding.rate = vec![(0.0, ordinary), (from, 50.0 * ordinary)];
        setup.streams = vec![others, flooding];
        lab.run(setup)
    };
    let (one, many) = (flooded(1)?, flooded(16)?);
    let before = one.latency(&[0], (1.0, from), 0.99);
    Ok(vec![
        one.success(&[0], from, end),
        one.latency(&[0], (from, end), 0.99) / before,
        many.success(&[0], from, end),
    ])
}

fn b4(lab: &Lab) -> Result<Vec<f64>> {
    let mut setup = lab.usual(lab.time(12.0, 7.0));
    let mut pages = Setup::steady(Class::Standard, 2.0 * CAPACITY / 4.0);
    pages.page = 4;
    // A page's calls come from one address, each on a connection of its own.
    pages.users = 0..200;
    setup.streams = vec![pages];
    let run = lab.run(setup)?;
    let (sent, whole) = run.lines.first().map(|line| line.pages).unwrap_or_default();
    Ok(vec![whole as f64 / sent.max(1) as f64])
}

fn b5(lab: &Lab) -> Result<Vec<f64>> {
    let (until, end) = (2.0 + lab.time(8.0, 4.0), 5.0 + lab.time(12.0, 7.0));
    let mut setup = lab.usual(end);
    let mut writes = Setup::steady(Class::Critical, 0.0);
    writes.rate = vec![(0.0, 0.08 * CAPACITY), (until, 0.0)];
    setup.streams = vec![writes, Setup::steady(Class::Bulk, 10.0 * CAPACITY)];
    let run = lab.run(setup)?;
    let idle = run.goodput(until + 2.0, end) / CAPACITY;
    Ok(vec![run.success(&[0], 2.0, until), idle])
}
