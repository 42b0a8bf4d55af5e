//! What a verified caller may do.

use headgate_telemetry::Denial;
use headgate_types::Identity;
use serde_json::Value;

/// What a verified caller lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lacking<'a> {
    /// A scope that the route demands.
    #[error("scope `{0}` is missing")]
    Scope(&'a str),
    /// A claim that the route demands, or its value.
    #[error("claim `{0}` has not the demanded value")]
    Claim(&'a str),
}

impl From<Lacking<'_>> for Denial {
    fn from(lacking: Lacking<'_>) -> Self {
        match lacking {
            Lacking::Scope(_) => Self::Scope,
            Lacking::Claim(_) => Self::Claim,
        }
    }
}

/// Whether a caller has every scope, and every claim with its value. A claim that is a list
/// satisfies a value that it contains.
///
/// # Errors
///
/// [`Lacking`] names the first demand that is not met.
pub fn authorize<'a>(
    identity: &Identity,
    scopes: &'a [String],
    claims: &'a [(String, Value)],
) -> Result<(), Lacking<'a>> {
    if let Some(scope) = scopes.iter().find(|scope| !identity.scopes.contains(scope)) {
        return Err(Lacking::Scope(scope));
    }
    let unmet = |(name, wanted): &&(String, Value)| match identity.claims.get(name) {
        Some(Value::Array(values)) => !values.contains(wanted) && wanted.as_array() != Some(values),
        Some(value) => value != wanted,
        None => true,
    };
    claims.iter().find(unmet).map_or(Ok(()), |(name, _)| Err(Lacking::Claim(name)))
}
