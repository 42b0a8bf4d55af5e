//! Finds the one route of a request.
//!
//! All patterns that match a request are compared, and one order, in which files and their order
//! play no part, says which goes first. From the first difference on, the rest does not matter:
//!
//! 1. **Host**: exact, then `*.example.com` (the longer first), then none.
//! 2. **Path**: the one with more literal segments before its first parameter, so that a path
//!    without parameters goes before all; then more literal segments in all; then the one that has
//!    a literal further left where the other has `{name}` or `{*name}`, or `{name}` where the
//!    other has `{*name}`.
//! 3. **Methods**: fewer. `GET` takes HEAD as well and counts as two; `*` is the most.
//! 4. **Predicates**: more; then more that name a value (`=`, device classes); then more with an
//!    expression or a bound of the version; then, where both name device classes, fewer of them;
//!    then, where both bound the version on the same sides, the closer bound.
//!
//! Two patterns that are alike in all of that are a [`Tie`] if one request can match both. Two
//! expressions on the same name are not a tie: the longer text goes first, then the alphabet.
//!
//! A pattern that fails in its methods or predicates is passed over, and the next one is asked: a
//! route for `api.example.com` does not hide those without a host.

use std::collections::HashMap;

use crate::{
    facts::Facts,
    path,
    pattern::{Host, Pattern},
};

mod explanation;
mod order;
mod tie;
mod tree;

use explanation::Recording;
pub use explanation::{Candidate, Explanation, Verdict};
use order::Specificity;
pub use tie::{Tie, Witness};
use tree::Tree;

/// All routes in their total order, ready to be searched.
///
/// A search looks up the host and walks the path segment by segment, so its time grows with the
/// depth of the path and the routes that share it, not with the number of routes. It allocates
/// nothing.
#[derive(Debug, Default)]
pub struct Table {
    /// All routes, the first to be preferred first. A route's rank is its index.
    routes: Vec<Route>,
    exact: HashMap<Box<str>, Tree>,
    /// By suffix, which starts with a dot.
    wildcard: HashMap<Box<str>, Tree>,
    any: Tree,
}

#[derive(Debug)]
struct Route {
    id: usize,
    pattern: Pattern,
    specificity: Specificity,
}

/// Hears what a search sees. The silent one compiles to nothing.
trait Recorder {
    /// Whether candidates that can't win are to be seen too.
    const IS_EXHAUSTIVE: bool;

    /// A route whose host and path match.
    fn saw(&mut self, rank: usize, verdict: Seen);
}

/// What became of a route whose host and path match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Matched,
    OtherMethod,
    FailedPredicate,
}

struct Silent;

impl Recorder for Silent {
    const IS_EXHAUSTIVE: bool = false;

    fn saw(&mut self, _: usize, _: Seen) {}
}

impl Table {
    /// Puts routes into their order. The numbers are the caller's own and come back from
    /// [`Table::find`].
    ///
    /// # Errors
    ///
    /// All ties, when there are any.
    pub fn build(routes: impl IntoIterator<Item = (usize, Pattern)>) -> Result<Self, Vec<Tie>> {
        let mut table = Self { routes: ordered(routes)?, ..Self::default() };
        for (rank, route) in table.routes.iter().enumerate() {
            let tree = match &route.pattern.host {
                Host::Exact(name) => table.exact.entry(name.clone()).or_default(),
                Host::Wildcard(suffix) => table.wildcard.entry(suffix.clone()).or_default(),
                Host::Any => &mut table.any,
            };
            tree.insert(&route.pattern.segments, rank);
        }
        Ok(table)
    }

    /// The routes' numbers in the order in which they are preferred, without what a search needs.
    ///
    /// # Errors
    ///
    /// All ties, when there are any.
    pub fn order(
        routes: impl IntoIterator<Item = (usize, Pattern)>,
    ) -> Result<Vec<usize>, Vec<Tie>> {
        Ok(ordered(routes)?.into_iter().map(|route| route.id).collect())
    }

    /// Finds the route of a request; none when no route matches.
    pub fn find(&self, facts: &Facts<'_>) -> Option<usize> {
        let rank = self.search(facts, &mut Silent)?;
        self.routes.get(rank).map(|route| route.id)
    }

    /// Finds the route as [`Table::find`] does and says why, also of each route that did not win.
    pub fn explain(&self, facts: &Facts<'_>) -> Explanation {
        let mut recording = Recording::default();
        let winner = self.search(facts, &mut recording);
        recording.explain(&self.routes, winner, facts)
    }

    /// Whether a pattern reads claims, so that callers must be authenticated first.
    pub fn needs_claims(&self) -> bool {
        self.routes.iter().any(|route| route.pattern.reads_claims())
    }

    /// The routes' numbers in the order in which they are preferred.
    pub fn ids(&self) -> impl Iterator<Item = usize> {
        self.routes.iter().map(|route| route.id)
    }

    fn search<R: Recorder>(&self, facts: &Facts<'_>, recorder: &mut R) -> Option<usize> {
        if path::is_reserved(facts.path) {
            return None;
        }
        let path = facts.path.strip_prefix('/')?;
        let mut search = Search { routes: &self.routes, facts, recorder, best: None };
        let host = crate::pattern::without_root(facts.host);
        if let Some(tree) = self.exact.get(host) {
            tree.walk(Some(path), &mut search);
        }
        if !self.wildcard.is_empty() {
            for (dot, _) in host.match_indices('.').filter(|(dot, _)| *dot > 0) {
                let tree = host.get(dot..).and_then(|suffix| self.wildcard.get(suffix));
                if let Some(tree) = tree {
                    tree.walk(Some(path), &mut search);
                }
            }
        }
        self.any.walk(Some(path), &mut search);
        search.best
    }
}

/// Puts routes into their order, or tells their ties.
fn ordered(routes: impl IntoIterator<Item = (usize, Pattern)>) -> Result<Vec<Route>, Vec<Tie>> {
    let route = |(id, pattern): (usize, Pattern)| {
        let specificity = Specificity::of(&pattern);
        Route { id, pattern, specificity }
    };
    let mut routes: Vec<Route> = routes.into_iter().map(route).collect();
    // The text last, so that the order is total and the same for every order of files.
    routes.sort_by_cached_key(|route| {
        let text = route.pattern.to_string();
        (route.specificity.clone(), order::last_resort(&route.pattern), text, route.id)
    });
    let ties = tie::all(&routes);
    if ties.is_empty() { Ok(routes) } else { Err(ties) }
}

/// One search, with the best rank so far.
struct Search<'a, R> {
    routes: &'a [Route],
    facts: &'a Facts<'a>,
    recorder: &'a mut R,
    best: Option<usize>,
}

impl<R: Recorder> Search<'_, R> {
    /// Whether ranks from this one on can still change anything.
    fn is_open_to(&self, rank: usize) -> bool {
        R::IS_EXHAUSTIVE || self.best.is_none_or(|best| rank < best)
    }

    /// Looks at routes whose path matches, given by rank, lowest first.
    fn consider(&mut self, ranks: &[usize]) {
        for rank in ranks.iter().copied() {
            if !self.is_open_to(rank) {
                return;
            }
            let Some(route) = self.routes.get(rank) else { continue };
            let seen = if !route.pattern.methods.contains(self.facts.method) {
                Seen::OtherMethod
            } else if route.pattern.failing(self.facts).is_some() {
                Seen::FailedPredicate
            } else {
                self.best = Some(self.best.map_or(rank, |best| best.min(rank)));
                Seen::Matched
            };
            self.recorder.saw(rank, seen);
        }
    }
}

#[cfg(test)]
mod tests;
