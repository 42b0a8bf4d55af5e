//! One commit: what tells it from all others, and what its failures say.

use std::time::Duration;

use headgate_store::{Batch, Condition, Item, Operation, Refused};
use tokio::time::{self, Instant};

use super::{
    failure::Failure,
    layout::{self, Row},
    meter::Meter,
    settings::Settings,
};
use crate::store::StoreError;

/// What tells a commit from all others.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    /// The table that it goes to.
    pub(super) table: String,
    /// The version of what it writes.
    pub(super) version: u64,
    /// What DynamoDB knows a transaction by that is sent again.
    pub(super) token: String,
}

/// A row that stood against an action: the action's place, and the row if there was one.
pub(super) type Against = (usize, Option<Row>);

impl Commit {
    /// Draws 128 random bits from the operating system: the token. Half of them are the version.
    ///
    /// A version is never given twice because it is drawn: two of one item are the same once in
    /// 2^64 pairs, also when the first is long deleted and when clocks go wrong.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`]: the system has no random bits.
    pub(super) fn draw(table: &str) -> Result<Self, StoreError> {
        let bits =
            || getrandom::u64().map_err(|_| StoreError::Unavailable("no random bits".to_owned()));
        Ok(Self::of(table, bits()?, bits()?))
    }

    pub(super) fn of(table: &str, version: u64, rest: u64) -> Self {
        let token = format!("{version:016x}{rest:016x}");
        Self { table: table.to_owned(), version, token }
    }

    /// Tells what conditions that did not hold mean, from the rows that stood against them: that
    /// an earlier attempt of this very commit was carried out, or else why it was not.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] by the first operation whose condition does not hold;
    /// [`StoreError::Invalid`] when all hold, which leaves the guard of a sum.
    pub(super) fn judge(&self, batch: &Batch, against: &[Against]) -> Result<(), StoreError> {
        let rows = || against.iter().filter_map(|(_, row)| row.as_ref());
        if rows().any(|row| layout::version(row) == Some(self.version)) {
            return Ok(());
        }
        for (operation, row) in against {
            let Some(refused) = batch.operations().get(*operation) else { continue };
            let (Operation::Check { when, .. }
            | Operation::Put { when, .. }
            | Operation::Update { when, .. }
            | Operation::Delete { when, .. }) = refused
            else {
                return Err(refusal(*operation, None));
            };
            let current = row.as_ref().map(layout::read).transpose()?;
            if !when.holds(current.as_ref()) {
                return Err(refusal(*operation, current));
            }
        }
        Err(StoreError::Invalid("a sum overflows, or is taken of bytes".to_owned()))
    }
}

fn refusal(operation: usize, current: Option<Item>) -> StoreError {
    StoreError::Refused(Refused { operation, current })
}

/// Whether a single write that may have been carried out may be sent again.
///
/// It carries the guard that its own version does not stand there. That leaves a write that was
/// carried out and then written over by another one: there its condition has to be the guard, and
/// it is when it names what the write itself changes.
pub(super) fn may_repeat(batch: &Batch) -> bool {
    match batch.operations() {
        [
            Operation::Put { when, .. }
            | Operation::Update { when, .. }
            | Operation::Delete { when, .. },
        ] => is_spent(when),
        [Operation::Append { .. }] => true,
        _ => false,
    }
}

/// Whether a condition is of the kind that does not hold any more once its write has taken place.
fn is_spent(condition: &Condition) -> bool {
    match condition {
        Condition::Absent | Condition::VersionIs(_) | Condition::ExpiredBy(_) => true,
        Condition::Attribute { compare, .. } => *compare == headgate_store::Compare::Equal,
        Condition::All(conditions) => conditions.iter().any(is_spent),
        Condition::Any(conditions) => conditions.iter().all(is_spent),
        Condition::Always | Condition::Present | Condition::NoAttribute(_) => false,
    }
}

/// Whether the batch asks for an item to be gone and for nothing else: then finding none is enough.
pub(super) fn wants_it_gone(batch: &Batch) -> bool {
    matches!(batch.operations(), [Operation::Delete { when: Condition::Always, .. }])
}

/// What is left of the attempts and the time of one operation.
#[derive(Debug)]
pub(super) struct Retries {
    deadline: Instant,
    attempts: u32,
    backoff: Duration,
    backoff_max: Duration,
}

impl Retries {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            deadline: Instant::now() + settings.operation_timeout,
            attempts: settings.attempts_max.get() - 1,
            backoff: settings.backoff,
            backoff_max: settings.backoff_max,
        }
    }

    /// Gives an attempt up at the operation's deadline.
    pub(super) async fn bound<T>(
        &self,
        attempt: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let ended = time::timeout_at(self.deadline, attempt).await;
        ended.unwrap_or_else(|_| Err(Failure::Lost("the operation's time ran out".to_owned())))
    }

    /// Waits before another attempt. False: there is none any more.
    pub(super) async fn wait(&mut self, meter: &Meter) -> bool {
        let Some(attempts) = self.attempts.checked_sub(1) else { return false };
        self.attempts = attempts;
        // Full jitter: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
        let wait = self.backoff.mul_f64(fastrand::f64());
        self.backoff = self.backoff.saturating_mul(2).min(self.backoff_max);
        if Instant::now() + wait >= self.deadline {
            return false;
        }
        time::sleep(wait).await;
        meter.retry();
        true
    }
}

#[cfg(test)]
mod tests;
