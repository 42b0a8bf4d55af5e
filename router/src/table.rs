//! Finds the one route of a request.

use serde::Serialize;

use crate::{facts::Facts, pattern::Pattern};

/// All routes, in their total order.
#[derive(Debug, Default)]
pub struct Table {}

/// Two routes that one request can match and nothing chooses between.
#[derive(Clone, Debug)]
pub struct Tie {
    /// One route.
    pub first: usize,
    /// The other.
    pub second: usize,
    /// A request that both match, in the words of a pattern.
    pub witness: String,
}

/// Why a request got its route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The route.
    pub route: Option<usize>,
    /// Why this one, or why none.
    pub reason: String,
}

impl Table {
    /// Orders the routes.
    ///
    /// # Errors
    ///
    /// All ties.
    pub fn build(_routes: impl IntoIterator<Item = (usize, Pattern)>) -> Result<Self, Vec<Tie>> {
        Ok(Self {})
    }

    /// Finds the route of a request.
    pub fn find(&self, _facts: &Facts<'_>) -> Option<usize> {
        None
    }

    /// Finds the route of a request and says why.
    pub fn explain(&self, _facts: &Facts<'_>) -> Explanation {
        Explanation { route: None, reason: String::new() }
    }
}
