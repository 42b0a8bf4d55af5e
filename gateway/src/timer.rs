//! A timer that is used again: setting one up for each attempt costs more than the attempt's own
//! bookkeeping, and hardly any ever fires.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that waits for its next use. Belongs to one connection, and so to one runtime.
#[derive(Debug, Default)]
pub(crate) struct SpareTimer(Mutex<Option<Pin<Box<Sleep>>>>);

impl SpareTimer {
    /// What the future came to, or none when that took longer than `limit`.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let mut future = pin!(future);
        let mut wait = Wait { spare: self, timer: None, due: None };
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => wait.poll(cx, limit).map(|()| None),
        })
        .await
    }
}

/// A wait for a moment, which gives its timer back.
struct Wait<'a> {
    spare: &'a SpareTimer,
    timer: Option<Pin<Box<Sleep>>>,
    due: Option<Instant>,
}

impl Wait<'_> {
    /// Ready when `limit` has passed since the first call.
    fn poll(&mut self, cx: &mut Context<'_>, limit: Duration) -> Poll<()> {
        let due = *self.due.get_or_insert_with(|| Instant::now() + limit);
        let timer = self.timer.get_or_insert_with(|| {
            let spare = self.spare.0.lock().take();
            let mut timer = spare.unwrap_or_else(|| Box::pin(sleep_until(due)));
            // One that fires too early is armed anew, which is cheaper than moving each.
            if timer.deadline() > due || timer.is_elapsed() {
                timer.as_mut().reset(due);
            }
            timer
        });
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= due {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            *self.spare.0.lock() = Some(timer);
        }
    }
}

#[cfg(test)]
mod tests;
