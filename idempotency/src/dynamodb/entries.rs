//! Entries of the outbox and of delay queues, for whoever carries them on.

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use headgate_store::{Due, READ_ROWS_MAX};
use headgate_types::UnixTime;

use super::{
    COUNTED, DynamoDb,
    commit::Retries,
    failure::{self, Failure},
    layout::{self, PARTITION_KEY, Row, SHARDS, SORT_KEY, VALUE},
};
use crate::store::StoreError;

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

impl DynamoDb {
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

    /// Removes an entry of the outbox once the log has it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`]: the entry may be there still.
    pub async fn published(&self, entry: &Outgoing) -> Result<(), StoreError> {
        let shard = layout::outbox_shard(&entry.topic, entry.partition);
        let key = layout::place(layout::outbox(shard), entry.sort.clone());
        let begun = self.meter.write(1);
        let call = self.client.delete_item().table_name(&self.settings.table).set_key(Some(key));
        let call = call.return_consumed_capacity(COUNTED);
        let done = Box::pin(call.send()).await;
        let done = begun.ended(done.map_err(failure::of));
        let done = done.map_err(|failure| failure.of_a_read())?;
        self.meter.write_units(done.consumed_capacity());
        Ok(())
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
