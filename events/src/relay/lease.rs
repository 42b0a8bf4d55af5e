//! Who sweeps. Two who both think that they do are only slower: what they publish is the same.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_idempotency::{OsRandom, Random as _, Store as _, StoreError, dynamodb::DynamoDb};
use headgate_store::{Batch, Compare, Condition, Content, Key, Scalar};
use headgate_types::{Clock, UnixTime};

/// The space of the one item.
const SPACE: &str = "hg.relay";
const KEY: &[u8] = b"sweep";
/// Who holds it.
const OWNER: &str = "own";
/// Until when, in milliseconds of the holder's clock.
const UNTIL: &str = "until";

/// A lease on the sweeps of a table.
#[derive(Debug)]
pub(super) struct Lease {
    table: DynamoDb,
    clock: Arc<dyn Clock>,
    owner: Bytes,
    length: Duration,
    /// Up to when it is ours, by what the table has acknowledged.
    held_until: Option<UnixTime>,
}

impl Lease {
    pub(super) fn new(table: DynamoDb, clock: Arc<dyn Clock>, length: Duration) -> Self {
        let owner = Bytes::copy_from_slice(&OsRandom.bits().to_be_bytes());
        Self { table, clock, owner, length, held_until: None }
    }

    /// Takes it, or keeps it. A third of its length before its end it is written anew.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: whose it is is not known.
    pub(super) async fn hold(&mut self) -> Result<bool, StoreError> {
        let now = self.clock.unix_time();
        if self.held_until.is_some_and(|until| until.since(now) > self.length / 3) {
            return Ok(true);
        }
        let until = now + self.length;
        let attributes = [
            (OWNER.into(), Scalar::Bytes(self.owner.clone())),
            (UNTIL.into(), Scalar::Number(millis(until))),
        ];
        let content = Content { attributes: attributes.into(), ..Content::default() };
        let is =
            |name: &str, compare, value| Condition::Attribute { name: name.into(), compare, value };
        let when = Condition::Any(vec![
            Condition::Absent,
            is(OWNER, Compare::Equal, Scalar::Bytes(self.owner.clone())),
            is(UNTIL, Compare::Less, Scalar::Number(millis(now))),
        ]);
        let batch = Batch::new().put(Key::new(SPACE, KEY), content, when);
        self.held_until = match self.table.commit(batch).await {
            Ok(_) => Some(until),
            Err(StoreError::Refused(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(self.held_until.is_some())
    }
}

fn millis(time: UnixTime) -> u64 {
    u64::try_from(time.as_duration().as_millis()).unwrap_or(u64::MAX)
}
