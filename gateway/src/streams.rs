//! The streams of an HTTP/2 connection, each a task of its own, and the end of one whose client
//! takes nothing: hyper then asks its body for nothing, and the connection may be busy with others.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use hyper::rt::Executor;
use tokio::time::{Sleep, sleep};

/// Runs streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams {
    /// How long a client may take nothing of an answer that is there.
    pub(crate) unread: Duration,
}

/// What an exchange did while its stream was polled.
#[derive(Clone, Copy)]
enum Did {
    /// It was not asked for anything.
    Nothing,
    /// It gave a piece of its answer.
    Moved,
    /// It waits, and minds its own time.
    Waits,
}

thread_local! {
    static DID: Cell<Did> = const { Cell::new(Did::Nothing) };
}

/// Notes what came of asking the exchange whose stream is polled on this thread.
pub(crate) fn note<T>(asked: Poll<T>) -> Poll<T> {
    DID.set(if asked.is_pending() { Did::Waits } else { Did::Moved });
    asked
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(in_time(stream, self.unread));
    }
}

/// Runs a stream to its end, or until it has stood still for too long; dropped, it is reset.
async fn in_time(stream: impl Future, unread: Duration) {
    let mut stream = pin!(stream);
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    // What never asks an exchange carries a tunnel, which minds its own time.
    let mut has_asked = false;
    poll_fn(|cx| {
        DID.set(Did::Nothing);
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match DID.get() {
            Did::Nothing if has_asked => {}
            Did::Nothing => return Poll::Pending,
            Did::Moved => timer = None,
            Did::Waits => {
                has_asked = true;
                timer = None;
                return Poll::Pending;
            }
        }
        has_asked = true;
        timer.get_or_insert_with(|| Box::pin(sleep(unread))).as_mut().poll(cx)
    })
    .await;
}

#[cfg(test)]
mod tests;
