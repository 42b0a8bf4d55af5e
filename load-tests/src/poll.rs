//! Waits for sockets and for one timer: epoll, as thin as it goes.
//!
//! The generator and the origin share one core with each other, so neither uses a runtime: what they
//! spend is missing for the load.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// Events that are fetched at once; more wait for the next call.
const EVENTS_MAX: usize = 256;
/// Names the timer; no socket has this number.
const TIMER: u64 = u64::MAX;

/// Sockets by number, and one timer.
pub(crate) struct Poll {
    epoll: OwnedFd,
    timer: OwnedFd,
    armed_for: u64,
    events: Vec<Event>,
}

impl Poll {
    /// Nothing to wait for yet.
    ///
    /// # Errors
    ///
    /// The process has no descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // Edge-triggered, so that a timer that has run out need not be read.
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN | EventFlags::ET)?;
        Ok(Self { epoll, timer, armed_for: 0, events: Vec::with_capacity(EVENTS_MAX) })
    }

    /// Waits for `source` to become readable from here on, under a number of the caller's.
    ///
    /// # Errors
    ///
    /// The source can't be waited for, or already is.
    pub(crate) fn add(&self, source: impl AsFd, number: usize) -> io::Result<()> {
        let number = u64::try_from(number).unwrap_or(TIMER - 1);
        Ok(epoll::add(&self.epoll, source, EventData::new_u64(number), EventFlags::IN)?)
    }

    /// Makes the next [`Poll::wait`] return at `moment` (of [`crate::clock::now`]) at the latest.
    ///
    /// # Errors
    ///
    /// The moment is beyond what a timer can hold.
    pub(crate) fn wake_at(&mut self, moment: u64) -> io::Result<()> {
        if self.armed_for == moment {
            return Ok(());
        }
        // Zero would disarm.
        let it_value = timespec(moment.max(1));
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let when = Itimerspec { it_interval, it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &when)?;
        self.armed_for = moment;
        Ok(())
    }

    /// Waits, then fills `ready` with the numbers of the readable sources.
    ///
    /// # Errors
    ///
    /// The system call failed for another reason than a signal.
    pub(crate) fn wait(&mut self, ready: &mut Vec<usize>) -> io::Result<()> {
        ready.clear();
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), None) {
            Ok(_count) => {}
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        for event in &self.events {
            let number = event.data.u64();
            if number != TIMER {
                ready.push(usize::try_from(number).unwrap_or(usize::MAX));
            }
        }
        Ok(())
    }
}

fn timespec(nanoseconds: u64) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(nanoseconds / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(nanoseconds % 1_000_000_000).unwrap_or_default(),
    }
}
