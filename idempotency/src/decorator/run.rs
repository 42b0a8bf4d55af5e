//! One run of a handler, up to its end whatever that is.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use bytes::Bytes;
use headgate_types::{Event, format_duration};
use tokio::time::timeout;

use super::{Decoded, Decorated, with_data};
use crate::{
    claim_check::{DataRef, FetchError},
    context::{Context, Journal, Left},
    delivery::Delivery,
    fault::Fault,
    handler::Handler,
    key::RecordKey,
};

/// What a run came to.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) end: End,
    pub(super) left: Left,
}

/// How a run ended.
#[derive(Debug)]
pub(super) enum End {
    /// With a result, JSON.
    Done(Bytes),
    /// With a fault.
    Fault(Fault),
    /// With a panic.
    Panicked(String),
    /// Before it began: the handler does not take the event.
    Unreadable(String),
}

impl<H: Handler> Decorated<H> {
    /// Runs the handler. Nothing that it buffered is written yet.
    pub(super) async fn run(
        &self,
        (delivery, key): (&Delivery, &RecordKey),
        decoded: Decoded<H::Data>,
        journal: Option<Journal>,
    ) -> Ran {
        let (event, began) = (&delivery.event, self.records.now());
        let mut cx = Context::new(self.shared(event, key), journal);
        let decoded = match decoded {
            Some(decoded) => decoded.map_err(End::Unreadable),
            None => self.fetched(event).await,
        };
        let end = match decoded {
            Ok(event) => {
                if let Some(metrics) = &self.metrics {
                    metrics.ran();
                }
                self.bounded(event, &mut cx).await
            }
            Err(end) => end,
        };
        delivery.ran.add(self.records.now().since(began));
        Ran { end, left: cx.finish() }
    }

    /// The event with its data, which stands apart.
    async fn fetched(&self, event: &Event) -> Result<Event<H::Data>, End> {
        let Some(reference) = DataRef::in_place_of_data(event) else {
            return with_data::<H>(event, &event.data).map_err(End::Unreadable);
        };
        match self.records.fetch(&reference).await {
            Ok(data) => with_data::<H>(event, &data).map_err(End::Unreadable),
            Err(FetchError::Store(error)) => Err(End::Fault(error.into())),
            Err(error) => Err(End::Unreadable(error.to_string())),
        }
    }

    /// Runs the handler for as long as it may take.
    async fn bounded(&self, event: Event<H::Data>, cx: &mut Context<H::Mode>) -> End {
        // The result is written in here too, since that is the handler's code as well.
        let running = caught(async {
            let output = self.handler.handle(event, cx).await?;
            serde_json::to_vec(&output)
                .map_err(|error| Fault::retry(format!("the result: {error}")))
        });
        match timeout(self.terms.timeout, running).await {
            Ok(Ok(Ok(result))) => End::Done(result.into()),
            Ok(Ok(Err(fault))) => End::Fault(fault),
            Ok(Err(panic)) => End::Panicked(panic),
            Err(_) => {
                let length = format_duration(self.terms.timeout);
                End::Fault(Fault::retry(format!("it took longer than {length}")))
            }
        }
    }
}

/// Calls a part of the handler that is no future.
pub(super) fn calm<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| said(&*panic))
}

/// Lets a future run, and turns its panic into an error. What the future had begun to change is not
/// looked at again after that.
async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(said(&*panic))),
    })
    .await
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("with no text"))
}
