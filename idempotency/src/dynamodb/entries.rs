//! Entries of the outbox and of delay queues, for whoever carries them on.

use std::{collections::HashMap, sync::Arc};

use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use bytes::Bytes;
use headgate_store::{Batch, Due, Operation, READ_ROWS_MAX};
use headgate_types::UnixTime;

use super::{
    COUNTED, DynamoDb,
    commit::{Commit, Retries},
    failure::{self, Failure},
    layout::{self, PARTITION_KEY, Row, SHARDS, SORT_KEY, VALUE},
    translate::incomplete,
};
use crate::store::StoreError;

/// Rows that one request removes at most.
const REMOVED_MAX: usize = 25;

/// Called with what a commit has added to the outbox, right after the commit. It must not block.
pub type Emitted = Arc<dyn Fn(Vec<Outgoing>) + Send + Sync>;

/// An entry of the outbox: what a commit appended to a log that is elsewhere. It stays until it is
/// [published](DynamoDb::published), and may be published twice by a publisher that dies between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The topic that it goes to.
    pub topic: String,
    /// The partition of the topic.
    pub partition: u32,
    /// The time that its writer gave it.
    pub time: UnixTime,
    /// What was appended.
    pub payload: Bytes,
    sort: String,
}

impl Outgoing {
    /// What tells it from all others of the outbox.
    pub fn id(&self) -> &str {
        &self.sort
    }

    fn key(&self) -> Row {
        let shard = layout::outbox_shard(&self.topic, self.partition);
        layout::place(layout::outbox(shard), self.sort.clone())
    }
}

impl DynamoDb {
    /// Has whatever commits add to the outbox told from here on, by all clones: whoever publishes
    /// it then need not look for it. Only the first one that asks is told.
    pub fn tell_emitted(&self, emitted: Emitted) {
        self.emitted.get_or_init(|| emitted);
    }

    /// Tells what a commit has added to the outbox.
    pub(super) fn told(&self, batch: &Batch, commit: &Commit) {
        let Some(emitted) = self.emitted.get() else { return };
        let rows = batch.operations().iter().zip(0..).filter_map(|(operation, at)| {
            let Operation::Append { topic, partition, time, payload } = operation else {
                return None;
            };
            let mut row = layout::entry(topic, *partition, *time, (commit.version, at));
            row.insert(VALUE.to_owned(), layout::blob(payload));
            outgoing(&row)
        });
        let rows: Vec<_> = rows.collect();
        if !rows.is_empty() {
            emitted(rows);
        }
    }

    /// Entries of one shard of the outbox, of all [`SHARDS`], in the order of their times, at most
    /// [`READ_ROWS_MAX`] and 1 MB. All entries of a topic's partition are in one shard.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn outbox(&self, shard: u32, rows: usize) -> Result<Vec<Outgoing>, StoreError> {
        let found = self.query(layout::outbox(shard), None, rows).await?;
        found.iter().map(|row| outgoing(row).ok_or_else(foreign)).collect()
    }

    /// Removes entries of the outbox once the log has them, 25 with a request.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`]: some of the entries may be there still.
    pub async fn published(&self, entries: &[Outgoing]) -> Result<(), StoreError> {
        for entries in entries.chunks(REMOVED_MAX) {
            let mut left = Vec::with_capacity(entries.len());
            for entry in entries {
                let request = DeleteRequest::builder().set_key(Some(entry.key())).build();
                let request = request.map_err(incomplete)?;
                left.push(WriteRequest::builder().delete_request(request).build());
            }
            self.remove(left).await?;
        }
        Ok(())
    }

    /// Removes rows; what DynamoDB leaves for later is asked for again.
    async fn remove(&self, mut left: Vec<WriteRequest>) -> Result<(), StoreError> {
        let table = &self.settings.table;
        let mut retries = Retries::new(&self.settings);
        loop {
            let begun = self.meter.write(1);
            let call = self.client.batch_write_item().return_consumed_capacity(COUNTED);
            let call = call.set_request_items(Some(HashMap::from([(table.clone(), left.clone())])));
            let sent = Box::pin(call.send());
            let sent = retries.bound(async { sent.await.map_err(failure::of) }).await;
            let error = match begun.ended(sent) {
                Ok(done) => {
                    for consumed in done.consumed_capacity() {
                        self.meter.write_units([consumed]);
                    }
                    left = done
                        .unprocessed_items
                        .unwrap_or_default()
                        .remove(table)
                        .unwrap_or_default();
                    if left.is_empty() {
                        return Ok(());
                    }
                    StoreError::Busy
                }
                Err(failure @ (Failure::Lost(_) | Failure::Again(_))) => failure.of_a_read(),
                Err(failure) => return Err(failure.of_a_read()),
            };
            if !retries.wait(&self.meter).await {
                return Err(error);
            }
        }
    }

    /// Entries of a delay queue that are due, the longest due first, at most [`READ_ROWS_MAX`]. One
    /// request for each of the [`SHARDS`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn due(
        &self,
        queue: &str,
        now: UnixTime,
        rows: usize,
    ) -> Result<Vec<Due>, StoreError> {
        let mut found = Vec::new();
        for shard in 0..SHARDS {
            let rows = self.query(layout::delay(queue, shard), Some(now), rows).await?;
            for row in &rows {
                found.push(delayed(row).ok_or_else(foreign)?);
            }
        }
        found.sort_by(|a, b| (a.due, &a.id).cmp(&(b.due, &b.id)));
        found.truncate(rows.min(READ_ROWS_MAX));
        Ok(found)
    }

    /// Rows of a partition in order, up to a time.
    async fn query(
        &self,
        partition: String,
        until: Option<UnixTime>,
        rows: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let limit = i32::try_from(rows.clamp(1, READ_ROWS_MAX)).unwrap_or(i32::MAX);
        let mut call = self.client.query().table_name(&self.settings.table).limit(limit);
        call = call.consistent_read(true).return_consumed_capacity(COUNTED);
        call = call.expression_attribute_names("#pk", PARTITION_KEY);
        call = call.expression_attribute_values(":pk", AttributeValue::S(partition));
        call = match until {
            None => call.key_condition_expression("#pk = :pk"),
            Some(until) => {
                // `$` comes after the `#` behind each time: entries of that time are among them.
                let until = AttributeValue::S(format!("{}$", layout::moment(until)));
                call.key_condition_expression("#pk = :pk AND #sk < :until")
                    .expression_attribute_names("#sk", SORT_KEY)
                    .expression_attribute_values(":until", until)
            }
        };
        let mut retries = Retries::new(&self.settings);
        loop {
            let begun = self.meter.request();
            let sent = Box::pin(call.clone().send());
            let sent = retries.bound(async { sent.await.map_err(failure::of) }).await;
            let failure = match begun.ended(sent) {
                Ok(found) => {
                    self.meter.read_units(found.consumed_capacity());
                    return Ok(found.items.unwrap_or_default());
                }
                Err(failure) => failure,
            };
            let error = failure.of_a_read();
            let may_pass = matches!(failure, Failure::Lost(_) | Failure::Again(_));
            if !may_pass || !retries.wait(&self.meter).await {
                return Err(error);
            }
        }
    }
}

fn outgoing(row: &Row) -> Option<Outgoing> {
    Some(Outgoing {
        topic: row.get("topic")?.as_s().ok()?.clone(),
        partition: u32::try_from(layout::as_number(row.get("part")?)?).ok()?,
        time: layout::as_time(row.get("time")?)?,
        payload: payload(row)?,
        sort: row.get(SORT_KEY)?.as_s().ok()?.clone(),
    })
}

fn delayed(row: &Row) -> Option<Due> {
    let due = layout::as_time(row.get("due")?)?;
    Some(Due { due, id: layout::as_bytes(row.get("id")?)?, payload: payload(row)? })
}

fn payload(row: &Row) -> Option<Bytes> {
    row.get(VALUE).map_or(Some(Bytes::new()), layout::as_bytes)
}

fn foreign() -> StoreError {
    StoreError::Unavailable("a row of the table is no entry of ours".to_owned())
}
