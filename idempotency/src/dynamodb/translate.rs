//! Operations as DynamoDB's actions.

use aws_sdk_dynamodb::{
    error::BuildError,
    types::{
        ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
    },
};
use headgate_store::{Batch, Condition, Content, Edit, Key, Operation};

use super::{
    commit::Commit,
    edits,
    expression::{self, Clause, Placeholders},
    layout::{self, PARTITION_KEY, Row, SORT_KEY, VERSION},
};
use crate::store::StoreError;

/// Operations in one transaction at most.
pub const TRANSACTION_OPERATIONS_MAX: usize = 100;
/// Bytes of an item at most, names, keys and all.
pub const ITEM_BYTES_MAX: usize = 400 << 10;

/// What a loser needs to know comes with the refusal.
const ON_REFUSAL: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

/// A batch's actions, in the order of its operations.
///
/// # Errors
///
/// [`StoreError::Invalid`]: more than a transaction or an item holds, or an operation that belongs
/// to a log.
pub(super) fn actions(
    batch: &Batch,
    commit: &Commit,
) -> Result<Vec<TransactWriteItem>, StoreError> {
    let operations = batch.operations();
    if operations.len() > TRANSACTION_OPERATIONS_MAX {
        let found = operations.len();
        return Err(StoreError::Invalid(format!(
            "the batch has {found} operations, and a transaction takes {TRANSACTION_OPERATIONS_MAX}"
        )));
    }
    operations.iter().zip(0..).map(|(operation, at)| commit.action(operation, at)).collect()
}

/// The key of an action's row.
pub(super) fn key(action: &TransactWriteItem) -> Option<Row> {
    let row = match (&action.put, &action.update, &action.delete) {
        (Some(put), ..) => &put.item,
        (_, Some(update), _) => &update.key,
        (.., Some(delete)) => &delete.key,
        _ => return None,
    };
    let keys = [PARTITION_KEY, SORT_KEY];
    keys.iter().map(|name| Some(((*name).to_owned(), row.get(*name)?.clone()))).collect()
}

impl Commit {
    fn action(&self, operation: &Operation, at: usize) -> Result<TransactWriteItem, StoreError> {
        match operation {
            Operation::Check { key, when } => self.check(key, when),
            Operation::Put { key, content, when } => {
                let mut row = layout::item(key);
                layout::fill(&mut row, content);
                self.put(row, expression::clause(when))
            }
            Operation::Update { key, edits, when } => self.update(key, edits, when),
            Operation::Delete { key, when } => {
                self.delete(layout::item(key), &expression::clause(when))
            }
            Operation::Append { topic, partition, time, payload } => {
                let mut row = layout::entry(topic, *partition, *time, (self.version, at));
                layout::fill(&mut row, &value(payload));
                self.put(row, Clause::True)
            }
            Operation::Schedule { queue, due, id, payload } => {
                let mut row = layout::delayed(queue, *due, id)?;
                row.insert("due".to_owned(), layout::number(layout::millis(*due)));
                row.insert("id".to_owned(), layout::blob(id));
                layout::fill(&mut row, &value(payload));
                self.put(row, Clause::True)
            }
            Operation::Take { queue, due, id } => {
                self.delete(layout::delayed(queue, *due, id)?, &expression::present())
            }
            Operation::CommitOffset { .. } | Operation::ResetOffset { .. } => Err(no_offsets()),
            Operation::Trim { .. } => {
                Err(StoreError::Invalid("logs are trimmed by Kafka, not by DynamoDB".to_owned()))
            }
            Operation::Sweep { .. } => {
                Err(StoreError::Invalid("DynamoDB removes expired items by itself".to_owned()))
            }
            _ => Err(StoreError::Invalid("DynamoDB knows no such operation".to_owned())),
        }
    }

    fn check(&self, key: &Key, when: &Condition) -> Result<TransactWriteItem, StoreError> {
        let mut places = Placeholders::default();
        let when = match expression::clause(when) {
            // A check must ask something.
            Clause::True => expression::always(),
            when => when,
        };
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(layout::item(key)))
            .set_condition_expression(when.text(&mut places))
            .set_expression_attribute_names(places.names())
            .set_expression_attribute_values(places.values())
            .return_values_on_condition_check_failure(ON_REFUSAL)
            .build();
        Ok(TransactWriteItem::builder().condition_check(check.map_err(incomplete)?).build())
    }

    fn put(&self, mut row: Row, when: Clause) -> Result<TransactWriteItem, StoreError> {
        row.insert(VERSION.to_owned(), layout::number(self.version));
        let bytes = layout::bytes(&row);
        if bytes > ITEM_BYTES_MAX {
            return Err(StoreError::Invalid(format!(
                "an item has {bytes} bytes, and at most {ITEM_BYTES_MAX} are allowed"
            )));
        }
        let mut places = Placeholders::default();
        let when = Clause::all([when, expression::unwritten(self.version)]);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(row))
            .set_condition_expression(when.text(&mut places))
            .set_expression_attribute_names(places.names())
            .set_expression_attribute_values(places.values())
            .return_values_on_condition_check_failure(ON_REFUSAL)
            .build();
        Ok(TransactWriteItem::builder().put(put.map_err(incomplete)?).build())
    }

    fn update(
        &self,
        key: &Key,
        edits: &[Edit],
        when: &Condition,
    ) -> Result<TransactWriteItem, StoreError> {
        let edits =
            edits::Update::fold(edits).map_err(|why| StoreError::Invalid(why.to_owned()))?;
        let mut places = Placeholders::default();
        let unwritten = expression::unwritten(self.version);
        let when = Clause::all([expression::clause(when), edits.guard(), unwritten]);
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(layout::item(key)))
            .update_expression(edits.text(self.version, &mut places))
            .set_condition_expression(when.text(&mut places))
            .set_expression_attribute_names(places.names())
            .set_expression_attribute_values(places.values())
            .return_values_on_condition_check_failure(ON_REFUSAL)
            .build();
        Ok(TransactWriteItem::builder().update(update.map_err(incomplete)?).build())
    }

    fn delete(&self, key: Row, when: &Clause) -> Result<TransactWriteItem, StoreError> {
        let mut places = Placeholders::default();
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key))
            .set_condition_expression(when.text(&mut places))
            .set_expression_attribute_names(places.names())
            .set_expression_attribute_values(places.values())
            .return_values_on_condition_check_failure(ON_REFUSAL)
            .build();
        Ok(TransactWriteItem::builder().delete(delete.map_err(incomplete)?).build())
    }
}

fn value(payload: &bytes::Bytes) -> Content {
    Content { value: payload.clone(), ..Content::default() }
}

/// Offsets belong to whoever has the log.
pub(super) fn no_offsets() -> StoreError {
    StoreError::Invalid("offsets are kept by Kafka, not by DynamoDB".to_owned())
}

/// The SDK misses a part of a request, which is a fault of whoever builds it.
#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` asks for")]
pub(super) fn incomplete(error: BuildError) -> StoreError {
    StoreError::Invalid(error.to_string())
}
