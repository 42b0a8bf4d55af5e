//! Settles an event without its handler, because of its series.

use std::time::Duration;

use bytes::Bytes;

use super::{Attempt, Decorated, standing, tell::Told};
use crate::{
    delivery::{Delivery, Settlement},
    error::CommitError,
    handler::Handler,
    outcome::{Blame, Commit, Outcome},
};

/// What whoever asks for the result of a cancelled event gets.
const CANCELLED: &[u8] = br#"{"error":"cancelled","cancelled":true}"#;
/// Why a paused event is not handled, in its record.
const PAUSED: &str = "the series is paused";

/// Why an event is not handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aside {
    /// Its series is cancelled: it is refused for good.
    Cancelled,
    /// Its series is paused: it comes again after this time, and no attempt is counted.
    Paused(Duration),
}

impl<H: Handler> Decorated<H> {
    /// Settles a delivery without its handler. What stands under its key goes before.
    ///
    /// # Errors
    ///
    /// As [`deliver`](Self::deliver).
    ///
    /// # Cancel safety
    ///
    /// As [`deliver`](Self::deliver).
    pub async fn set_aside(
        &self,
        delivery: &Delivery,
        aside: Aside,
    ) -> Result<Settlement, CommitError> {
        let claim = self.work(&delivery.event).claim;
        let attempt = Attempt { delivery, key: &claim.key, number: delivery.attempt };
        let (outcome, settlement) = match aside {
            Aside::Cancelled => {
                let result = Bytes::from_static(CANCELLED);
                let emit = self.told(&delivery.event, Told::Cancelled, None).into_iter().collect();
                let also = delivery.also.clone();
                let commit = Commit { result: result.clone(), emit, also, ..Commit::default() };
                (Outcome::Rejected(commit), Settlement::Rejected { result })
            }
            Aside::Paused(wait) => {
                self.defer(&attempt, PAUSED.to_owned(), Some(wait), Blame::Dependency)
            }
        };
        let once = self.records.once(claim.clone(), outcome).await?;
        Ok(standing(once).unwrap_or(settlement))
    }
}
