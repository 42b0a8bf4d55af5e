//! The paths of one host as a tree of segments.

use super::{Recorder, Search};
use crate::{path, pattern::Segment};

/// A point in a path that segments lead to. Its depth is bounded by that of the patterns.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The best rank at or below this point.
    best: usize,
    /// Routes whose path ends here, best first.
    ends: Vec<usize>,
    /// Routes that take whatever follows, best first.
    rests: Vec<usize>,
    /// What follows a literal segment, in alphabetical order.
    literals: Vec<(Box<str>, Self)>,
    /// What follows a parameter.
    parameter: Option<Box<Self>>,
}

impl Tree {
    /// Adds a route. Ranks come in ascending order, so that every list stays sorted and a point's
    /// best rank is the one that made it.
    pub(super) fn insert(&mut self, segments: &[Segment], rank: usize) {
        if self.is_empty() {
            self.best = rank;
        }
        match segments {
            [] => self.ends.push(rank),
            [Segment::Rest(_), ..] => self.rests.push(rank),
            [Segment::Parameter(_), after @ ..] => {
                self.parameter.get_or_insert_default().insert(after, rank);
            }
            [Segment::Literal(literal), after @ ..] => {
                self.below(literal).insert(after, rank);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.ends.is_empty()
            && self.rests.is_empty()
            && self.literals.is_empty()
            && self.parameter.is_none()
    }

    fn below(&mut self, literal: &str) -> &mut Self {
        let at = self.literals.partition_point(|(name, _)| name.as_ref() < literal);
        if self.literals.get(at).is_none_or(|(name, _)| name.as_ref() != literal) {
            self.literals.insert(at, (literal.into(), Self::default()));
        }
        let (_, tree) = self.literals.get_mut(at).expect("the literal was inserted at this index");
        tree
    }

    /// Shows the search every route whose path matches and that can still win.
    ///
    /// The path comes without the slash before it; none when it ended with the segment before.
    pub(super) fn walk<R: Recorder>(&self, path: Option<&str>, search: &mut Search<'_, R>) {
        if self.is_empty() || !search.is_open_to(self.best) {
            return;
        }
        let Some(path) = path else {
            search.consider(&self.ends);
            return;
        };
        let (segment, after) = match path.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (path, None),
        };
        let name = path::name_of(segment);
        let literal = self.literals.binary_search_by(|(literal, _)| literal.as_ref().cmp(name));
        if let Some((_, tree)) = literal.ok().and_then(|at| self.literals.get(at)) {
            tree.walk(after, search);
        }
        if let Some(tree) = self.parameter.as_ref().filter(|_| !segment.is_empty()) {
            tree.walk(after, search);
        }
        search.consider(&self.rests);
    }
}
