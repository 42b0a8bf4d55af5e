//! Making the table.

use std::time::Duration;

use aws_sdk_dynamodb::{
    error::{DisplayErrorContext, ProvideErrorMetadata},
    types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
        TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
    },
};
use tokio::time;

use super::{
    DynamoDb,
    failure::{self, Failure},
    layout::{PARTITION_KEY, SORT_KEY, TTL},
    translate::incomplete,
};
use crate::store::StoreError;

/// How long a table may take to be ready. AWS takes some ten seconds.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// Between two questions whether it is.
const ASK_EVERY: Duration = Duration::from_millis(500);

impl DynamoDb {
    /// Makes the table unless it is there, waits until it is ready, and lets DynamoDB remove what
    /// expired. Paid by request. May be called at every start, and by several at once.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`]: DynamoDB can't be reached or does not allow it, the table is not
    /// ready within a minute, or there is a table of this name with other keys.
    pub async fn create_table(&self) -> Result<(), StoreError> {
        if !self.is_ready().await? {
            self.create().await?;
            let ready = time::timeout(READY_WITHIN, async {
                while !self.is_ready().await? {
                    time::sleep(ASK_EVERY).await;
                }
                Ok(())
            });
            let late = || StoreError::Unavailable("the table is not ready in time".to_owned());
            ready.await.map_err(|_| late())??;
        }
        self.expire().await
    }

    /// Whether the table is there and takes requests.
    async fn is_ready(&self) -> Result<bool, StoreError> {
        let name = &self.settings.table;
        let table = match self.client.describe_table().table_name(name).send().await {
            Ok(found) => found.table,
            Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(false),
            Err(error) => return Err(failure::of(error).of_a_read()),
        };
        let keys = table.as_ref().map(TableDescription::key_schema).unwrap_or_default();
        let keys: Vec<_> = keys.iter().map(KeySchemaElement::attribute_name).collect();
        if keys != [PARTITION_KEY, SORT_KEY] {
            let fault = format!("the table {name} has the keys {keys:?}, and is not Headgate's");
            return Err(StoreError::Unavailable(fault));
        }
        let status = table.and_then(|table| table.table_status);
        Ok(matches!(status, Some(TableStatus::Active | TableStatus::Updating)))
    }

    async fn create(&self) -> Result<(), StoreError> {
        let mut call = self.client.create_table().table_name(&self.settings.table);
        for (name, kind) in [(PARTITION_KEY, KeyType::Hash), (SORT_KEY, KeyType::Range)] {
            let attribute = AttributeDefinition::builder().attribute_name(name);
            let attribute = attribute.attribute_type(ScalarAttributeType::S).build();
            let key = KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
            call = call
                .attribute_definitions(attribute.map_err(incomplete)?)
                .key_schema(key.map_err(incomplete)?);
        }
        match call.billing_mode(BillingMode::PayPerRequest).send().await {
            Ok(_) => Ok(()),
            // Somebody else was quicker.
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
            Err(error) => Err(failure::of(error).of_a_read()),
        }
    }

    /// Switches the removal of expired items on, unless it is.
    async fn expire(&self) -> Result<(), StoreError> {
        let name = &self.settings.table;
        let found = self.client.describe_time_to_live().table_name(name).send().await;
        let found = found.map_err(|error| failure::of(error).of_a_read())?;
        let status = found.time_to_live_description.and_then(|found| found.time_to_live_status);
        if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
            return Ok(());
        }
        let how = TimeToLiveSpecification::builder().enabled(true).attribute_name(TTL).build();
        let call = self.client.update_time_to_live().table_name(name);
        let done = call.time_to_live_specification(how.map_err(incomplete)?).send().await;
        match done {
            Ok(_) => Ok(()),
            // Somebody else was quicker; there is no other fault that such a request can have.
            Err(error) if error.code() == Some("ValidationException") => {
                tracing::debug!(error = %DisplayErrorContext(&error), "expiry was on already");
                Ok(())
            }
            Err(error) => Err(match failure::of(error) {
                Failure::Final(error) | Failure::Again(error) => error,
                other => other.of_a_read(),
            }),
        }
    }
}
