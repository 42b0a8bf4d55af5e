//! Decides what happens to a request: its device class, its route, the endpoint that is asked,
//! whether it is tried again, and by when it must be answered.
//!
//! Pure: no I/O, no clock and no source of randomness. `now` and random numbers are arguments, so
//! that the data path, `explain` and tests call the same functions and get the same answers.
//!
//! A request is reduced to [`facts::Facts`], classified by a [`device::Classifier`], matched
//! against the [`pattern::Pattern`]s of a [`table::Table`], given to one of the route's upstreams by
//! a [`split::Split`], sent to an endpoint that a [`balance::Balancer`] picks, and tried again as
//! far as a [`retry::Policy`] and its [`retry::Budget`] allow, all within the time that
//! [`deadline`] grants. What keeps too many requests from harming anyone is under [`overload`]. What
//! a replay has to know of a request is told by [`reads`], and which exchanges somebody wants to see
//! by a [`filter::Filter`].

pub mod error;

pub mod discovery;
pub mod event_key;
pub mod facts;
pub mod filter;
pub mod health;
pub mod path;

pub mod device;

pub mod pattern;
pub mod table;

pub mod compare;
pub mod reads;
pub mod split;

pub mod balance;
pub mod deadline;
pub mod hash_by;
pub mod retry;
pub mod zone;

pub mod overload;

mod stamped;
mod text;
mod value;

pub use crate::error::ParseError;
