//! What the upstream would do with no more calls than the limit lets in.
//!
//! A gate that does not enforce lets everything through, so an overloaded upstream really is
//! overloaded, and its times say what calls take among too many. Were those taken for the times
//! behind the limit, a seat would be held as long as the real queue is, and nearly everybody would
//! count as refused.
//!
//! Three things are seen in both worlds. Calls that begin among no more than the limit take what
//! they would take behind it. Calls that begin among more and take no longer than those are not
//! disturbed by the others. And where they do take longer, the upstream has its hands full, so
//! that what it answers in a second is its capacity. From the first and the last, Little's law
//! gives the calls that it works on at once: `capacity * time`. With so many slots, and the times
//! of calls that were not disturbed, the twin serves who would have had a seat.
//!
//! Where clients leave before they are answered, what is answered says nothing of what could be,
//! as the work of many is lost; then the capacity stays as it was seen last.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use headgate_types::Moment;

use super::{Call, PARTITIONS_MAX};
use crate::overload::{limit::End, num};

/// Times of calls that are remembered, of each kind.
const TIMES_MAX: usize = 256;
/// Calls among too many that are averaged, and after how many they count.
const MEMORY: f64 = 64.0;
const SAMPLES_MIN: f64 = 16.0;
/// Logarithm of the times of calls among too many over those of others: from here on they are
/// disturbed, and below the second no more.
const DISTURBED: f64 = 0.405;
const UNDISTURBED: f64 = 0.2;
/// The same for the share that is refused by the upstream itself.
const REFUSED: f64 = 0.1;
const NOT_REFUSED: f64 = 0.05;
/// What is answered is counted over so long, and so many answers where there are.
const WINDOW: Duration = Duration::from_millis(200);
const WINDOW_MAX: Duration = Duration::from_secs(1);
const WINDOW_ANSWERS: u32 = 20;
/// Seconds over which what was answered is averaged.
const CAPACITY_MEMORY: f64 = 5.0;
/// Share of calls left without an answer up to which what is answered is the capacity.
const LEFT_MAX: f64 = 0.1;
/// A capacity that moved further, as a share, changes when running calls end.
const MOVED: f64 = 0.25;
/// Parts the lot of a call's time from others that layers make from the same number.
const LOT: u64 = 0x5457_494e;
/// An upstream that has stopped takes so many times as long as usual.
const SLOWEST: f64 = 100.0;

/// The upstream behind the limit.
#[derive(Debug)]
pub(super) struct Twin {
    /// Times of undisturbed calls, by kind.
    kinds: Vec<Times>,
    /// Mean excess of calls among too many, the share of them that the upstream refused, and from
    /// how many both are known.
    excess: f64,
    refused: f64,
    samples: f64,
    window: Option<Window>,
    /// Answers a second while there were too many calls, and over how many seconds that is known.
    capacity: Option<f64>,
    capacity_seconds: f64,
    is_disturbed: bool,
    /// What the rule took for the time of an unloaded call when calls were first disturbed, over
    /// the times that are remembered: some of these may have waited within the limit.
    pace: f64,
    /// When each slot is free, and the capacity that they were made for.
    slots: BinaryHeap<Reverse<Moment>>,
    slots_for: f64,
    /// Mean time of the calls that are served, by their kinds.
    mean: f64,
}

/// How a call ended at the upstream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) kind: usize,
    pub(super) ran: Duration,
    pub(super) end: End,
    /// Whether the upstream answered, whatever it was.
    pub(super) is_answered: bool,
    /// Whether it began among more calls than the limit lets in.
    pub(super) is_crowded: bool,
}

/// Times of calls in seconds with their logarithms, the latest ones.
#[derive(Debug, Default)]
struct Times {
    last: Vec<(f64, f64)>,
    next: usize,
    sum: (f64, f64),
}

#[derive(Clone, Copy, Debug)]
struct Window {
    opened: Moment,
    look_at: Moment,
    was_crowded: bool,
    answered: u32,
    left: u32,
}

impl Window {
    fn new(now: Moment, was_crowded: bool) -> Self {
        Self { opened: now, look_at: now + WINDOW, was_crowded, answered: 0, left: 0 }
    }
}

impl Default for Twin {
    fn default() -> Self {
        Self {
            kinds: Vec::new(),
            excess: 0.0,
            refused: 0.0,
            samples: 0.0,
            window: None,
            capacity: None,
            capacity_seconds: 0.0,
            is_disturbed: false,
            pace: 1.0,
            slots: BinaryHeap::new(),
            slots_for: f64::INFINITY,
            mean: 0.0,
        }
    }
}

impl Times {
    fn add(&mut self, seconds: f64, ln: f64) {
        let sum = &mut self.sum;
        if let Some(place) = self.last.get_mut(self.next) {
            *sum = (sum.0 - place.0, sum.1 - place.1);
            *place = (seconds, ln);
        } else {
            self.last.reserve_exact(TIMES_MAX - self.last.len());
            self.last.push((seconds, ln));
        }
        *sum = (sum.0 + seconds, sum.1 + ln);
        self.next = (self.next + 1) % TIMES_MAX;
    }

    /// The mean time, and the mean logarithm; none of no times.
    fn means(&self) -> Option<(f64, f64)> {
        let count = self.last.len() as f64;
        (!self.last.is_empty()).then(|| (self.sum.0 / count, self.sum.1 / count))
    }

    /// The time of a call, by lot.
    fn draw(&self, draw: u64) -> Option<f64> {
        let place = num::index(num::unit(draw ^ LOT) * self.last.len() as f64);
        self.last.get(place).map(|(seconds, _)| *seconds)
    }
}

impl Twin {
    /// When something is to be done next.
    pub(super) fn due(&self) -> Option<Moment> {
        self.window.map(|window| window.look_at)
    }

    /// A call begins among more calls than the limit lets in.
    pub(super) fn crowded(&mut self, now: Moment) {
        self.window.get_or_insert_with(|| Window::new(now, true));
    }

    /// A call has ended at the real upstream.
    pub(super) fn saw(&mut self, seen: &Seen) {
        let kind = seen.kind.min(PARTITIONS_MAX);
        if self.kinds.len() <= kind {
            self.kinds.resize_with(kind + 1, Times::default);
        }
        let Some(times) = self.kinds.get_mut(kind) else { return };
        let seconds = seen.ran.as_secs_f64().max(1e-6);
        let ln = seconds.ln();
        if !seen.is_crowded && seen.end == End::Success {
            times.add(seconds, ln);
        }
        let excess = times.means().map_or(0.0, |(_, typical)| ln - typical);
        let has_left = !seen.is_answered && excess > 0.0;
        if let Some(window) = &mut self.window {
            window.answered += u32::from(seen.is_answered);
            window.left += u32::from(has_left);
        }
        let is_refused = !has_left && seen.end == End::Dropped;
        if seen.is_crowded && (has_left || is_refused || seen.end == End::Success) {
            self.samples = (self.samples + 1.0).min(MEMORY);
            self.refused += (f64::from(u8::from(is_refused)) - self.refused) / self.samples;
            if !is_refused {
                self.excess += (excess - self.excess) / self.samples;
            }
        }
    }

    /// Looks at what has been seen, once that is due, of an upstream whose rule takes an unloaded
    /// call to last for `no_load`. True when calls that run end at another time than was thought.
    pub(super) fn turn(
        &mut self,
        now: Moment,
        is_crowded: bool,
        no_load: Option<Duration>,
    ) -> bool {
        let Some(window) = self.window.filter(|window| window.look_at <= now) else {
            return false;
        };
        let age = now.since(window.opened);
        let is_full = age >= WINDOW && window.answered + window.left >= WINDOW_ANSWERS;
        let was_disturbed = self.is_disturbed;
        if is_full || age >= WINDOW_MAX {
            self.close(window, age, is_crowded);
            let open = Window::new(now, is_crowded);
            self.window = (is_crowded || window.was_crowded).then_some(open);
        } else {
            self.window = Some(Window { look_at: now + WINDOW / 4, ..window });
        }
        if self.window.is_none() {
            (self.capacity, self.capacity_seconds, self.mean) = (None, 0.0, 0.0);
            (self.samples, self.excess, self.refused) = (0.0, 0.0, 0.0);
        }
        self.judge();
        // A rule that knows no such time can't tell what is late.
        let no_load = no_load.map_or(0.0, |no_load| no_load.as_secs_f64());
        self.is_disturbed &= no_load > 0.0;
        if self.is_disturbed && !was_disturbed {
            self.set_pace(no_load);
            // What was answered before tells of an upstream that was not full.
            (self.capacity, self.capacity_seconds) = (None, 0.0);
        }
        let capacity = self.capacity.unwrap_or(f64::INFINITY);
        let has_moved = (capacity / self.slots_for - 1.0).abs() > MOVED;
        was_disturbed != self.is_disturbed || (self.is_disturbed && has_moved)
    }

    fn close(&mut self, window: Window, age: Duration, is_crowded: bool) {
        let ended = f64::from(window.answered + window.left);
        let tells = f64::from(window.left) <= LEFT_MAX * ended || self.capacity.is_none();
        if window.was_crowded && is_crowded && tells {
            let seconds = age.as_secs_f64();
            let answered = f64::from(window.answered) / seconds;
            let before = self.capacity.unwrap_or(answered);
            self.capacity_seconds = (self.capacity_seconds + seconds).min(CAPACITY_MEMORY);
            let share = (seconds / self.capacity_seconds).min(1.0);
            self.capacity = Some(before + (answered - before) * share);
        }
    }

    fn set_pace(&mut self, no_load: f64) {
        let means = self.kinds.first().and_then(Times::means);
        self.pace = means.map_or(1.0, |(_, typical)| no_load / typical.exp());
    }

    fn judge(&mut self) {
        let (excess, refused) =
            if self.is_disturbed { (UNDISTURBED, NOT_REFUSED) } else { (DISTURBED, REFUSED) };
        let is_above = self.excess > excess || self.refused > refused;
        self.is_disturbed = is_above && (self.is_disturbed || self.samples >= SAMPLES_MIN);
    }

    /// Forgets the calls that it serves; they are to be told again.
    pub(super) fn restart(&mut self) {
        self.slots.clear();
        self.slots_for = self.capacity.unwrap_or(f64::INFINITY);
    }

    /// When a call ends that got its seat at `started`. None while the real end tells.
    pub(super) fn serve(&mut self, call: &Call, started: Moment) -> Option<Moment> {
        if !self.is_disturbed {
            return None;
        }
        let times = self.kinds.get(call.kind.min(PARTITIONS_MAX))?;
        let (time, typical) = (self.pace * times.draw(call.draw)?, self.pace * times.means()?.0);
        let before = if self.mean > 0.0 { self.mean } else { typical };
        self.mean = before + (typical - before) / MEMORY;
        let Some(capacity) = self.capacity else { return Some(started + num::seconds(time)) };
        let work = (capacity * self.mean).max(1.0 / SLOWEST);
        let slots = num::count(work).max(1);
        while self.slots.len() > num::index(f64::from(slots)) {
            self.slots.pop();
        }
        while self.slots.len() < num::index(f64::from(slots)) {
            self.slots.push(Reverse(started));
        }
        let Reverse(free) = self.slots.pop()?;
        // Whole slots, each so fast that together they have the capacity.
        let end = free.max(started) + num::seconds(time * f64::from(slots) / work);
        self.slots.push(Reverse(end));
        Some(end)
    }
}

#[cfg(test)]
mod tests;
