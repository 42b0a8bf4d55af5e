//! What a handler asks of its records besides the verbs.

use super::Records;
use crate::{
    claim::{Claim, Once},
    protocol::classify::{Standing, classify},
    record::Record,
    store::StoreError,
};

/// What a look at a key told.
#[derive(Debug)]
pub(crate) enum Glance {
    /// The key's work must not be done.
    Stands(Once),
    /// It may be, over what was found. None: nothing, or only a write will tell.
    Free(Option<Box<Record>>),
}

impl Records {
    /// What stands under a key, where that is known for free.
    pub(crate) async fn glance(&self, claim: &Claim) -> Result<Glance, StoreError> {
        let Some(record) = self.first_sight(&claim.key).await? else {
            return Ok(Glance::Free(None));
        };
        Ok(match self.stand(claim, record) {
            Standing::Replay(recorded) => Glance::Stands(Once::Replay(recorded)),
            Standing::Busy { until } => Glance::Stands(Once::Busy { until }),
            Standing::Conflict => Glance::Stands(Once::Conflict),
            Standing::Held(held) => Glance::Stands(Once::Held(held)),
            Standing::Free { record, .. }
            | Standing::Waiting { record, .. }
            | Standing::Lost(record) => Glance::Free(Some(record)),
        })
    }

    /// What stands under a key, by a read. None: nothing.
    pub(crate) async fn found(&self, claim: &Claim) -> Result<Option<Standing>, StoreError> {
        let record = self.read(&claim.key).await?;
        Ok(record.map(|record| {
            let look = self.look(&claim.key, &record);
            classify(claim, record, look)
        }))
    }

    /// 64 random bits.
    pub(crate) fn bits(&self) -> u64 {
        self.inner.random.bits()
    }
}
