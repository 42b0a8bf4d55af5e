//! An answer that is on its way: awaited on any runtime, or waited for by a thread.

use std::{
    future::Future,
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use parking_lot::Mutex;

use crate::{
    batch::Ack,
    error::{Closed, Error},
};

/// A batch that waits for its acknowledgement. Dropping it does not withdraw the batch.
#[must_use = "a batch is durable only once it is acknowledged"]
#[derive(Debug)]
pub struct Pending {
    slot: Arc<Slot>,
}

/// The committer's end. Dropped without an answer, it answers that the store is closed.
#[derive(Debug)]
pub(crate) struct Answer {
    slot: Option<Arc<Slot>>,
}

type Slot = Mutex<State>;

#[derive(Debug)]
enum State {
    Waiting(Option<Waker>),
    Answered(Result<Ack, Error>),
    Taken,
}

/// The two ends of one answer.
pub(crate) fn pending() -> (Answer, Pending) {
    let slot = Arc::new(Mutex::new(State::Waiting(None)));
    (Answer { slot: Some(Arc::clone(&slot)) }, Pending { slot })
}

impl Answer {
    pub(crate) fn give(mut self, result: Result<Ack, Error>) {
        self.fill(result);
    }

    fn fill(&mut self, result: Result<Ack, Error>) {
        let Some(slot) = self.slot.take() else { return };
        let before = mem::replace(&mut *slot.lock(), State::Answered(result));
        // Woken without the lock, which the other side takes at once.
        if let State::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.fill(Err(Error::Closed(Closed::CommitterGone)));
    }
}

impl Pending {
    /// Blocks the thread until the batch is acknowledged or refused. Not for async code, which
    /// awaits instead.
    ///
    /// # Errors
    ///
    /// As [`Store::submit`](crate::Store::submit).
    pub fn wait(self) -> Result<Ack, Error> {
        block_on(self)
    }
}

/// Blocks the thread until the future is ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// # Cancel safety
///
/// A batch whose answer is no longer awaited is carried out all the same.
impl Future for Pending {
    type Output = Result<Ack, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.slot.lock();
        match mem::replace(&mut *state, State::Taken) {
            State::Answered(result) => Poll::Ready(result),
            State::Waiting(_) => {
                *state = State::Waiting(Some(context.waker().clone()));
                Poll::Pending
            }
            // Polled again after the answer: there is none to come.
            State::Taken => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests;
