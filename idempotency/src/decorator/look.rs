//! Looks at how an event stands with its handler, and leaves everything as it is.

use headgate_types::Event;

use super::{Decorated, standing};
use crate::{
    delivery::Settlement,
    handler::Handler,
    key::{RecordKey, Scope},
    protocol::classify::Standing,
    store::StoreError,
};

impl<H: Handler> Decorated<H> {
    /// The scope.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What names the work that an event asks of this handler.
    pub fn key(&self, event: &Event) -> RecordKey {
        self.work(event).claim.key
    }

    /// How an event stands with this handler, by one read. None: it is not settled yet, or its
    /// outcome is not kept any more.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn standing(&self, event: &Event) -> Result<Option<Settlement>, StoreError> {
        let claim = self.work(event).claim;
        let stands = match self.records.found(&claim).await? {
            Some(Standing::Replay(recorded)) => Some(super::Once::Replay(recorded)),
            Some(Standing::Conflict) => Some(super::Once::Conflict),
            Some(Standing::Held(held)) => Some(super::Once::Held(held)),
            _ => None,
        };
        let is_expired = || event.is_expired(self.records.unix_time());
        Ok(stands.and_then(standing).or_else(|| is_expired().then_some(Settlement::Expired)))
    }
}
