//! DynamoDB as a store of records: one table, strong reads, conditional writes, transactions.
//!
//! A batch of one operation is a `PutItem`, `UpdateItem` or `DeleteItem`, a larger one a
//! `TransactWriteItems`. Both return the item that stood against a condition, so that a loser needs
//! no read. Log entries go to an outbox and delayed entries to a queue in the same table, each in
//! as many partitions as [`SHARDS`]. Consumer offsets and trims are Kafka's matter, and expired
//! items are removed by DynamoDB, up to days later; a sweep is neither needed nor possible.
//!
//! Every commit draws a version at random, see [`Written`]; a write whose answer was lost is
//! recognized by it.

mod client;
mod commit;
mod edits;
mod entries;
mod expression;
mod failure;
mod layout;
mod meter;
mod scan;
mod settings;
mod table;
mod translate;

use std::{
    fmt,
    future::ready,
    sync::{Arc, OnceLock},
};

use aws_sdk_dynamodb::{
    Client,
    types::{ReturnConsumedCapacity, TransactWriteItem},
};
use headgate_store::{Batch, Durability, Item, Key, Operation, Refused};

use self::{
    commit::{Commit, Retries},
    failure::{Departure, Failure},
    layout::Row,
    meter::Meter,
};
use crate::store::{Answer, Budget, Page, Scan, Store, StoreError, Written};

pub use self::{
    entries::{Emitted, Outgoing},
    layout::SHARDS,
    meter::{Consumed, Observe},
    settings::{Credentials, Settings},
    translate::{ITEM_BYTES_MAX, TRANSACTION_OPERATIONS_MAX},
};

/// A table of DynamoDB. Clones share one client and its connections.
#[derive(Clone)]
pub struct DynamoDb {
    client: Client,
    settings: Arc<Settings>,
    meter: Arc<Meter>,
    emitted: Arc<OnceLock<Emitted>>,
}

/// Without the client, which knows credentials.
impl fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDb").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl DynamoDb {
    /// Makes a client; nothing is sent to DynamoDB yet. Region and credentials that the settings
    /// do not name are looked up where AWS's tools do: environment, shared files, web identity,
    /// the container's or the machine's role.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`]: the settings contradict themselves.
    pub async fn connect(settings: Settings) -> Result<Self, StoreError> {
        settings.validate()?;
        let client = client::connect(&settings).await;
        let (meter, emitted) = (Arc::default(), Arc::default());
        Ok(Self { client, settings: Arc::new(settings), meter, emitted })
    }

    /// What it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What was sent and consumed since the client was made, by all clones together.
    pub fn consumed(&self) -> Consumed {
        self.meter.read()
    }

    /// Has the time of each request told, from here on, by all clones.
    pub fn observe(&self, observe: Observe) {
        self.meter.tell(observe);
    }

    async fn item(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let row = self.row(layout::item(key)).await?;
        row.as_ref().map(layout::read).transpose()
    }

    /// A strong read, sent again while its answer is lost.
    async fn row(&self, key: Row) -> Result<Option<Row>, StoreError> {
        let mut retries = Retries::new(&self.settings);
        loop {
            let begun = self.meter.request();
            let sent = retries.bound(self.send_read(key.clone())).await;
            let failure = match begun.ended(sent) {
                Ok(row) => return Ok(row),
                Err(failure) => failure,
            };
            let error = failure.of_a_read();
            let may_pass = matches!(failure, Failure::Lost(_) | Failure::Again(_));
            if !may_pass || !retries.wait(&self.meter).await {
                return Err(error);
            }
        }
    }

    async fn send_read(&self, key: Row) -> Result<Option<Row>, Failure> {
        let call = self.client.get_item().table_name(&self.settings.table).set_key(Some(key));
        let call = call.consistent_read(true).return_consumed_capacity(COUNTED);
        let found = Box::pin(call.send()).await.map_err(failure::of)?;
        self.meter.read_units(found.consumed_capacity());
        Ok(found.item)
    }

    async fn carry_out(&self, batch: Batch) -> Result<Written, StoreError> {
        batch.validate().map_err(|error| StoreError::Invalid(error.to_string()))?;
        let commit = Commit::draw(&self.settings.table)?;
        if let [Operation::Check { key, when }] = batch.operations() {
            let current = self.item(key).await?;
            if !when.holds(current.as_ref()) {
                return Err(StoreError::Refused(Refused { operation: 0, current }));
            }
            return Ok(written(&commit));
        }
        let actions = translate::actions(&batch, &commit)?;
        let written = self.settle(&batch, &commit, &actions).await?;
        self.told(&batch, &commit);
        Ok(written)
    }

    /// Sends a batch until it is known what became of it, or no attempt or time is left.
    async fn settle(
        &self,
        batch: &Batch,
        commit: &Commit,
        actions: &[TransactWriteItem],
    ) -> Result<Written, StoreError> {
        let mut retries = Retries::new(&self.settings);
        let mut lost = None;
        loop {
            let begun = self.meter.write(actions.len());
            let sent = retries.bound(self.send(commit, actions)).await;
            let error = match begun.ended(sent) {
                Ok(()) => return Ok(written(commit)),
                Err(Failure::Conditions(rows)) => match commit.judge(batch, &rows) {
                    Ok(()) => return Ok(written(commit)),
                    // With its token a transaction is carried out once, so this answer is about the
                    // first attempt too. A single write may have been carried out and written over.
                    Err(error) if lost.is_none() || actions.len() > 1 => return Err(error),
                    Err(_) => return Err(in_doubt(lost)),
                },
                Err(Failure::Lost(why)) => {
                    if actions.len() == 1 && !commit::may_repeat(batch) {
                        return self.look(batch, commit, actions, why).await;
                    }
                    tracing::debug!(%why, "the answer to a write was lost");
                    lost = Some(why);
                    None
                }
                Err(Failure::Again(error)) => Some(error),
                Err(Failure::Final(error)) => {
                    return Err(if lost.is_some() { in_doubt(lost) } else { error });
                }
            };
            if !retries.wait(&self.meter).await {
                return Err(error.filter(|_| lost.is_none()).unwrap_or_else(|| in_doubt(lost)));
            }
        }
    }

    /// Tells what became of a single write that may not be sent again: it would take effect twice.
    async fn look(
        &self,
        batch: &Batch,
        commit: &Commit,
        actions: &[TransactWriteItem],
        why: String,
    ) -> Result<Written, StoreError> {
        let Some(key) = actions.first().and_then(translate::key) else {
            return Err(StoreError::InDoubt(why));
        };
        // An error of this read tells nothing about the write.
        let row = self.row(key).await.map_err(|_| StoreError::InDoubt(why.clone()))?;
        let is_done = match &row {
            Some(row) => layout::version(row) == Some(commit.version),
            None => commit::wants_it_gone(batch),
        };
        if is_done { Ok(written(commit)) } else { Err(StoreError::InDoubt(why)) }
    }

    async fn send(&self, commit: &Commit, actions: &[TransactWriteItem]) -> Result<(), Failure> {
        if let [action] = actions {
            return self.send_one(action.clone()).await;
        }
        let call = self.client.transact_write_items().client_request_token(&commit.token);
        let call = call.set_transact_items(Some(actions.to_vec()));
        let call = call.return_consumed_capacity(COUNTED).customize();
        let departure = Departure::default();
        let sent = Box::pin(call.interceptor(departure.clone()).send()).await;
        let done = sent.map_err(|error| failure::after(error, &departure))?;
        self.meter.write_units(done.consumed_capacity());
        Ok(())
    }

    async fn send_one(&self, action: TransactWriteItem) -> Result<(), Failure> {
        let departure = Departure::default();
        let consumed = if let Some(put) = action.put {
            let call = self.client.put_item().table_name(put.table_name);
            let call = call
                .set_item(Some(put.item))
                .set_condition_expression(put.condition_expression)
                .set_expression_attribute_names(put.expression_attribute_names)
                .set_expression_attribute_values(put.expression_attribute_values)
                .set_return_values_on_condition_check_failure(
                    put.return_values_on_condition_check_failure,
                );
            let call = call.return_consumed_capacity(COUNTED).customize();
            let sent = Box::pin(call.interceptor(departure.clone()).send()).await;
            sent.map_err(|error| failure::after(error, &departure))?.consumed_capacity
        } else if let Some(update) = action.update {
            let call = self.client.update_item().table_name(update.table_name);
            let call = call
                .set_key(Some(update.key))
                .update_expression(update.update_expression)
                .set_condition_expression(update.condition_expression)
                .set_expression_attribute_names(update.expression_attribute_names)
                .set_expression_attribute_values(update.expression_attribute_values)
                .set_return_values_on_condition_check_failure(
                    update.return_values_on_condition_check_failure,
                );
            let call = call.return_consumed_capacity(COUNTED).customize();
            let sent = Box::pin(call.interceptor(departure.clone()).send()).await;
            sent.map_err(|error| failure::after(error, &departure))?.consumed_capacity
        } else if let Some(delete) = action.delete {
            let call = self.client.delete_item().table_name(delete.table_name);
            let call = call
                .set_key(Some(delete.key))
                .set_condition_expression(delete.condition_expression)
                .set_expression_attribute_names(delete.expression_attribute_names)
                .set_expression_attribute_values(delete.expression_attribute_values)
                .set_return_values_on_condition_check_failure(
                    delete.return_values_on_condition_check_failure,
                );
            let call = call.return_consumed_capacity(COUNTED).customize();
            let sent = Box::pin(call.interceptor(departure.clone()).send()).await;
            sent.map_err(|error| failure::after(error, &departure))?.consumed_capacity
        } else {
            return Err(Failure::Final(StoreError::Invalid("a check stands alone".to_owned())));
        };
        self.meter.write_units(consumed.as_slice());
        Ok(())
    }
}

impl Store for DynamoDb {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>> {
        Box::pin(self.item(key))
    }

    /// # Cancel safety
    ///
    /// A batch whose answer is no longer awaited is carried out or not, and is not sent again.
    fn commit(&self, batch: Batch) -> Answer<'_, Written> {
        Box::pin(self.carry_out(batch))
    }

    /// Always an error: offsets are kept where the log is. One item for all commits of a partition
    /// would also be where they all meet.
    fn offset<'a>(&'a self, _: &'a str, _: &'a str, _: u32) -> Answer<'a, Option<u64>> {
        Box::pin(ready(Err(translate::no_offsets())))
    }

    fn scan<'a>(&'a self, scan: Scan<'a>) -> Answer<'a, Page> {
        Box::pin(self.look_through(scan))
    }

    fn budget(&self) -> Budget {
        Budget {
            operations: TRANSACTION_OPERATIONS_MAX,
            result_bytes: RESULT_BYTES_MAX,
            ..Budget::default()
        }
    }
}

/// Bytes of a result at most: what an item holds, less room for the rest of a record.
const RESULT_BYTES_MAX: usize = ITEM_BYTES_MAX - (32 << 10);

/// Capacity is asked for with every request: it costs nothing, and tells what the table does.
const COUNTED: ReturnConsumedCapacity = ReturnConsumedCapacity::Total;

fn written(commit: &Commit) -> Written {
    Written { version: commit.version, durability: Durability::Replicated }
}

fn in_doubt(lost: Option<String>) -> StoreError {
    StoreError::InDoubt(lost.unwrap_or_else(|| "no attempt was left".to_owned()))
}
