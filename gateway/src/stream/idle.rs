//! How long connections may idle while memory runs out.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use headgate_router::overload::num;

/// The share of their idle time for which connections are kept at the moment.
#[derive(Debug)]
pub(crate) struct IdleShare(AtomicU32);

/// Parts of the whole.
const WHOLE: u32 = 1_000;

impl Default for IdleShare {
    fn default() -> Self {
        Self(AtomicU32::new(WHOLE))
    }
}

impl IdleShare {
    /// Changes it, for all connections.
    pub(crate) fn set(&self, share: f64) {
        self.0.store(num::count(share * f64::from(WHOLE)).min(WHOLE), Ordering::Relaxed);
    }

    /// What is left of an idle time.
    pub(super) fn of(&self, idle: Duration) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            WHOLE => idle,
            share => idle * share / WHOLE,
        }
    }
}
