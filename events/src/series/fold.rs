//! How series stand, after all that was said of them.

use std::collections::{HashMap, VecDeque};

use headgate_types::{TraceId, UnixTime};

use super::{SeriesAction, SeriesControl};
use crate::Actor;

/// Series that are remembered; of more, those that were spoken of first are forgotten.
const SERIES_MAX: usize = 100_000;

/// What is said: of which series, what, by whom, when.
type Said = (TraceId, SeriesAction, Actor, UnixTime);

#[derive(Debug, Default)]
pub(super) struct Fold {
    stands: HashMap<TraceId, SeriesControl>,
    /// In the order in which they were spoken of first; those that go on again stay in it.
    order: VecDeque<TraceId>,
    next: u64,
}

impl Fold {
    /// The offset that comes next.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Whether nothing stands of any series.
    pub(super) fn is_empty(&self) -> bool {
        self.stands.is_empty()
    }

    /// How a series stands.
    pub(super) fn of(&self, trace: TraceId) -> Option<&SeriesControl> {
        self.stands.get(&trace)
    }

    /// Takes an entry in. One that was taken in before changes nothing.
    pub(super) fn take(&mut self, offset: u64, said: Option<Said>) {
        if offset < self.next {
            return;
        }
        self.next = offset + 1;
        let Some((trace, action, by, time)) = said else { return };
        if self.stands.get(&trace).is_some_and(|it| it.is_cancelled) {
            return;
        }
        if action == SeriesAction::Resume {
            self.stands.remove(&trace);
            return;
        }
        let is_cancelled = action == SeriesAction::Cancel;
        self.stands.insert(trace, SeriesControl { is_cancelled, by, time });
        self.order.push_back(trace);
        while self.order.len() > SERIES_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            // Spoken of again since then, it is remembered by that.
            if !self.order.contains(&oldest) {
                self.stands.remove(&oldest);
            }
        }
    }
}
