//! A process that is stopped, as by SIGSTOP: nothing in it goes on, and the clocks do.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

/// From when to when a process is stopped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ice(Arc<Mutex<Option<(Instant, Instant)>>>);

impl Ice {
    pub(crate) fn freeze_from(&self, from: Instant, time: Duration) {
        *self.0.lock() = Some((from, from + time));
    }

    fn until(&self) -> Option<Instant> {
        let now = Instant::now();
        let (_, until) = (*self.0.lock()).filter(|(from, until)| (*from..*until).contains(&now))?;
        Some(until)
    }
}

/// A process that can be stopped.
pub(crate) struct Freezing<F> {
    process: Pin<Box<F>>,
    ice: Ice,
    thaw: Option<Pin<Box<Sleep>>>,
}

impl<F> Freezing<F> {
    pub(crate) fn new(process: F, ice: Ice) -> Self {
        Self { process: Box::pin(process), ice, thaw: None }
    }
}

impl<F: Future> Future for Freezing<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        while let Some(until) = this.ice.until() {
            let thaw = this.thaw.insert(Box::pin(sleep_until(until)));
            if thaw.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        this.process.as_mut().poll(cx)
    }
}
