//! Why a request got its route.

use serde::Serialize;

use super::{Recorder, Route, Seen, order};
use crate::{facts::Facts, path};

/// Why a request got its route, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The route.
    pub route: Option<usize>,
    /// Why this one, or why none.
    pub reason: String,
    /// The routes whose host and path match, in the order in which they are preferred.
    pub candidates: Vec<Candidate>,
}

/// A route whose host and path match the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The route.
    pub route: usize,
    /// Its pattern, in canonical form.
    pub pattern: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
}

/// What became of a route whose host and path match the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is the route.
    Won,
    /// It matches, but another one goes before it.
    LessSpecific,
    /// It takes other methods.
    OtherMethod,
    /// A predicate does not hold.
    FailedPredicate,
}

/// Everything that a search saw.
#[derive(Debug, Default)]
pub(super) struct Recording {
    seen: Vec<(usize, Seen)>,
}

impl Recorder for Recording {
    const IS_EXHAUSTIVE: bool = true;

    fn saw(&mut self, rank: usize, seen: Seen) {
        self.seen.push((rank, seen));
    }
}

impl Recording {
    /// Puts what was seen into words. The winner is a rank, and so is what was seen.
    pub(super) fn explain(
        mut self,
        routes: &[Route],
        winner: Option<usize>,
        facts: &Facts<'_>,
    ) -> Explanation {
        self.seen.sort_by_key(|(rank, _)| *rank);
        let winner = winner.and_then(|rank| routes.get(rank));
        let seen: Vec<(&Route, Seen)> =
            self.seen.iter().filter_map(|(rank, seen)| Some((routes.get(*rank)?, *seen))).collect();
        Explanation {
            route: winner.map(|route| route.id),
            reason: winner.map_or_else(|| why_none(&seen, facts), |winner| why(winner, &seen)),
            candidates: seen
                .iter()
                .map(|(route, seen)| candidate(route, *seen, winner, facts))
                .collect(),
        }
    }
}

fn why(winner: &Route, seen: &[(&Route, Seen)]) -> String {
    let is_runner_up =
        |(route, seen): &&(&Route, Seen)| *seen == Seen::Matched && route.id != winner.id;
    match seen.iter().find(is_runner_up) {
        Some((runner_up, _)) => format!("of those that match, it {}", advantage(winner, runner_up)),
        None => "the only route that matches".to_owned(),
    }
}

fn why_none(seen: &[(&Route, Seen)], facts: &Facts<'_>) -> String {
    if path::is_reserved(facts.path) {
        return "the path belongs to the edge itself".to_owned();
    }
    if seen.is_empty() {
        return "no route matches this host and path".to_owned();
    }
    if seen.iter().all(|(_, seen)| *seen == Seen::OtherMethod) {
        return format!("no route for this path takes {}", facts.method);
    }
    "routes match this path, but each fails in its method or a predicate".to_owned()
}

fn candidate(route: &Route, seen: Seen, winner: Option<&Route>, facts: &Facts<'_>) -> Candidate {
    let (verdict, reason) = match (seen, winner) {
        (Seen::Matched, Some(winner)) if winner.id != route.id => {
            let advantage = advantage(winner, route);
            (Verdict::LessSpecific, format!("matches, but the route that won {advantage}"))
        }
        (Seen::Matched, _) => (Verdict::Won, "everything matches".to_owned()),
        (Seen::OtherMethod, _) => {
            let reason = format!("takes {}, not {}", route.pattern.methods, facts.method);
            (Verdict::OtherMethod, reason)
        }
        (Seen::FailedPredicate, _) => {
            let failing = route.pattern.failing(facts).map(ToString::to_string);
            (Verdict::FailedPredicate, format!("{} does not hold", failing.unwrap_or_default()))
        }
    };
    Candidate { route: route.id, pattern: route.pattern.to_string(), verdict, reason }
}

fn advantage(winner: &Route, loser: &Route) -> &'static str {
    let last_resort = || {
        if order::is_chosen_by_devices(&winner.pattern, &loser.pattern) {
            "names fewer device classes"
        } else if order::is_chosen_by_versions(&winner.pattern, &loser.pattern) {
            "bounds the app's version more closely"
        } else {
            "has the longer expression, or the first in the alphabet"
        }
    };
    winner.specificity.advantage(&loser.specificity).unwrap_or_else(last_resort)
}
