//! The atomics of the lock-free parts. The interleaving tests compile those parts against loom's.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
