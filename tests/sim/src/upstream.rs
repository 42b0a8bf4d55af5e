//! What answers: endpoints with slots, a queue without a bound, and ways to go wrong.

use std::collections::VecDeque;

/// How long a call takes when nothing else runs, in seconds.
#[derive(Clone, Copy, Debug)]
pub enum Time {
    /// Sum of two exponentials: the shape of a call with two steps.
    Erlang2(f64),
    /// Lognormal: mean, and sigma of the logarithm.
    Lognormal(f64, f64),
    /// Always the same.
    Fixed(f64),
}

impl Time {
    /// Draws one.
    pub fn draw(self, random: &mut fastrand::Rng) -> f64 {
        match self {
            Self::Erlang2(mean) => {
                let product = (1.0 - random.f64()) * (1.0 - random.f64());
                -product.ln() * mean / 2.0
            }
            Self::Lognormal(mean, sigma) => {
                let angle = (std::f64::consts::TAU * random.f64()).cos();
                let normal = (-2.0 * (1.0 - random.f64()).ln()).sqrt() * angle;
                mean * (sigma * normal - sigma * sigma / 2.0).exp()
            }
            Self::Fixed(seconds) => seconds,
        }
    }
}

/// What an endpoint does to a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Behavior {
    /// Serves it.
    Serve,
    /// Serves it, and fails that share with a 500.
    Fail(f64),
    /// Answers 500 in a millisecond.
    FailFast,
    /// Answers 429 in a millisecond for that share.
    Refuse(f64),
    /// Never answers.
    Hang,
}

/// A change that befalls an upstream.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// Other slots.
    Slots(usize),
    /// Service times that many times as long.
    Slower(f64),
    /// Another behavior.
    Behave(Behavior),
}

/// One address of an upstream.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Calls worked on at once.
    pub slots: usize,
    /// The time of each kind of service.
    pub services: Vec<Time>,
    /// Where calls beyond the slots do not wait: all run at once, each longer by how many times the
    /// slots they are, to this power.
    pub crowding: Option<f64>,
    /// How it behaves.
    pub behavior: Behavior,
    pub(crate) slower: f64,
    pub(crate) busy: usize,
    pub(crate) waiting: VecDeque<usize>,
}

/// How a call ends at the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 2xx.
    Ok,
    /// 500.
    Failed,
    /// 429.
    Refused,
}

impl Endpoint {
    /// An endpoint that serves.
    pub fn new(slots: usize, services: &[Time]) -> Self {
        Self {
            slots,
            services: services.to_vec(),
            crowding: None,
            behavior: Behavior::Serve,
            slower: 1.0,
            busy: 0,
            waiting: VecDeque::new(),
        }
    }

    pub(crate) fn change(&mut self, change: Change) {
        match change {
            Change::Slots(slots) => self.slots = slots,
            Change::Slower(times) => self.slower = times,
            Change::Behave(behavior) => self.behavior = behavior,
        }
    }

    pub(crate) fn draw(&self, service: usize, random: &mut fastrand::Rng) -> f64 {
        let alone = self.services.get(service).map_or(0.0, |time| time.draw(random));
        let times = (self.busy as f64 / self.slots.max(1) as f64).max(1.0);
        alone * self.slower * times.powf(self.crowding.unwrap_or(0.0))
    }

    pub(crate) fn is_full(&self) -> bool {
        self.crowding.is_none() && self.busy >= self.slots
    }
}
