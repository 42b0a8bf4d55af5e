//! What a running edge has seen of a configuration's routes: its counts, and the facts of requests
//! that it keeps.

use std::{collections::BTreeMap, path::Path, time::Duration};

use headgate_config::audit::{Taken, Traffic};
use headgate_gateway::{Fact, Replay, Routing};
use headgate_telemetry::catalog;
use headgate_types::UnixTime;

use crate::{admin::Admin, exit::Invalid, plan::pages};

/// How far back facts are looked at, where they are kept for so long.
const SINCE: Duration = Duration::from_hours(24);

/// Reads the counts and the facts of an edge that began at a time.
///
/// # Errors
///
/// Faults of the configuration; [`Unreachable`](crate::exit::Unreachable) when the edge does not
/// answer.
pub(super) fn traffic(admin: Admin, config: &Path, started_at: &str) -> anyhow::Result<Traffic> {
    let settings = headgate_config::load(config)?.settings;
    let replay = Replay::new(Routing::of(&settings)).map_err(Invalid::new)?;
    let arrived = arrived(&String::from_utf8_lossy(&admin.get("/metrics")?.body()?));
    let mut seen = Seen::default();
    pages::each(admin, SINCE, &mut |page| {
        page.facts.iter().for_each(|fact| seen.add(fact, &replay));
    })?;
    Ok(seen.with_counts(arrived, started_at))
}

/// What facts say of routes.
#[derive(Debug, Default)]
struct Seen {
    oldest: Option<UnixTime>,
    /// By the route that requests had when they came.
    arrived: BTreeMap<(String, String), u64>,
    /// By the route that the configuration gives them.
    won: BTreeMap<(String, String), u64>,
    /// Routes that match, and which others were preferred.
    lost: BTreeMap<(String, String), Taken>,
}

impl Seen {
    fn add(&mut self, fact: &Fact, replay: &Replay) {
        let weight = fact.weight.max(1);
        let time = fact.time.parse::<UnixTime>().ok();
        self.oldest = [self.oldest, time].into_iter().flatten().min();
        let came = fact.route.as_ref().and_then(|id| id.split_once('/'));
        if let Some((team, name)) = came {
            *self.arrived.entry((team.to_owned(), name.to_owned())).or_default() += weight;
        }
        // Of a request whose facts do not hold what decides, nothing is known.
        let Ok(matching) = replay.matching(fact) else { return };
        let Some((winner, others)) = matching.split_first() else { return };
        *self.won.entry((winner.team.clone(), winner.name.clone())).or_default() += weight;
        for other in others {
            let taken = self.lost.entry((other.team.clone(), other.name.clone())).or_default();
            taken.requests += weight;
            taken.by.insert(winner.id());
        }
    }

    fn with_counts(self, counts: BTreeMap<(String, String), u64>, started_at: &str) -> Traffic {
        let mut arrived = self.arrived;
        for (route, count) in counts {
            let known = arrived.entry(route).or_default();
            *known = count.max(*known);
        }
        let started = started_at.parse::<UnixTime>().ok();
        let since = self.oldest.filter(|oldest| started.is_some_and(|started| *oldest < started));
        let since = since.map_or_else(|| started_at.to_owned(), |since| since.to_string());
        let won = self.won;
        let taken = self.lost.into_iter().filter(|(route, _)| !won.contains_key(route)).collect();
        Traffic { arrived, since, taken }
    }
}

/// Requests by team and route, from metrics in Prometheus' text format.
pub(super) fn arrived(metrics: &str) -> BTreeMap<(String, String), u64> {
    let sample = |line: &str| {
        let (labels, value) = line.strip_prefix(catalog::ARRIVED.name)?.split_once("} ")?;
        let label = |name: &str| {
            let labels = labels.strip_prefix('{')?;
            let value = labels.split("\",").find_map(|one| one.strip_prefix(name))?;
            value.strip_prefix("=\"").map(|value| value.trim_end_matches('"').to_owned())
        };
        Some(((label("team")?, label("route")?), value.trim().parse::<u64>().ok()?))
    };
    let mut arrived = BTreeMap::new();
    for (route, count) in metrics.lines().filter_map(sample) {
        *arrived.entry(route).or_insert(0) += count;
    }
    arrived
}

#[cfg(test)]
mod tests;
