//! What waits for one connection.

use std::{collections::VecDeque, fmt, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Pushed;

/// What waits for one connection, up to a limit beyond which it is cut off.
#[derive(Debug)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    told: Notify,
    waiting_max: usize,
    on_cut: OnCut,
}

/// What is done when a connection is cut off, while it may be waiting for its client.
pub(super) struct OnCut(pub(super) Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for OnCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnCut").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Arc<Pushed>>,
    is_cut: bool,
}

impl Mailbox {
    pub(super) fn new(waiting_max: usize, on_cut: OnCut) -> Self {
        Self { state: Mutex::default(), told: Notify::new(), waiting_max, on_cut }
    }

    /// Puts something in. False: it was full, and is cut off now; what waited is gone from memory,
    /// not from the log.
    pub(super) fn post(&self, pushed: Arc<Pushed>) -> bool {
        let mut state = self.state.lock();
        if state.waiting.len() >= self.waiting_max {
            *state = State { waiting: VecDeque::new(), is_cut: true };
        } else {
            state.waiting.push_back(pushed);
        }
        let is_cut = state.is_cut;
        drop(state);
        self.told.notify_one();
        if is_cut {
            (self.on_cut.0)();
        }
        !is_cut
    }

    /// Takes what waits longest, or waits for it. None: it was cut off.
    ///
    /// # Cancel safety
    ///
    /// A wait that is given up takes nothing with it.
    pub(super) async fn next(&self) -> Option<Arc<Pushed>> {
        loop {
            {
                let mut state = self.state.lock();
                if state.is_cut {
                    return None;
                }
                if let Some(pushed) = state.waiting.pop_front() {
                    return Some(pushed);
                }
            }
            // A note from before is kept, so none is missed between the look and this.
            self.told.notified().await;
        }
    }
}
