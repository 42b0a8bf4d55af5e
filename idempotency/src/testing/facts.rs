//! The facts, by verb.

pub(super) mod claims;
pub(super) mod failures;
pub(super) mod once;
pub(super) mod outcomes;
pub(super) mod waiting;
