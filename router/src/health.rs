//! Which endpoints may be asked: what checks say of each, which a person has drained, and how far
//! one that is new or has come back is warmed up.
//!
//! Breakers judge by calls; this judges before any call is made.

use std::{num::NonZeroU32, time::Duration};

use headgate_types::Moment;

/// Endpoints of one upstream.
pub const ENDPOINTS_MAX: usize = 256;
const WORDS: usize = ENDPOINTS_MAX / 64;

/// The least share of its calls that an endpoint gets while it warms up: with none at all it would
/// never be warm.
const SHARE_MIN: f64 = 0.1;

/// How many checks in a row decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Successes after which an unhealthy endpoint is healthy.
    pub healthy_after: NonZeroU32,
    /// Failures after which a healthy endpoint is unhealthy.
    pub unhealthy_after: NonZeroU32,
}

/// What checks have said of one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    state: State,
    /// Checks in a row that said the contrary.
    contrary: u32,
}

/// An endpoint as checks see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// No check has ended. It is asked: most endpoints are well, and a check needs time.
    #[default]
    Unchecked,
    /// It may be asked.
    Healthy,
    /// It is asked only if no endpoint is better.
    Unhealthy,
}

impl State {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl Health {
    /// How it stands.
    pub const fn state(self) -> State {
        self.state
    }

    /// Takes in how a check ended. The first one decides alone; after that, it takes as many in a
    /// row as the thresholds say.
    #[must_use]
    pub fn checked(self, is_good: bool, thresholds: Thresholds) -> Self {
        let (state, needed) = if is_good {
            (State::Healthy, thresholds.healthy_after)
        } else {
            (State::Unhealthy, thresholds.unhealthy_after)
        };
        if self.state == state {
            return Self { state, contrary: 0 };
        }
        let contrary = self.contrary + 1;
        if self.state == State::Unchecked || contrary >= needed.get() {
            return Self { state, contrary: 0 };
        }
        Self { contrary, ..self }
    }
}

/// An endpoint as a choice sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Whether a person has drained it.
    pub is_drained: bool,
    /// Whether checks say that it is unhealthy.
    pub is_unhealthy: bool,
    /// The share of its calls that it gets; 1 once it is warm.
    pub share: f64,
}

/// The share of its calls that an endpoint gets which may be asked since a moment, growing evenly
/// over the time of its slow start.
pub fn share(since: Moment, now: Moment, slow_start: Duration) -> f64 {
    let age = now.since(since);
    if age >= slow_start {
        return 1.0;
    }
    (age.as_secs_f64() / slow_start.as_secs_f64()).max(SHARE_MIN)
}

/// Endpoints by their positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Set([u64; WORDS]);

impl Set {
    /// Whether a position is in it. None is from [`ENDPOINTS_MAX`] on.
    pub fn has(&self, position: usize) -> bool {
        self.0.get(position / 64).is_some_and(|word| word >> (position % 64) & 1 == 1)
    }

    fn insert(&mut self, position: usize) {
        if let Some(word) = self.0.get_mut(position / 64) {
            *word |= 1 << (position % 64);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

/// The endpoints that may be asked, of the first [`ENDPOINTS_MAX`].
///
/// Drained ones never. Of the others the healthy ones; all of them where none is healthy, since
/// checks that fail everywhere say more about the checks. Of these the warm ones and those whose
/// share is above the draw; all of them where there is none. `random` must be drawn evenly from all
/// of `u64`, and not be the one that the balancer draws by.
pub fn fit(standings: impl Iterator<Item = Standing> + Clone, random: u64) -> Set {
    let draw = (random >> 11) as f64 / (1_u64 << 53) as f64;
    let warm = those(standings.clone(), |one| !one.is_unhealthy && one.share > draw);
    if !warm.is_empty() {
        return warm;
    }
    let healthy = those(standings.clone(), |one| !one.is_unhealthy);
    if healthy.is_empty() { those(standings, |_| true) } else { healthy }
}

/// Those that are not drained and such.
fn those(standings: impl Iterator<Item = Standing>, is_such: impl Fn(&Standing) -> bool) -> Set {
    let mut set = Set::default();
    for (position, standing) in standings.enumerate() {
        if !standing.is_drained && is_such(&standing) {
            set.insert(position);
        }
    }
    set
}

#[cfg(test)]
mod tests;
