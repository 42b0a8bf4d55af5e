//! The keys that sign Passports, as the admin API turns them.

use std::sync::Arc;

use headgate_admin::{PassportKeys, PassportRotated, RotateError};
use headgate_gateway::passport::{self, Mint, Rotated};

/// The keys of the running edge.
pub(crate) struct Keys(pub(crate) Arc<Mint>);

impl PassportKeys for Keys {
    fn jwks(&self) -> String {
        self.0.jwks()
    }

    fn rotate(&self, is_forced: bool) -> Result<PassportRotated, RotateError> {
        match self.0.rotate(is_forced) {
            Ok(Rotated { signs, next, turns_at }) => {
                Ok(PassportRotated { signs, next, turns_at: turns_at.to_string() })
            }
            Err(passport::RotateError::TooSoon(left)) => Err(RotateError::TooSoon(left)),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "passport keys not rotated"
                );
                Err(RotateError::Failed)
            }
        }
    }
}
