//! Follows an HTTP/2 connection that hyper drives, for what its endpoint says of its limits.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use atomic_waker::AtomicWaker;
use hyper::{client::conn::http2::Connection, rt::Executor};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
};

use crate::{body::RequestBody, upstream::connect::STREAMS_MAX};

/// What stands for an endpoint's limit of streams until it has told one: no endpoint tells this.
pub(super) const UNTOLD: usize = (1 << 31) - 7;

/// Runs the parts of a connection. hyper reads frames in a part of its own, so that after each step
/// of any part somebody has to look, until the endpoint has told its limits.
#[derive(Clone, Default)]
pub(super) struct Steps(Arc<Look>);

#[derive(Default)]
struct Look {
    is_told: AtomicBool,
    waker: AtomicWaker,
}

impl<F> Executor<F> for Steps
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, part: F) {
        let look = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut part = pin!(part);
            let _ended = poll_fn(|cx| {
                let polled = part.as_mut().poll(cx);
                if !look.is_told.load(Ordering::Relaxed) {
                    look.waker.wake();
                }
                polled
            })
            .await;
        });
    }
}

impl Steps {
    /// Drives a connection to its end, notes the streams that its endpoint takes at once, and tells
    /// when that is known; drops the teller if the connection ends before.
    pub(super) async fn follow<S>(
        self,
        connection: Connection<TokioIo<S>, RequestBody, Self>,
        (tell, said): (oneshot::Sender<()>, &AtomicUsize),
    ) where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut connection = pin!(connection);
        let mut tell = Some(tell);
        // Whatever went wrong has been told to the exchanges that waited.
        let _ended = poll_fn(|cx| {
            if tell.is_some() {
                self.0.waker.register(cx.waker());
            }
            let polled = connection.as_mut().poll(cx);
            let max = connection.current_max_send_streams();
            if max != UNTOLD {
                // One that takes none at the moment makes its requests wait.
                said.store(max.clamp(1, STREAMS_MAX), Ordering::Relaxed);
                self.0.is_told.store(true, Ordering::Relaxed);
                // Nobody waits for it any more, if this fails.
                let _sent = tell.take().map(|tell| tell.send(()));
            }
            polled
        })
        .await;
    }
}
