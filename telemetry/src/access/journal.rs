//! When an exchange passed which step: Zuul's timing passport, kept to fixed memory.

use std::time::Duration;

use headgate_types::Moment;

/// A step that an exchange passes. All are optional but the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    /// The device's class is known.
    Classified,
    /// A route was found.
    Routed,
    /// The caller is known.
    Authenticated,
    /// A concurrency limit let the request through, at once or after a wait.
    Admitted,
    /// The request is ready for an upstream.
    Dispatched,
    /// The first attempt began.
    AttemptStarted,
    /// The last attempt had its connection.
    Connected,
    /// The head of the answer came from the upstream.
    UpstreamHead,
    /// The head of the answer was handed to the client's connection.
    ResponseHead,
    /// The last byte of the answer was handed to the client's connection.
    ResponseBodyEnd,
}

impl Mark {
    /// Every mark, in the order in which lines list them.
    pub const ALL: [Self; 10] = [
        Self::Classified,
        Self::Routed,
        Self::Authenticated,
        Self::Admitted,
        Self::Dispatched,
        Self::AttemptStarted,
        Self::Connected,
        Self::UpstreamHead,
        Self::ResponseHead,
        Self::ResponseBodyEnd,
    ];

    /// The word in access lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classified => "classified",
            Self::Routed => "routed",
            Self::Authenticated => "authenticated",
            Self::Admitted => "admitted",
            Self::Dispatched => "dispatched",
            Self::AttemptStarted => "attempt_started",
            Self::Connected => "connected",
            Self::UpstreamHead => "upstream_head",
            Self::ResponseHead => "response_head",
            Self::ResponseBodyEnd => "response_body_end",
        }
    }
}

/// The steps of one exchange, as microseconds since its request's head was there.
#[derive(Clone, Debug)]
pub struct Journal {
    start: Moment,
    /// By mark; [`NOT_PASSED`] where none.
    offsets: [u32; Mark::ALL.len()],
}

/// Also where an offset above 71 minutes ends up, one below.
const NOT_PASSED: u32 = u32::MAX;

impl Journal {
    /// Begins when the request's head is there.
    pub const fn start(now: Moment) -> Self {
        Self { start: now, offsets: [NOT_PASSED; Mark::ALL.len()] }
    }

    /// The moment of the request's head.
    pub const fn started_at(&self) -> Moment {
        self.start
    }

    /// Notes a step. A step passed again keeps the later moment.
    pub fn mark(&mut self, mark: Mark, now: Moment) {
        let micros = u32::try_from(now.since(self.start).as_micros()).unwrap_or(NOT_PASSED);
        if let Some(offset) = self.offsets.get_mut(mark as usize) {
            *offset = micros.min(NOT_PASSED - 1);
        }
    }

    /// When a step was passed, since the request's head.
    pub fn offset(&self, mark: Mark) -> Option<Duration> {
        self.micros(mark).map(|micros| Duration::from_micros(micros.into()))
    }

    pub(super) fn micros(&self, mark: Mark) -> Option<u32> {
        self.offsets.get(mark as usize).copied().filter(|micros| *micros != NOT_PASSED)
    }
}
