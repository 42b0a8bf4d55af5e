//! Words that every crate of Headgate shares: plain values without I/O.
//!
//! An exchange reads a [`Clock`], is known by a [`TraceId`], belongs to an [`Identity`] on a
//! [`Device`], travels with a [`Priority`] and a [`Deadline`], is vouched for by a [`Passport`],
//! and ends in one [`Outcome`]. What lasts of it is an [`Event`].

mod clock;
mod deadline;
mod device;
mod event;
mod identity;
mod outcome;
mod passport;
mod priority;
mod trace;
mod units;
mod version;

pub use crate::clock::{Clock, Moment, ParseTimeError, UnixTime};
pub use crate::deadline::Deadline;
pub use crate::device::Device;
pub use crate::event::{
    ATTRIBUTE_BYTES_MAX, DATA_BYTES_MAX, DEPTH_MAX, DecodeEventError, Event, Follow, InvalidEvent,
    ParseStepError, Root, Step, TooDeep,
};
pub use crate::identity::{Identity, Strength};
pub use crate::outcome::{Outcome, RetryAdvice};
pub use crate::passport::Passport;
pub use crate::priority::{Class, LEVELS, ParsePriorityError, Priority};
pub use crate::trace::{ParseIdError, SpanId, TraceId};
pub use crate::units::{ByteSize, ParseUnitError, Ratio, format_duration, parse_duration};
pub use crate::version::Version;
