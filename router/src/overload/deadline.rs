//! Whether the time left is worth starting.

use std::time::Duration;

use headgate_types::{Deadline, Moment};

use super::{
    mode::Switch,
    verdict::{Layer, Reason, Refusal},
};

/// Share of a typical call's time below which nothing is started.
const SHARE: f64 = 0.6;

/// Refuses when less than 0.6 of a typical call's time is left: most such calls would end after
/// the client has gone, and their work would be lost (Finagle's `DeadlineFilter` refuses expired
/// requests only). To be asked on arrival, before and after the queue, and before each attempt.
pub fn check(deadline: Deadline, now: Moment, typical: Option<Duration>) -> Option<Refusal> {
    let left = deadline.remaining(now).unwrap_or_default();
    let needed = typical.unwrap_or_default().mul_f64(SHARE);
    (left.is_zero() || left < needed).then(|| {
        let (left, needed) = (left.as_secs_f64(), needed.as_secs_f64());
        Refusal::new(Layer::Deadline, Reason::DeadlineTooClose, left, needed)
    })
}

/// The same with a mode and counts.
#[derive(Debug, Default)]
pub struct Guard {
    switch: Switch,
}

impl Guard {
    /// Refuses as [`check`] does; `draw` is any number that belongs to the request, for partial
    /// enforcement.
    pub fn check(
        &self,
        deadline: Deadline,
        now: Moment,
        typical: Option<Duration>,
        draw: u64,
    ) -> Option<Refusal> {
        if !self.switch.is_on() {
            return None;
        }
        self.switch.settle(check(deadline, now, typical), draw)
    }

    /// Its mode and counts.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }
}

#[cfg(test)]
mod tests;
