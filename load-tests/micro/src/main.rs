//! Times each protective decision of the router one by one and counts what it allocates, and then
//! what a handler pays for being exactly once.
//!
//! Prints tables; exits with 1 when a bar is missed: for a decision p50 1 µs, p99 5 µs and no
//! allocation; for the decorator 10 µs and 50 µs more than bare work, for a replay 5 µs and 25 µs,
//! and no commit but the handler's own.

mod handler;

use std::{io::Write as _, num::NonZeroU32, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use headgate_router::overload::{
    adaptive::{self, Adaptive},
    breaker::{self, Breaker},
    concurrency::{Call, Gate, Permit, Settings, Waiter},
    deadline::Guard,
    instance::Instance,
    limit::End,
    priority::{self, Usage},
    rate::{Limiter, Rate},
    throttle::{self, Throttle},
    verdict::Verdict,
};
use headgate_types::{Class, Deadline, Moment};

#[expect(clippy::disallowed_types, reason = "the subject is real time, and nothing here is paused")]
type Stopwatch = std::time::Instant;

/// Decisions that are timed, after as many that warm up.
const DECISIONS: u64 = 500_000;
const P50_MAX: Duration = Duration::from_micros(1);
const P99_MAX: Duration = Duration::from_micros(5);

/// Nobody waits in this program.
#[derive(Debug)]
struct Nobody;

impl Waiter for Nobody {
    fn resolve(self, verdict: Verdict<Permit<Self>>) -> Option<Permit<Self>> {
        verdict.admitted()
    }
}

#[derive(Debug)]
struct Layers {
    instance: Instance,
    rate: Limiter,
    deadline: Guard,
    usage: Usage,
    gate: Arc<Gate<Nobody>>,
    throttle: Throttle,
    breaker: Breaker,
}

/// A request of the stream: every hundred microseconds one, of one of a thousand users.
fn moment(number: u64) -> Moment {
    Moment::from_nanos(1_000_000_000 + number * 100_000)
}

impl Layers {
    fn new() -> Result<Self> {
        let (Some(requests), Some(burst)) = (NonZeroU32::new(1000), NonZeroU32::new(1000)) else {
            bail!("a rate above zero");
        };
        let rate = Rate { requests, period: Duration::from_secs(1), burst };
        let Some(rate) = Limiter::new(rate) else { bail!("a rate with time between requests") };
        let limit = Adaptive::new(adaptive::Settings::default());
        Ok(Self {
            instance: Instance::default(),
            rate,
            deadline: Guard::default(),
            usage: Usage::default(),
            gate: Gate::new(Settings::default(), Box::new(limit)),
            throttle: Throttle::default(),
            breaker: Breaker::new(breaker::Settings::default()),
        })
    }

    fn admission(&self, number: u64) -> Option<(Permit<Nobody>, throttle::Pass)> {
        let (now, user) = (moment(number), number % 1000);
        let class = Class::ALL.get(usize::try_from(number % 4).unwrap_or(0))?;
        self.usage.ask(user, now);
        let priority = priority::level(*class, user, &self.usage, now);
        let deadline = Deadline::after(now, Duration::from_secs(1));
        let is_refused = self.instance.check(priority, number).is_some()
            || self.rate.check(user, now).is_some()
            || self.deadline.check(deadline, now, None, number).is_some();
        if is_refused {
            return None;
        }
        let pass = self.throttle.check(priority, now, number).admitted()?;
        let deadline = Some(deadline);
        let call = Call {
            priority,
            tenant: user,
            partition: 0,
            kind: 0,
            page: Some(number / 4),
            deadline,
            draw: number,
        };
        Some((self.gate.admit(&call, now).admitted()?, pass))
    }

    fn completion(&self, number: u64, admitted: Option<(Permit<Nobody>, throttle::Pass)>) {
        let now = moment(number) + Duration::from_millis(1);
        if let Ok(pass) = self.breaker.admit(now, number) {
            self.breaker.record(&pass, now, breaker::End::Success, true);
        }
        self.usage.charge(number % 1000, Duration::from_millis(1), now);
        if let Some((permit, pass)) = admitted {
            self.throttle.tried(pass, now);
            self.throttle.succeeded(pass, now);
            permit.finish(now, End::Success);
        }
    }
}

fn main() -> Result<()> {
    let layers = Layers::new()?;
    for number in 0..DECISIONS {
        let permit = layers.admission(number);
        layers.completion(number, permit);
    }
    let numbers = DECISIONS..2 * DECISIONS;
    let capacity = usize::try_from(DECISIONS)?;
    let (mut admissions, mut completions) =
        (Vec::with_capacity(capacity), Vec::with_capacity(capacity));
    let mut refused = 0;
    let allocations = allocation_counter::measure(|| {
        for number in numbers {
            let start = Stopwatch::now();
            let permit = layers.admission(number);
            let admitted = Stopwatch::now();
            refused += u32::from(permit.is_none());
            layers.completion(number, permit);
            admissions.push(admitted.duration_since(start));
            completions.push(admitted.elapsed());
        }
    });
    let mut out = std::io::stdout();
    writeln!(out, "decision    p50        p99        max")?;
    let admission = print(&mut out, "admission", &mut admissions)?;
    print(&mut out, "completion", &mut completions)?;
    writeln!(
        out,
        "allocations {} in {DECISIONS} requests, {refused} refused",
        allocations.count_total
    )?;
    let (p50, p99) = admission;
    if p50 > P50_MAX || p99 > P99_MAX || allocations.count_total > 0 || refused > 0 {
        bail!("a bar is missed: p50 {P50_MAX:?}, p99 {P99_MAX:?}, no allocation, none refused");
    }
    handler::run(&mut out)
}

/// Prints a row, and gives p50 and p99.
fn print(
    out: &mut impl std::io::Write,
    name: &str,
    times: &mut [Duration],
) -> Result<(Duration, Duration)> {
    times.sort_unstable();
    let quantile = |percent: usize| {
        let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(index).copied().unwrap_or_default()
    };
    let (p50, p99, max) = (quantile(50), quantile(99), quantile(100));
    writeln!(out, "{name:<11} {p50:<10?} {p99:<10?} {max:?}")?;
    Ok((p50, p99))
}
