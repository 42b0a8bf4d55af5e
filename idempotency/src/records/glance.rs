//! What a handler asks of its records besides the verbs.

use super::Records;
use crate::{
    claim::{Claim, Once},
    protocol::classify::Standing,
    store::StoreError,
};

impl Records {
    /// What stands in the way of working on a key, where that is known for free. None: nothing, or
    /// only a write will tell.
    pub(crate) async fn glance(&self, claim: &Claim) -> Result<Option<Once>, StoreError> {
        let Some(record) = self.first_sight(&claim.key).await? else { return Ok(None) };
        Ok(match self.stand(claim, record) {
            Standing::Replay(recorded) => Some(Once::Replay(recorded)),
            Standing::Busy { until } => Some(Once::Busy { until }),
            Standing::Conflict => Some(Once::Conflict),
            Standing::Held(held) => Some(Once::Held(held)),
            Standing::Free { .. } | Standing::Waiting { .. } | Standing::Lost(_) => None,
        })
    }

    /// 64 random bits.
    pub(crate) fn bits(&self) -> u64 {
        self.inner.random.bits()
    }
}
