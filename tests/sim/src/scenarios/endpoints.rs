//! C: retries. D: endpoints that fail, slow down, hang or refuse.

use std::time::Duration;

use headgate_router::overload::breaker::{Breaker, End, Settings, State};
use headgate_types::{Class, Moment};

use super::{CAPACITY, Protection, Scenario, Unit, at_least, at_most, recovery};
use crate::{
    figures::{Run, slice},
    traffic::Stream,
    upstream::{Behavior, Change, Endpoint, Time},
    world::{Retries, Setup, run},
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        id: "C1",
        title: "upstream stalls for 10 s while clients retry 3 times at once",
        measures: &[
            at_most("calls over requests", 1.10, Unit::Times),
            at_most("95 % of before in", 5.0, Unit::Seconds),
            at_least("goodput over the minute after, over before", 0.95, Unit::Percent),
        ],
        run: c1,
        fails_unprotected: true,
        compares: false,
    },
    Scenario {
        id: "C2",
        title: "upstream fails 5, 50 and 100 % of calls",
        measures: &[
            at_least("success at 5 %", 0.995, Unit::Percent),
            at_most("extra calls at 5 %", 0.055, Unit::Percent),
            at_most("extra calls at 50 %", 0.06, Unit::Percent),
            at_most("extra calls at 100 %", 0.02, Unit::Percent),
        ],
        run: c2,
        fails_unprotected: true,
        compares: false,
    },
    Scenario {
        id: "C3",
        title: "1000 requests fail at one instant",
        measures: &[at_most("retries scheduled beyond what was saved", 3.0, Unit::Count)],
        run: c3,
        fails_unprotected: true,
        compares: false,
    },
    Scenario {
        id: "D1",
        title: "1 of 5 endpoints answers 500 in 1 ms",
        measures: &[
            at_most("its share of calls after 1 s", 0.01, Unit::Percent),
            at_least("success", 0.999, Unit::Percent),
        ],
        run: d1,
        fails_unprotected: true,
        compares: false,
    },
    Scenario {
        id: "D2",
        title: "1 of 5 endpoints is 10 times as slow",
        measures: &[
            at_most("p99 over healthy", 1.3, Unit::Times),
            at_least("success", 0.999, Unit::Percent),
        ],
        run: d2,
        fails_unprotected: true,
        compares: false,
    },
    Scenario {
        id: "D3",
        title: "a probe never returns",
        measures: &[at_most("leaves half-open after", 2.0, Unit::Seconds)],
        run: d3,
        fails_unprotected: true,
        compares: false,
    },
    Scenario {
        id: "D4",
        title: "all endpoints fail for 3 s, then work",
        measures: &[
            at_least("fewest endpoints that were asked", 1.0, Unit::Count),
            at_most("probes per second and endpoint", 3.0, Unit::Count),
            at_most("95 % of before in", 3.0, Unit::Seconds),
            at_most("most calls at a returning endpoint, over its slots", 2.0, Unit::Times),
        ],
        run: d4,
        // What is tested is that protection does no harm.
        fails_unprotected: false,
        compares: false,
    },
    Scenario {
        id: "D5",
        title: "1 of 5 endpoints answers 429 to half of its calls",
        measures: &[at_least("its share falls by", 0.8, Unit::Percent)],
        run: d5,
        fails_unprotected: true,
        compares: false,
    },
];

/// Five endpoints of 4 slots: together the usual upstream.
fn five(seed: u64, seconds: f64, protection: Protection, load: f64) -> Setup {
    let mut setup = Setup::usual(seed, seconds, protection);
    setup.endpoints = vec![Endpoint::new(4, &[Time::Erlang2(0.05)]); 5];
    setup.balances = protection.is_some();
    setup.retries = if protection.is_some() { Retries::Budgeted } else { Retries::None };
    setup.streams = Stream::mix(&[(0.0, load * CAPACITY)]);
    setup
}

fn c1(seed: u64, protection: Protection) -> Vec<f64> {
    let (from, to, end) = (20.0, 30.0, 100.0);
    let mut setup = Setup::usual(seed, end, protection);
    setup.retries = if protection.is_some() { Retries::Budgeted } else { Retries::Unlimited };
    setup.streams = Stream::mix(&[(0.0, 0.7 * CAPACITY)]);
    for stream in &mut setup.streams {
        stream.retries = 3;
    }
    setup.changes = vec![(from, 0, Change::Slots(0)), (to, 0, Change::Slots(20))];
    let run = run(setup);
    let before = run.goodput(5.0, from);
    let recovered = recovery(&run, to, end, 0.95 * before);
    vec![amplification(&run, 0.0, end), recovered, run.goodput(to + 5.0, to + 65.0) / before]
}

fn amplification(run: &Run, from: f64, to: f64) -> f64 {
    let sum = |bins: &[u32]| f64::from(slice(bins, from, to).iter().sum::<u32>());
    let first = sum(&run.first_attempts);
    (first + sum(&run.retries)) / first.max(1.0)
}

fn c2(seed: u64, protection: Protection) -> Vec<f64> {
    let failing = |share: f64| {
        let mut setup = five(seed, 70.0, protection, 0.8);
        if protection.is_none() {
            setup.retries = Retries::Unlimited;
        }
        for endpoint in 0..5 {
            setup.changes.push((10.0, endpoint, Change::Behave(Behavior::Fail(share))));
        }
        run(setup)
    };
    let runs = [0.05, 0.5, 1.0].map(failing);
    let extra = |run: &Run| amplification(run, 15.0, 65.0) - 1.0;
    vec![
        runs[0].success(&runs[0].all(), 15.0, 65.0),
        extra(&runs[0]),
        extra(&runs[1]),
        extra(&runs[2]),
    ]
}

/// A thousand requests are in flight and fail together.
fn c3(seed: u64, protection: Protection) -> Vec<f64> {
    let mut setup = Setup::usual(seed, 10.0, protection);
    setup.endpoints[0] = Endpoint::new(5000, &[Time::Fixed(1.0)]);
    setup.endpoints[0].behavior = Behavior::Fail(1.0);
    setup.gates.clear();
    setup.balances = protection.is_some();
    setup.retries = if protection.is_some() { Retries::Budgeted } else { Retries::Unlimited };
    let mut burst = Stream::steady(Class::Standard, 0.0);
    burst.rate = vec![(5.0, 1e9), (5.000_001, 0.0)];
    setup.streams = vec![burst];
    let run = run(setup);
    let retries: u32 = run.retries.iter().sum();
    vec![f64::from(retries)]
}

fn share_of_first(run: &Run, from: f64, to: f64) -> f64 {
    let sums: Vec<u32> = run.calls.iter().map(|bins| slice(bins, from, to).iter().sum()).collect();
    f64::from(sums[0]) / f64::from(sums.iter().sum::<u32>().max(1))
}

fn d1(seed: u64, protection: Protection) -> Vec<f64> {
    let mut setup = five(seed, 80.0, protection, 0.6);
    setup.changes = vec![(20.0, 0, Change::Behave(Behavior::FailFast))];
    let run = run(setup);
    vec![share_of_first(&run, 21.0, 78.0), run.success(&run.all(), 20.0, 78.0)]
}

fn d2(seed: u64, protection: Protection) -> Vec<f64> {
    let mut setup = five(seed, 80.0, protection, 0.5);
    setup.changes = vec![(20.0, 0, Change::Slower(10.0))];
    let run = run(setup);
    let healthy = run.latency(&run.all(), (5.0, 20.0), 0.99);
    let p99 = run.latency(&run.all(), (22.0, 78.0), 0.99);
    vec![p99 / healthy, run.success(&run.all(), 22.0, 78.0)]
}

/// A hundred breakers whose probes get no answer, asked every ten milliseconds; the longest time
/// for which one stays half-open. Unprotected: a breaker that waits for its probes, as the default
/// of resilience4j does.
fn d3(seed: u64, protection: Protection) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(seed);
    let longest = (0..100).map(|_| {
        let breaker = Breaker::new(Settings {
            probe_timeout: if protection.is_some() { PROBE_TIMEOUT } else { Duration::MAX },
            ..Settings::default()
        });
        let mut half_open = 0.0_f64;
        let mut now = Moment::from(Duration::from_micros(random.u64(..1_000_000)));
        for _ in 0..1_000 {
            let is_closed = breaker.state(now) == State::Closed;
            if let Ok(pass) = breaker.admit(now, random.u64(..))
                && is_closed
            {
                breaker.record(&pass, now, End::Failure, true);
            }
            if breaker.state(now) == State::HalfOpen {
                half_open += 0.01;
            } else if half_open > 0.0 {
                break;
            }
            now = now + Duration::from_millis(10);
        }
        half_open
    });
    vec![longest.fold(0.0, f64::max)]
}

const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

fn d4(seed: u64, protection: Protection) -> Vec<f64> {
    let (from, to, end) = (20.0, 23.0, 50.0);
    let mut setup = five(seed, end, protection, 0.5);
    for endpoint in 0..5 {
        setup.changes.push((from, endpoint, Change::Behave(Behavior::FailFast)));
        setup.changes.push((to, endpoint, Change::Behave(Behavior::Serve)));
    }
    let run = run(setup);
    let before = run.goodput(5.0, from);
    let asked = run.calls.iter().filter(|bins| slice(bins, 22.0, to).iter().sum::<u32>() > 20);
    let most = run.at_endpoint_max.iter().copied().max().unwrap_or(0);
    vec![
        asked.count() as f64,
        run.probes_per_second,
        recovery(&run, to, end, 0.95 * before),
        most as f64 / 4.0,
    ]
}

fn d5(seed: u64, protection: Protection) -> Vec<f64> {
    let mut setup = five(seed, 80.0, protection, 0.5);
    setup.changes = vec![(20.0, 0, Change::Behave(Behavior::Refuse(0.5)))];
    let run = run(setup);
    let before = share_of_first(&run, 5.0, 20.0);
    vec![1.0 - share_of_first(&run, 21.0, 78.0) / before]
}
