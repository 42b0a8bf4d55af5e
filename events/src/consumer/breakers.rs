//! What handlers need besides the event, and whether it is up.

use std::{collections::BTreeMap, time::Duration};

use headgate_router::overload::breaker::{Breaker, End, Pass, Settings, State};
use headgate_types::Moment;

/// Dependencies that are told apart; what comes after shares one name.
const NAMES_MAX: usize = 64;
const OTHER: &str = "_other";

/// What is open is tried again soon: events wait, and nobody is refused meanwhile.
const OPEN_FOR: Duration = Duration::from_millis(250);
const OPEN_FOR_MAX: Duration = Duration::from_secs(1);

/// A breaker for each dependency that has been down.
#[derive(Debug)]
pub(super) struct Breakers {
    breakers: BTreeMap<String, Breaker>,
    settings: Settings,
}

/// The right to begin one piece of work.
#[derive(Debug, Default)]
pub(super) struct Passes(Vec<(String, Pass)>);

impl Breakers {
    /// A probe counts as failed when it takes longer than a handler may.
    pub(super) fn new(timeout: Duration) -> Self {
        let settings = Settings {
            // Who says that a dependency is down has tried it.
            consecutive_failures: 1,
            open_for: OPEN_FOR,
            open_for_max: OPEN_FOR_MAX,
            probe_timeout: timeout,
            ..Settings::default()
        };
        Self { breakers: BTreeMap::new(), settings }
    }

    /// Lets a piece of work begin when everything it may need is up, as far as is known.
    pub(super) fn admit(&self, now: Moment, random: u64) -> Option<Passes> {
        let mut passes = Passes::default();
        for (name, breaker) in &self.breakers {
            // The concurrency limit is gentle enough with what has come back.
            if matches!(breaker.state(now), State::Closed | State::Ramp) {
                continue;
            }
            let Ok(pass) = breaker.admit(now, random) else {
                self.give_back(passes);
                return None;
            };
            passes.0.push((name.clone(), pass));
        }
        Some(passes)
    }

    /// The work ended without a word about what it needs.
    pub(super) fn give_back(&self, passes: Passes) {
        for (name, pass) in passes.0 {
            if let Some(breaker) = self.breakers.get(&name) {
                breaker.give_back(&pass);
            }
        }
    }

    /// The work was done with all that it needs.
    pub(super) fn up(&self, passes: Passes, now: Moment) {
        for (name, pass) in passes.0 {
            if let Some(breaker) = self.breakers.get(&name) {
                breaker.record(&pass, now, End::Success, true);
            }
        }
    }

    /// Something that the work needs is down. True: that is news.
    pub(super) fn down(&mut self, passes: Passes, name: &str, now: Moment) -> bool {
        let is_known = self.breakers.contains_key(name);
        let name = if is_known || self.breakers.len() < NAMES_MAX { name } else { OTHER };
        let mut probed = false;
        for (other, pass) in passes.0 {
            let Some(breaker) = self.breakers.get(&other) else { continue };
            if other == name {
                breaker.record(&pass, now, End::Failure, true);
                probed = true;
            } else {
                breaker.give_back(&pass);
            }
        }
        let settings = self.settings;
        let entry = self.breakers.entry(name.to_owned());
        let breaker = entry.or_insert_with(|| Breaker::new(settings));
        let was_up = breaker.state(now) == State::Closed;
        if !probed {
            breaker.trip(now);
        }
        !is_known || was_up
    }

    /// What is down. None: nothing.
    pub(super) fn is_down(&self, now: Moment) -> Option<&str> {
        let is_down =
            |breaker: &Breaker| matches!(breaker.state(now), State::Open | State::HalfOpen);
        self.breakers.iter().find(|(_, breaker)| is_down(breaker)).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests;
