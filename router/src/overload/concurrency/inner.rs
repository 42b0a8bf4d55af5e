//! What a gate keeps behind its lock: the limit's rule, the queue, and the turn of time.

use std::{sync::atomic::Ordering, time::Duration};

use headgate_types::{LEVELS, Moment};

use super::{
    Call, Gate, Settings, Waiter,
    shadow::{ShadowId, Shadows},
};
use crate::overload::{
    limit::{End, Limit, Sample},
    num,
    priority::SHED_MAX,
    queue::{BandSettings, Entered, Entrant, Queue, Ticket},
};

/// The threshold and the reserves follow this often.
const UPDATE_EVERY: Duration = Duration::from_millis(100);
/// Arrivals count for a second or so.
const ARRIVALS_KEEP: f64 = 0.9;
/// Requests let through over what is served while someone waits all the time: a little less, so
/// that the queue drains.
const HEADROOM: f64 = 0.98;
/// The longest wait while requests are shed by rank: the room to wait is for bursts.
pub(super) const PRESSED_WAIT_MAX: Duration = Duration::from_millis(150);
/// Share by which the rate follows in a second.
const RATE_FOLLOWS: f64 = 1.5;
/// How fast the share of time in which someone waits is followed, and the share below which
/// shedding by rank ends.
const PRESSURE_RATE: f64 = 0.2;
const PRESSURE_LEAST: f64 = 0.25;
/// Requests let through above that when nobody waits at all.
const SLACK: f64 = 0.4;
/// How long after its queue stood a class may be shed by rank.
const STANDS_FOR: Duration = Duration::from_secs(1);
const CLASSES: usize = 4;
/// Reserves follow the peak of the last two of these turns.
const PEAK_TURN: Duration = Duration::from_secs(5);
/// The reserve held back for others, over their peak.
const RESERVE_OVER_PEAK: f64 = 1.25;
/// One grant in so many goes to the lowest class that waits, so that none starves.
const FLOOR_EVERY: u32 = 100;
/// The wait that tells a standing queue from a burst, where users wait and where nobody does: as
/// long as all but the longest calls take, since that is how long a burst holds the seats (RFC
/// 8289, section 4.2, asks for the same of round trips).
const INTERVALS: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_millis(500),
    Duration::from_millis(200),
    Duration::from_millis(200),
];
/// So many times that interval, and so many times the usual wait, has the highest class while the
/// limit was cut far and it is not known yet whether rightly. Its calls are worth a wait until then.
const UNSURE_INTERVAL: u32 = 3;
pub(super) const UNSURE_WAIT: u32 = 2;

#[derive(Debug)]
pub(super) struct Inner<W> {
    pub(super) limit: Box<dyn Limit>,
    pub(super) queue: Queue<Waiting<W>>,
    pub(super) shadows: Shadows,
    update_at: Moment,
    updated: Moment,
    finished: u32,
    /// Calls finished a second.
    rate: f64,
    /// The same while someone waited all the time, which is the capacity.
    saturated_rate: Option<f64>,
    /// Whether someone waited at the last update.
    waited: bool,
    /// Requests arriving a second, per class.
    arriving: [f64; CLASSES],
    /// The highest class whose queue stands, or stood when shedding began.
    highest: Option<usize>,
    /// Until when each class counts as standing.
    stands_until: [Moment; CLASSES],
    peak_turn_at: Moment,
    peaks_before: [u32; 4],
    partition_peaks_before: Vec<u32>,
    grants: u32,
    /// Share of arrivals that is shed by rank.
    pub(super) shed: f64,
    /// Share of the time, of late, in which someone waited.
    pressure: f64,
    class_shares: [f64; 4],
}

#[derive(Debug)]
pub(super) struct Waiting<W> {
    pub(super) call: Call,
    pub(super) band: usize,
    pub(super) entered: Moment,
    pub(super) who: Who<W>,
}

/// A wait that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waited {
    pub(super) call: Call,
    pub(super) entered: Moment,
}

/// Who is told when a wait ends.
#[derive(Debug)]
pub(super) enum Who<W> {
    /// A request that does not pass before.
    Waits(W),
    /// The shadow of one that has passed.
    Follows(ShadowId),
}

impl<W: Waiter> Inner<W> {
    pub(super) fn new(settings: &Settings, limit: Box<dyn Limit>) -> Self {
        let classes = INTERVALS.iter().enumerate().map(|(class, interval)| BandSettings {
            interval: *interval,
            newest_first: class < 2,
            harmless: if class < 2 { PRESSED_WAIT_MAX } else { Duration::ZERO },
        });
        let shares = settings.partitions.iter().take(super::PARTITIONS_MAX);
        let partitions = shares.map(|_| BandSettings {
            interval: INTERVALS[0],
            newest_first: false,
            harmless: PRESSED_WAIT_MAX,
        });
        let bands: Vec<_> = classes.chain(partitions).collect();
        Self {
            limit,
            queue: Queue::new(settings.queue_capacity, &bands),
            shadows: Shadows::default(),
            update_at: Moment::ZERO,
            updated: Moment::ZERO,
            finished: 0,
            rate: 0.0,
            saturated_rate: None,
            waited: false,
            arriving: [0.0; CLASSES],
            highest: None,
            stands_until: [Moment::ZERO; CLASSES],
            peak_turn_at: Moment::ZERO,
            peaks_before: [0; 4],
            partition_peaks_before: vec![0; bands.len() - 4],
            grants: 0,
            shed: 0.0,
            pressure: 0.0,
            class_shares: settings.class_shares.map(headgate_types::Ratio::as_f64),
        }
    }

    pub(super) fn finish(&mut self, gate: &Gate<W>, sample: &Sample) {
        if sample.end != End::Ignore {
            self.finished += 1;
        }
        self.limit.on_sample(sample);
        let limit = self.limit.limit();
        let before = gate.limit.swap(limit, Ordering::Relaxed);
        if limit != before {
            // More seats serve more, unless calls queue. Were only what is served so far let in,
            // they would stay empty, and it would not be seen whether calls do.
            self.rate *= (f64::from(limit) / f64::from(before.max(1))).max(1.0);
            self.set_reserves(gate);
        }
        self.update_if_due(gate, sample.ended);
    }

    pub(super) fn update_if_due(&mut self, gate: &Gate<W>, now: Moment) {
        if now < self.update_at {
            return;
        }
        let elapsed = now.since(self.updated).as_secs_f64();
        let rate = f64::from(self.finished) / elapsed.max(1e-3);
        self.rate += (rate - self.rate) * (RATE_FOLLOWS * elapsed).min(1.0);
        (self.finished, self.updated, self.update_at) = (0, now, now + UPDATE_EVERY);
        let waited = std::mem::replace(&mut self.waited, !self.queue.is_empty());
        self.saturated_rate = (waited && self.waited).then(|| {
            let before = self.saturated_rate.unwrap_or(rate);
            f64::midpoint(before, rate)
        });
        if let Some(rtt) = self.limit.no_load_rtt() {
            self.queue.set_rtt(rtt);
        }
        let times = if self.limit.is_unsure() { UNSURE_INTERVAL } else { 1 };
        self.queue.set_interval(0, INTERVALS[0] * times);
        self.set_threshold(gate, now, elapsed);
        if now >= self.peak_turn_at {
            self.peak_turn_at = now + PEAK_TURN;
            for (before, peak) in self.peaks_before.iter_mut().zip(&gate.peaks) {
                *before = peak.swap(0, Ordering::Relaxed);
            }
            for (before, partition) in self.partition_peaks_before.iter_mut().zip(&gate.partitions)
            {
                *before = partition.peak.swap(0, Ordering::Relaxed);
            }
        }
        self.set_reserves(gate);
    }

    /// While a class's queue stands, the ranks that capacity does not suffice for are not even let
    /// into the queue. A class above those that stand is not touched.
    fn set_threshold(&mut self, gate: &Gate<W>, now: Moment, elapsed: f64) {
        let steps = (elapsed / UPDATE_EVERY.as_secs_f64()).min(50.0);
        let waiting = f64::from(u8::from(!self.queue.is_empty()));
        self.pressure += (waiting - self.pressure) * (PRESSURE_RATE * steps).min(1.0);
        for (class, until) in self.stands_until.iter_mut().enumerate() {
            let end = (class + 1) * usize::from(LEVELS);
            let is_cut = self.shed > 0.0 && usize::from(gate.threshold.first_shed()) < end;
            if self.queue.is_standing(class) || (is_cut && now < *until) {
                *until = now + STANDS_FOR;
            }
        }
        // Arrivals fade to a sum that is the rate times this long.
        let memory = UPDATE_EVERY.as_secs_f64() / (1.0 - ARRIVALS_KEEP);
        self.arriving = gate.threshold.arrivals().map(|count| count / memory);
        let standing = self.stands_until.iter().position(|until| now < *until);
        if standing.is_some() || self.shed <= 0.0 {
            self.highest = standing;
        }
        self.shed = match self.highest {
            Some(_) if self.pressure > PRESSURE_LEAST => {
                let arriving: f64 = self.arriving.iter().sum();
                // What finishes tells the capacity only while someone waits.
                let headroom = HEADROOM + (1.0 - self.pressure) * SLACK;
                (1.0 - headroom * self.rate / arriving.max(1e-9)).clamp(0.0, SHED_MAX)
            }
            _ => 0.0,
        };
        gate.threshold.shed(self.shed, self.highest.unwrap_or(0));
        gate.threshold.fade(ARRIVALS_KEEP.powf(steps));
    }

    pub(super) fn set_reserves(&mut self, gate: &Gate<W>) {
        let limit = f64::from(gate.limit.load(Ordering::Relaxed));
        for (class, most) in gate.own_and_lower.iter().enumerate() {
            let peak = gate.peaks.get(class).map_or(0, |peak| peak.load(Ordering::Relaxed));
            let peak = peak.max(self.peaks_before.get(class).copied().unwrap_or(0));
            let share = self.class_shares.get(class).copied().unwrap_or(1.0);
            let reserve = ((1.0 - share) * limit).min(RESERVE_OVER_PEAK * f64::from(peak));
            most.store(num::count((limit - reserve).ceil()).max(1), Ordering::Relaxed);
        }
        for (partition, before) in gate.partitions.iter().zip(&self.partition_peaks_before) {
            let peak = partition.peak.load(Ordering::Relaxed).max(*before);
            let wanted = RESERVE_OVER_PEAK * f64::from(peak);
            let wanted = if partition.is_held { limit } else { wanted };
            let reserve = num::count((partition.share * limit).min(wanted).ceil());
            partition.reserve.store(reserve, Ordering::Relaxed);
        }
    }

    /// How long a newcomer would wait for those ahead of it, at the rate that higher classes leave.
    pub(super) fn expected_wait(&self, call: &Call, band: usize, limit: u32) -> Duration {
        let is_class = band < CLASSES;
        let before: usize =
            if is_class { (0..band).map(|band| self.queue.len_of(band)).sum() } else { 0 };
        let ahead = before + self.queue.ahead(band, call.tenant);
        let rtt = self.limit.no_load_rtt().unwrap_or_default().as_secs_f64();
        // What finished while nobody waited is what arrived, and says little of what can.
        let possible = || self.rate.max(f64::from(limit) / rtt.max(1e-3));
        let rate = self.saturated_rate.unwrap_or_else(possible);
        let taken: f64 = self.arriving.iter().take(if is_class { band } else { 0 }).sum();
        num::seconds(ahead as f64 / (rate - taken).max(1.0))
    }

    pub(super) fn enter(
        &mut self,
        waiting: Waiting<W>,
        now: Moment,
    ) -> Result<(Ticket, Option<Waiting<W>>), Waiting<W>> {
        let rtt = self.limit.no_load_rtt().unwrap_or_default().as_secs_f64();
        let entrant = Entrant {
            band: waiting.band,
            tenant: waiting.call.tenant,
            page: waiting.call.page,
            cost: rtt.max(1e-3),
        };
        match self.queue.enter(entrant, now, waiting) {
            Entered::Waiting(ticket) => Ok((ticket, None)),
            Entered::Displaced(ticket, displaced) => Ok((ticket, Some(displaced))),
            Entered::Full(waiting) => Err(waiting),
        }
    }

    /// The next waiter with the seat taken for it, or without one if it has waited too long; none
    /// when no one waits or no seat is left.
    pub(super) fn next(
        &mut self,
        gate: &Gate<W>,
        now: Moment,
    ) -> Option<(Waiting<W>, Option<u32>)> {
        self.grants = self.grants.wrapping_add(1);
        let bands = 4 + gate.partitions.len();
        // Among few seats a share is coarse: who waits may have one more.
        let guaranteed = (4..bands).filter(|band| gate.has_guarantee_left(band - 4, 1.0));
        let lowest = (0..4).rev().filter(|_| self.grants.is_multiple_of(FLOOR_EVERY)).take(4);
        let order = guaranteed.chain(lowest).chain(0..bands);
        for band in order {
            let Some(waiting) = self.queue.peek(band) else { continue };
            let Ok(in_flight) = gate.take_seat(&waiting.call) else { continue };
            let Some(next) = self.queue.next(band, now) else { continue };
            gate.count_out(band);
            let class = next.item.call.priority.class();
            let is_pressed = gate.is_pressed(class) && next.sojourn > PRESSED_WAIT_MAX;
            if next.is_stale || is_pressed {
                gate.give_seat(next.item.call.priority.class(), next.item.call.partition);
                return Some((next.item, None));
            }
            return Some((next.item, Some(in_flight)));
        }
        None
    }
}
