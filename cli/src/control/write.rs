//! Appends changes, and tells whether they count.

use std::sync::Arc;

use headgate_admin::OverlayError;
use headgate_config::control::{Change, Outdated};
use headgate_events::{Body, Log, LogError, Message, Topic};
use tokio::time::{Instant, timeout_at};

use super::{CHANGE_BYTES_MAX, CHANGED_WITHIN, Control, Home, OWN_MAX, too_large};

impl Control {
    /// Appends a change, and returns once it is taken in and in force here, or outdated.
    pub(super) async fn append(
        &self,
        change: Change,
    ) -> Result<Result<(), Outdated>, OverlayError> {
        match &self.inner.home {
            Home::Log(log, topic, _) => self.append_to(log, topic, &change).await,
            Home::Process => Ok(self.append_here(change).await),
            Home::Nowhere => Err(OverlayError::NoLog(self.unread().to_owned())),
        }
    }

    async fn append_here(&self, change: Change) -> Result<(), Outdated> {
        {
            let mut fold = self.inner.fold.lock();
            fold.folded.control.take(&change)?;
            let (base, own) = &mut fold.own;
            own.push_back(change);
            while own.len() > OWN_MAX {
                // They were taken in once already, in this order.
                let _outdated = own.pop_front().map(|oldest| base.take(&oldest));
            }
        }
        self.put().await;
        Ok(())
    }

    async fn append_to(
        &self,
        log: &Arc<dyn Log>,
        topic: &Topic,
        change: &Change,
    ) -> Result<Result<(), Outdated>, OverlayError> {
        let message = message(topic, change);
        let bytes = written(change).len();
        if bytes > CHANGE_BYTES_MAX {
            return Err(too_large(bytes));
        }
        let began = Instant::now();
        // Asked first, so that a log out of reach is told as such and leaves no doubt.
        let reached = timeout_at(began + CHANGED_WITHIN / 2, log.bounds(&topic.name)).await;
        match reached {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(OverlayError::NoLog(error.to_string())),
            Err(_) => return Err(OverlayError::NoLog("it does not answer in time".to_owned())),
        }
        let within = began + CHANGED_WITHIN;
        let mut folded = self.inner.folded.subscribe();
        let places = timeout_at(within, log.append(vec![message])).await;
        let places =
            places.map_err(|_| OverlayError::InDoubt)?.map_err(|error| not_there(&error))?;
        let offset = places.first().map(|place| place.offset).ok_or(OverlayError::InDoubt)?;
        let is_folded = |next: &Option<u64>| next.is_some_and(|next| next > offset);
        let is_told = timeout_at(within, folded.wait_for(is_folded)).await;
        if !matches!(is_told, Ok(Ok(_))) {
            return Err(OverlayError::InDoubt);
        }
        let fold = self.inner.fold.lock();
        let verdict = fold.verdicts.iter().find(|(at, _)| *at == offset);
        verdict.map(|(_, verdict)| *verdict).ok_or(OverlayError::InDoubt)
    }
}

/// What is known of a change that the log did not take.
fn not_there(error: &LogError) -> OverlayError {
    match error {
        LogError::Invalid(_) | LogError::Differs { .. } | LogError::Busy | LogError::Full => {
            OverlayError::NoLog(error.to_string())
        }
        _ => OverlayError::InDoubt,
    }
}

/// A change as it stands in the log.
pub(super) fn written(change: &Change) -> Vec<u8> {
    // It is made of texts and numbers, which JSON can always hold.
    serde_json::to_vec(change).unwrap_or_default()
}

pub(super) fn message(topic: &Topic, change: &Change) -> Message {
    let body = Body::Other { key: None, value: written(change).into() };
    Message { topic: Arc::clone(&topic.name), partition: 0, time: change.by.time, body }
}
