//! To observe is to count, request by request, what enforcing would do with the same arrivals. One
//! test for each layer; that of the concurrency gate, whose waits need more, stands beside it.

use std::{num::NonZeroU32, time::Duration};

use headgate_router::{
    overload::{
        breaker::{self, Breaker},
        deadline::Guard,
        instance::{Instance, Signals},
        mode::{Counts, Mode, Switch},
        outlier::Endpoints,
        rate::{Limiter, Rate},
        throttle::Throttle,
        verdict::Verdict,
    },
    retry::Budget,
};
use headgate_types::{Class, Deadline, Moment, Priority, Ratio};

/// Requests of a run, and milliseconds between them.
const REQUESTS: u64 = 4_000;
const GAP: u64 = 10;

/// What a layer is for this test: its switch, and what happens at a request.
trait Layer {
    fn switch(&self) -> &Switch;
    /// Whether the request was refused. What follows from it is the same in both runs.
    fn request(&self, turn: u64, now: Moment) -> bool;
}

/// The counts after each request; whether a request was refused agrees with them.
fn history(layer: &impl Layer, mode: Mode) -> Vec<Counts> {
    layer.switch().set(mode);
    let history = (0..REQUESTS).map(|turn| {
        let before = layer.switch().counts().refused;
        let is_refused = layer.request(turn, Duration::from_millis(1_000 + GAP * turn).into());
        let counts = layer.switch().counts();
        assert_eq!(counts.refused - before, u64::from(is_refused), "request {turn}");
        counts
    });
    history.collect()
}

#[track_caller]
fn check<L: Layer>(make: impl Fn() -> L) {
    let enforced = history(&make(), Mode::Enforce(Ratio::new(1.0).unwrap_or_default()));
    let observed = history(&make(), Mode::Observe);
    let differs = enforced.iter().zip(&observed).position(|(enforced, observed)| {
        (observed.would_refuse, observed.refused) != (enforced.refused, 0)
    });
    assert_eq!(differs, None, "the first request that observing decides otherwise");
    let refused = enforced.last().map_or(0, |counts| counts.refused);
    assert!((20..REQUESTS - 20).contains(&refused), "{refused} refused proves little");
}

/// A number from 0 to 99 that belongs to a request.
fn lot(turn: u64) -> u64 {
    (turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % 100
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// Two seconds in five fail.
fn fails(turn: u64) -> bool {
    turn / 200 % 5 >= 3
}

struct Edge(Instance);

impl Layer for Edge {
    fn switch(&self) -> &Switch {
        self.0.switch()
    }

    fn request(&self, turn: u64, now: Moment) -> bool {
        if turn.is_multiple_of(25) {
            let lag = if fails(turn) { 30 } else { 1 };
            let signals = Signals {
                scheduler_lag: Duration::from_millis(lag),
                cpu: 0.9,
                in_flight: 20,
                completed: 20,
                arrived: 25,
                rtt: Duration::from_millis(20),
            };
            self.0.report(&signals, now);
        }
        let class = Class::ALL.get(index(turn % 4)).copied().unwrap_or(Class::Bulk);
        let level = u8::try_from(turn % 127).unwrap_or(0);
        self.0.check(Priority::new(class, level), turn).is_some()
    }
}

#[test]
fn an_overloaded_edge() {
    check(|| Edge(Instance::default()));
}

struct Rates(Limiter);

impl Layer for Rates {
    fn switch(&self) -> &Switch {
        self.0.switch()
    }

    fn request(&self, turn: u64, now: Moment) -> bool {
        self.0.check(turn % 7 % 3, now).is_some()
    }
}

#[test]
fn a_rate() {
    check(|| {
        let (requests, burst) = (NonZeroU32::new(30).unwrap(), NonZeroU32::new(5).unwrap());
        Rates(Limiter::new(Rate { requests, period: Duration::from_secs(1), burst }).unwrap())
    });
}

struct Deadlines(Guard);

impl Layer for Deadlines {
    fn switch(&self) -> &Switch {
        self.0.switch()
    }

    fn request(&self, turn: u64, now: Moment) -> bool {
        let deadline = Deadline::after(now, Duration::from_millis(lot(turn)));
        self.0.check(deadline, now, Some(Duration::from_millis(80)), turn).is_some()
    }
}

#[test]
fn a_deadline() {
    check(|| Deadlines(Guard::default()));
}

struct Failing(Throttle);

impl Layer for Failing {
    fn switch(&self) -> &Switch {
        self.0.switch()
    }

    fn request(&self, turn: u64, now: Moment) -> bool {
        match self.0.check(Priority::from(Class::Bulk), now, turn) {
            Verdict::Admitted(pass) => {
                self.0.tried(pass, now);
                if !fails(turn) {
                    self.0.succeeded(pass, now);
                }
                false
            }
            Verdict::Refused(_) => true,
        }
    }
}

#[test]
fn a_failing_route() {
    check(|| Failing(Throttle::default()));
}

struct Endpoint(Breaker);

impl Layer for Endpoint {
    fn switch(&self) -> &Switch {
        self.0.switch()
    }

    fn request(&self, turn: u64, now: Moment) -> bool {
        let Ok(pass) = self.0.admit(now, turn) else { return true };
        let end = if fails(turn) { breaker::End::Failure } else { breaker::End::Success };
        self.0.record(&pass, now, end, true);
        false
    }
}

#[test]
fn a_breaker() {
    check(|| Endpoint(Breaker::new(breaker::Settings::default())));
}

struct Set(Endpoints);

impl Layer for Set {
    fn switch(&self) -> &Switch {
        self.0.switch()
    }

    /// Each endpoint in turn; the last fails a seventh of its calls, which only a comparison finds.
    fn request(&self, turn: u64, now: Moment) -> bool {
        let endpoint = index(turn % 5);
        let Ok(pass) = self.0.admit(endpoint, now, turn) else { return true };
        let is_bad =
            (endpoint == 4 && (turn / 5).is_multiple_of(7)) || (endpoint == 1 && fails(turn));
        let end = if is_bad { breaker::End::Failure } else { breaker::End::Success };
        self.0.record(endpoint, pass.as_ref(), now, end);
        false
    }
}

#[test]
fn outliers_among_endpoints() {
    check(|| Set(Endpoints::new(5, breaker::Settings::default())));
}

struct Retries(Budget);

impl Layer for Retries {
    fn switch(&self) -> &Switch {
        self.0.switch()
    }

    /// A request that fails asks for one retry, whose success pays for nothing.
    fn request(&self, turn: u64, now: Moment) -> bool {
        if !fails(turn) {
            self.0.deposit(now);
            return false;
        }
        !self.0.charge(now, turn)
    }
}

#[test]
fn a_retry_budget() {
    check(|| Retries(Budget::new(Ratio::new(0.1).unwrap_or_default(), Moment::ZERO)));
}
