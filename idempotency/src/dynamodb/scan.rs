//! A look through the table, for the few items of a space that match.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use headgate_store::READ_ROWS_MAX;

use super::{
    COUNTED, DynamoDb,
    commit::Retries,
    expression::{Clause, Placeholders, clause},
    failure::{self, Failure},
    layout::{self, PARTITION_KEY, Row, SORT_KEY},
};
use crate::store::{Page, Scan, StoreError};

impl DynamoDb {
    /// One request, of at most [`READ_ROWS_MAX`] rows and 1 MB. What does not match is read and
    /// paid for all the same, so this is for people who look for the few.
    pub(super) async fn look_through(&self, scan: Scan<'_>) -> Result<Page, StoreError> {
        let mut places = Placeholders::default();
        let space = AttributeValue::S(scan.space.to_owned());
        let of_space = Clause::Compare(SORT_KEY.to_owned(), "=", space);
        let matching = Clause::all([of_space, clause(scan.matching)]);
        let limit = i32::try_from(scan.rows.clamp(1, READ_ROWS_MAX)).unwrap_or(i32::MAX);
        let call = self.client.scan().table_name(&self.settings.table).limit(limit);
        let call = call.consistent_read(true).return_consumed_capacity(COUNTED);
        let call = call.set_filter_expression(matching.text(&mut places));
        let call = call.set_expression_attribute_names(places.names());
        let call = call.set_expression_attribute_values(places.values());
        let call = call.set_exclusive_start_key(scan.after.map(start).transpose()?);
        let mut retries = Retries::new(&self.settings);
        loop {
            let begun = self.meter.request();
            let sent = Box::pin(call.clone().send());
            let sent = retries.bound(async { sent.await.map_err(failure::of) }).await;
            let failure = match begun.ended(sent) {
                Ok(found) => {
                    self.meter.read_units(found.consumed_capacity());
                    let next = found.last_evaluated_key().map(cursor).transpose()?;
                    let items = found.items().iter().map(item).collect::<Result<_, _>>()?;
                    return Ok(Page { items, next });
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

fn item(row: &Row) -> Result<(Bytes, headgate_store::Item), StoreError> {
    let key = row.get(PARTITION_KEY).and_then(|key| layout::item_key(key.as_s().ok()?));
    Ok((key.ok_or_else(foreign)?, layout::read(row)?))
}

/// A row's key, as whoever looks on gets it: it means nothing to anybody else.
fn cursor(row: &Row) -> Result<Bytes, StoreError> {
    let part = |name| row.get(name).and_then(|value| value.as_s().ok()).ok_or_else(foreign);
    let (partition, sort) = (part(PARTITION_KEY)?, part(SORT_KEY)?);
    let parts = [partition, sort].map(|part| URL_SAFE_NO_PAD.encode(part));
    Ok(parts.join(".").into())
}

fn start(cursor: &Bytes) -> Result<Row, StoreError> {
    let part = |text: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok();
    let row = std::str::from_utf8(cursor).ok().and_then(|text| {
        let (partition, sort) = text.split_once('.')?;
        Some(layout::place(part(partition)?, part(sort)?))
    });
    row.ok_or_else(|| StoreError::Invalid("that is no place to go on from".to_owned()))
}

fn foreign() -> StoreError {
    StoreError::Unavailable("a row of the table is no item of ours".to_owned())
}
