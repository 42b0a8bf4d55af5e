//! Which of two patterns goes first, and by what.

use std::cmp::{Ordering, Reverse};

use headgate_types::Version;

use crate::{
    pattern::{Bound, Host, Pattern, Predicate, Segment},
    value::Test,
};

/// What the order compares, in its order; the lesser goes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Specificity {
    host: HostKind,
    literals_in_front: Reverse<usize>,
    literals: Reverse<usize>,
    shape: Vec<SegmentKind>,
    methods: usize,
    predicates: Reverse<usize>,
    values: Reverse<usize>,
    expressions: Reverse<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum HostKind {
    Exact,
    Wildcard(Reverse<usize>),
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SegmentKind {
    Literal,
    Parameter,
    Rest,
}

impl Specificity {
    pub(super) fn of(pattern: &Pattern) -> Self {
        let shape: Vec<_> = pattern.segments.iter().map(SegmentKind::of).collect();
        let is_literal = |kind: &&SegmentKind| **kind == SegmentKind::Literal;
        let tests = |wanted: fn(&Test) -> bool| {
            pattern
                .predicates
                .iter()
                .filter_map(Predicate::test)
                .filter(|test| wanted(test))
                .count()
        };
        let bounds = |is_exact: bool| {
            let bounds = pattern.predicates.iter().filter_map(Predicate::bound);
            bounds.filter(|(bound, _)| (*bound == Bound::Exactly) == is_exact).count()
        };
        let values = tests(|test| matches!(test, Test::Equals(_))) + bounds(true);
        Self {
            host: HostKind::of(&pattern.host),
            literals_in_front: Reverse(shape.iter().take_while(is_literal).count()),
            literals: Reverse(shape.iter().filter(is_literal).count()),
            shape,
            methods: pattern.methods.count(),
            predicates: Reverse(pattern.predicates.len()),
            values: Reverse(values + usize::from(!pattern.devices().is_empty())),
            expressions: Reverse(tests(|test| matches!(test, Test::Matches(_))) + bounds(false)),
        }
    }

    /// What puts this one before the other; none when nothing does.
    pub(super) fn advantage(&self, other: &Self) -> Option<&'static str> {
        let comparisons = [
            (self.host.cmp(&other.host), "names the host more closely"),
            (
                self.literals_in_front.cmp(&other.literals_in_front),
                "has more literal segments before its first parameter",
            ),
            (self.literals.cmp(&other.literals), "has more literal segments"),
            (self.shape.cmp(&other.shape), "is more specific further left in the path"),
            (self.methods.cmp(&other.methods), "takes fewer methods"),
            (self.predicates.cmp(&other.predicates), "has more predicates"),
            (self.values.cmp(&other.values), "names more values"),
            (self.expressions.cmp(&other.expressions), "has more expressions"),
        ];
        let (order, reason) = comparisons.into_iter().find(|(order, _)| order.is_ne())?;
        (order == Ordering::Less).then_some(reason)
    }
}

/// Orders what is equally specific but differs in the values of one predicate: fewer device
/// classes first, then the closer bounds of the version, then the longer expressions.
pub(super) fn last_resort(pattern: &Pattern) -> (usize, Closeness, Reverse<usize>) {
    let length = |test: &Test| match test {
        Test::Matches(expression) => expression.text().len(),
        Test::Present | Test::Equals(_) | Test::Contains(_) => 0,
    };
    let lengths = pattern.predicates.iter().filter_map(Predicate::test).map(length);
    (pattern.devices().len(), Closeness::of(pattern), Reverse(lengths.sum()))
}

/// How closely a pattern bounds the version of the app: the higher lower bound first, then the
/// lower upper bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Closeness {
    /// A version that is itself out is a higher bound than one that is in.
    from: Reverse<Option<(Version, bool)>>,
    /// None last; a version that is itself out is a lower bound than one that is in.
    to: (bool, Version, bool),
}

impl Closeness {
    fn of(pattern: &Pattern) -> Self {
        let bounds = || pattern.predicates.iter().filter_map(Predicate::bound);
        let from = bounds().find_map(|(bound, limit)| match bound {
            Bound::AtLeast => Some((limit, false)),
            Bound::Above => Some((limit, true)),
            _ => None,
        });
        let to = bounds().find_map(|(bound, limit)| match bound {
            Bound::Below => Some((false, limit, false)),
            Bound::AtMost => Some((false, limit, true)),
            _ => None,
        });
        Self { from: Reverse(from), to: to.unwrap_or((true, Version::default(), false)) }
    }

    /// The sides that it bounds.
    fn sides(&self) -> (bool, bool) {
        (self.from.0.is_some(), !self.to.0)
    }
}

/// Whether both bound the version of the app on the same sides, and one of them more closely: then
/// that one goes first.
pub(super) fn is_chosen_by_versions(one: &Pattern, other: &Pattern) -> bool {
    let (one, other) = (Closeness::of(one), Closeness::of(other));
    one != other && one.sides() == other.sides()
}

/// Whether both name device classes, and one of them fewer: then that one goes first. A pattern
/// that names none is not compared by them.
pub(super) fn is_chosen_by_devices(one: &Pattern, other: &Pattern) -> bool {
    let (one, other) = (one.devices().len(), other.devices().len());
    one > 0 && other > 0 && one != other
}

impl HostKind {
    fn of(host: &Host) -> Self {
        match host {
            Host::Exact(_) => Self::Exact,
            Host::Wildcard(suffix) => Self::Wildcard(Reverse(suffix.len())),
            Host::Any => Self::Any,
        }
    }
}

impl SegmentKind {
    fn of(segment: &Segment) -> Self {
        match segment {
            Segment::Literal(_) => Self::Literal,
            Segment::Parameter(_) => Self::Parameter,
            Segment::Rest(_) => Self::Rest,
        }
    }
}
