//! The gate in front of an upstream or a route: permits within an adaptive limit, a reserve for
//! higher classes, guaranteed shares for partitions, and a fair queue for a short wait.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use headgate_types::{Class, Deadline, Moment, Priority};
use parking_lot::Mutex;

use self::{
    inner::{Inner, Who},
    shares::Partition,
};
pub use self::{
    permit::Permit,
    settings::{Settings, Share},
};
use super::{
    limit::{Cause, Limit},
    mode::{Counts, Mode, Switch},
    num,
    priority::{Pages, Threshold},
    queue::Ticket,
    seats::{Bounds, Full, Seats},
    verdict::{Layer, Reason, Refusal, Verdict},
};

mod inner;
mod passing;
mod permit;
mod settings;
mod shadow;
mod shares;
mod twin;
mod waiting;

/// Most partitions that a gate tells apart.
pub const PARTITIONS_MAX: usize = 16;

/// Who asks for a permit.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Class and level.
    pub priority: Priority,
    /// Any number that belongs to the tenant or user, for fairness in the queue.
    pub tenant: u64,
    /// The partition's number; ones without a share in the settings have none guaranteed.
    pub partition: usize,
    /// The kind of call, for its no-load RTT.
    pub kind: usize,
    /// Any number that the calls of one page or session share. A page of which a call was admitted
    /// gets its later calls admitted first: they count for one class more. None: it stands alone.
    pub page: Option<u64>,
    /// When it must have ended.
    pub deadline: Option<Deadline>,
    /// Any number that belongs to the request, for partial enforcement.
    pub draw: u64,
}

/// Whoever waits for a permit.
pub trait Waiter: Sized + Send {
    /// Hears the verdict. Gives the permit back if nobody is there to use it any more.
    fn resolve(self, verdict: Verdict<Permit<Self>>) -> Option<Permit<Self>>;
}

/// The outcome of asking with the readiness to wait.
#[must_use = "an admitted request's permit is released when it is dropped"]
#[derive(Debug)]
pub enum Asked<W: Waiter> {
    /// It may pass.
    Admitted(Permit<W>),
    /// The waiter will hear, unless the caller leaves first: at that moment at the latest.
    Queued(Ticket, Moment),
    /// It may not.
    Refused(Refusal),
}

/// A gate's state, for operators.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// The limit that is enforced.
    pub limit: u32,
    /// Why it last moved.
    pub cause: Cause,
    /// What a call takes without load, once known.
    pub no_load_rtt: Option<Duration>,
    /// Permits that are out, per class.
    pub in_flight: [u32; 4],
    /// Requests that passed only because the layer does not enforce.
    pub unseated: u32,
    /// Requests that wait.
    pub queued: usize,
    /// Ranks from this one on are shed; 512 when none is.
    pub threshold: u16,
    /// Decisions so far.
    pub counts: Counts,
}

/// The gate. `W` is whoever waits in its queue.
#[derive(Debug)]
pub struct Gate<W: Waiter> {
    switch: Switch,
    seats: Seats,
    limit: AtomicU32,
    /// What a class and those below it may take, from the last update.
    own_and_lower: [AtomicU32; 4],
    partitions: Vec<Partition>,
    threshold: Threshold,
    /// Made with the first call that belongs to a page.
    pages: OnceLock<Pages>,
    /// Most seats held by the classes above each, since the last turn.
    peaks: [AtomicU32; 4],
    /// Waiters per band: classes, then partitions.
    queued: Vec<AtomicU32>,
    queued_total: AtomicU32,
    limited: AtomicBool,
    held_back: AtomicBool,
    unseated: AtomicU32,
    /// Requests that passed and have a shadow, and the seats that shadows hold.
    followed: AtomicU32,
    shadow_seats: AtomicU32,
    /// When something falls due for a request that is followed, in nanoseconds.
    shadow_due: AtomicU64,
    /// The latest moment that anyone has told, for a permit that is dropped without one.
    last_now: AtomicU64,
    settings: Settings,
    inner: Mutex<Inner<W>>,
}

impl<W: Waiter> Gate<W> {
    /// Makes a gate whose limit moves by `limit`'s rule. Room for those who wait is made as they
    /// come, up to the settings' capacity.
    pub fn new(settings: Settings, limit: Box<dyn Limit>) -> Arc<Self> {
        let partitions: Vec<_> = settings.partitions.iter().take(PARTITIONS_MAX).collect();
        let seats_limit = limit.limit();
        Arc::new(Self {
            switch: Switch::new(settings.mode),
            seats: Seats::default(),
            limit: AtomicU32::new(seats_limit),
            own_and_lower: [const { AtomicU32::new(u32::MAX) }; 4],
            queued: (0..4 + partitions.len()).map(|_| AtomicU32::new(0)).collect(),
            partitions: partitions.into_iter().map(Partition::new).collect(),
            threshold: Threshold::default(),
            pages: OnceLock::new(),
            peaks: [const { AtomicU32::new(0) }; 4],
            queued_total: AtomicU32::new(0),
            limited: AtomicBool::new(false),
            held_back: AtomicBool::new(false),
            unseated: AtomicU32::new(0),
            followed: AtomicU32::new(0),
            shadow_seats: AtomicU32::new(0),
            shadow_due: AtomicU64::new(shadow::NEVER),
            last_now: AtomicU64::new(0),
            inner: Mutex::new(Inner::new(&settings, limit)),
            settings,
        })
    }

    /// Lets a request pass now, or says why not. Takes no lock and allocates nothing.
    pub fn admit(self: &Arc<Self>, call: &Call, now: Moment) -> Verdict<Permit<W>> {
        self.advance(now);
        let call = &self.continued(call, now);
        match self.try_admit(call, now).or_else(|refusal| self.settle(call, refusal, now)) {
            Ok(permit) => Verdict::Admitted(permit),
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    /// Lets a request pass, wait, or says why neither. Only a request that has to wait takes a
    /// lock and calls `waiter`.
    pub fn admit_or_wait(
        self: &Arc<Self>,
        call: &Call,
        now: Moment,
        waiter: impl FnOnce() -> W,
    ) -> Asked<W> {
        self.advance(now);
        let call = &self.continued(call, now);
        let refusal = match self.try_admit(call, now) {
            Ok(permit) => return Asked::Admitted(permit),
            Err(refusal) => refusal,
        };
        let refusal = if refusal.reason == Reason::Level {
            refusal
        } else if self.switch.enforces(call.draw) {
            match self.wait(call, now, || Who::Waits(waiter())) {
                Ok((ticket, until)) => {
                    // A permit may have come back between the attempt and the queueing.
                    self.hand_over(now);
                    return Asked::Queued(ticket, until);
                }
                Err(refusal) => refusal,
            }
        } else {
            match self.pass_and_follow(call, now) {
                Ok(permit) => return Asked::Admitted(permit),
                Err(refusal) => refusal,
            }
        };
        match self.settle(call, refusal, now) {
            Ok(permit) => Asked::Admitted(permit),
            Err(refusal) => Asked::Refused(refusal),
        }
    }

    /// Changes the mode. Learnt state and permits stay.
    pub fn set_mode(&self, mode: Mode) {
        self.switch.set(mode);
    }

    /// Whether requests are counted at all.
    pub fn is_on(&self) -> bool {
        self.switch.is_on()
    }

    /// The mode in force.
    pub fn mode(&self) -> Mode {
        self.switch.mode()
    }

    /// Sets the bounds between which the limit moves. Learnt state and permits stay; a limit
    /// outside goes to the nearer bound.
    pub fn set_bounds(&self, min: u32, max: u32) {
        let mut inner = self.inner.lock();
        inner.limit.set_bounds(min, max);
        self.limit.store(inner.limit.limit(), Ordering::Relaxed);
        inner.set_reserves(self);
    }

    /// What the gate does at the moment.
    pub fn status(&self) -> Status {
        let inner = self.inner.lock();
        Status {
            limit: self.limit.load(Ordering::Relaxed),
            cause: inner.limit.cause(),
            no_load_rtt: inner.limit.no_load_rtt(),
            in_flight: self.seats.counts(),
            unseated: self.unseated.load(Ordering::Relaxed),
            queued: inner.queue.len(),
            threshold: self.threshold.first_shed(),
            counts: self.switch.counts(),
        }
    }

    /// Permits that are out.
    pub fn in_flight(&self) -> u32 {
        self.seats.total()
    }

    /// The limit in force.
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// What a call takes without load, once known.
    pub fn no_load_rtt(&self) -> Option<Duration> {
        self.inner.lock().limit.no_load_rtt()
    }

    fn try_admit(self: &Arc<Self>, call: &Call, now: Moment) -> Result<Permit<W>, Refusal> {
        self.last_now.fetch_max(now.as_nanos(), Ordering::Relaxed);
        if !self.switch.is_on() {
            return Ok(Permit::uncounted(Arc::clone(self), call, now));
        }
        let rank = call.priority.rank();
        let band = self.band(call);
        // Who has a guaranteed share waits for it in a queue of its own.
        let first_shed = self.threshold.sheds(rank).filter(|_| band < 4);
        if let Some(first_shed) = first_shed {
            let (rank, first) = (f64::from(rank), f64::from(first_shed));
            return Err(self.refusal(call, Reason::Level, rank, first));
        }
        if self.queued_total.load(Ordering::SeqCst) > 0 && self.must_queue_behind(band) {
            let queued = f64::from(self.queued_total.load(Ordering::Relaxed));
            return Err(self.limited(call, Reason::LimitReached, queued));
        }
        let in_flight = self.take_seat(call)?;
        // Among too many its real time is not what the limit would have made of it.
        let followed =
            if self.is_crowded(0) { self.follow_seated(call, now, in_flight) } else { None };
        Ok(followed.unwrap_or_else(|| self.seated(call, now, in_flight)))
    }

    /// Whether someone waits who comes first.
    fn must_queue_behind(&self, band: usize) -> bool {
        if band >= 4 {
            return self.queued_in(band) > 0;
        }
        (0..=band).any(|band| self.queued_in(band) > 0)
    }

    fn queued_in(&self, band: usize) -> u32 {
        self.queued.get(band).map_or(0, |queued| queued.load(Ordering::SeqCst))
    }

    fn count_out(&self, band: usize) {
        if let Some(queued) = self.queued.get(band) {
            queued.fetch_sub(1, Ordering::SeqCst);
            self.queued_total.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// The band in which a call waits: its class, or its partition if that has a guarantee.
    fn band(&self, call: &Call) -> usize {
        let has_share =
            self.partitions.get(call.partition).is_some_and(|partition| partition.share > 0.0);
        if has_share { 4 + call.partition } else { call.priority.class().index() }
    }

    fn take_seat(&self, call: &Call) -> Result<u32, Refusal> {
        let class = call.priority.class().index();
        let limit = self.limit.load(Ordering::Relaxed);
        let kept = self.kept_for_others(call.partition);
        let bounds = Bounds {
            total: limit.saturating_sub(kept).max(self.held_beyond(call.partition)),
            own_and_lower: if self.has_guarantee_left(call.partition, 0.0) {
                u32::MAX
            } else {
                self.own_and_lower.get(class).map_or(0, |most| most.load(Ordering::Relaxed))
            },
        };
        match self.seats.take(class, bounds) {
            Ok(in_flight) => {
                self.note_peaks(class, call.partition);
                Ok(in_flight)
            }
            Err(Full::Total(total)) if total < limit => {
                self.held_back.store(true, Ordering::Relaxed);
                Err(self.refusal(call, Reason::PartitionShare, f64::from(total), f64::from(limit)))
            }
            Err(Full::Total(total)) => {
                Err(self.limited(call, Reason::LimitReached, f64::from(total)))
            }
            Err(Full::Reserve(taken)) => {
                Err(self.refusal(call, Reason::ClassReserve, f64::from(taken), f64::from(limit)))
            }
        }
    }

    fn give_seat(&self, class: Class, partition: usize) {
        if let Some(partition) = self.partitions.get(partition) {
            partition.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        self.seats.give(class.index());
    }

    fn note_peaks(&self, class: usize, partition: usize) {
        for (lower, peak) in self.peaks.iter().enumerate().skip(class + 1) {
            let above = self.seats.above(lower);
            if above > peak.load(Ordering::Relaxed) {
                peak.fetch_max(above, Ordering::Relaxed);
            }
        }
        if let Some(partition) = self.partitions.get(partition) {
            let used = partition.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
            partition.peak.fetch_max(used, Ordering::Relaxed);
        }
    }

    fn limited(&self, call: &Call, reason: Reason, observed: f64) -> Refusal {
        self.limited.store(true, Ordering::Relaxed);
        self.refusal(call, reason, observed, f64::from(self.limit.load(Ordering::Relaxed)))
    }

    fn refusal(&self, call: &Call, reason: Reason, observed: f64, limit: f64) -> Refusal {
        // Spread over one to three seconds, so that those told together do not come back together.
        let retry_after = Duration::from_secs(1) + num::seconds(2.0 * num::unit(call.draw));
        Refusal::new(Layer::Concurrency, reason, observed, limit)
            .after(retry_after)
            .at_level(call.priority.rank(), self.threshold.first_shed())
    }
}

#[cfg(test)]
mod tests;
