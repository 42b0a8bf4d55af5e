//! The steps of an exchange, one file each, in the order in which it takes them.

pub(crate) mod admit;
pub(crate) mod authenticate;
pub(crate) mod choose;
pub(crate) mod classify;
pub(crate) mod dispatch;
pub(crate) mod draw;
pub(crate) mod fall_back;
pub(crate) mod forward;
pub(crate) mod idempotency;
pub(crate) mod limit;
pub(crate) mod mirror;
pub(crate) mod publish;
pub(crate) mod push;
pub(crate) mod respond;
pub(crate) mod results;
pub(crate) mod route;
pub(crate) mod shed;
pub(crate) mod target;
pub(crate) mod trace;
pub(crate) mod whoami;
