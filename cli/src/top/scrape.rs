//! A page of metrics, as far as `top` reads it.

use std::collections::BTreeMap;

use headgate_telemetry::{Kept, catalog};
use headgate_types::Outcome;

/// What a page says of one route.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) arrived: u64,
    /// Exchanges that ended, by [`Kept::index`].
    pub(crate) ended: [u64; Kept::ALL.len()],
    pub(crate) in_flight: f64,
    /// Exchanges that took at most so many seconds, by ascending bounds; the last is above all.
    pub(crate) took: Vec<(f64, u64)>,
}

/// The routes of a page, by team and name.
pub(crate) type Routes = BTreeMap<(String, String), Counts>;

/// Reads the series of routes; lines of other metrics are passed over.
pub(super) fn read(page: &str) -> Routes {
    let mut routes = Routes::new();
    for (name, labels, value) in page.lines().filter_map(series) {
        let label = |name: &str| labels.iter().find(|(label, _)| *label == name);
        let (Some((_, team)), Some((_, route))) = (label("team"), label("route")) else { continue };
        let mut note = |note: &dyn Fn(&mut Counts)| {
            note(routes.entry((team.clone(), route.clone())).or_default());
        };
        if name == catalog::ARRIVED.name {
            note(&|counts| counts.arrived = whole(value));
        } else if name == catalog::IN_FLIGHT.name {
            note(&|counts| counts.in_flight = value);
        } else if name == catalog::ENDED.name
            && let Some(kind) = label("outcome").and_then(|(_, outcome)| kind(outcome))
        {
            note(&|counts| {
                if let Some(ended) = counts.ended.get_mut(kind.index()) {
                    *ended += whole(value);
                }
            });
        } else if name.strip_suffix("_bucket") == Some(catalog::DURATION.name)
            && let Some(bound) = label("le").and_then(|(_, bound)| bound.parse().ok())
        {
            note(&|counts| counts.took.push((bound, whole(value))));
        }
    }
    routes
}

fn kind(outcome: &str) -> Option<Kept> {
    let outcome = Outcome::ALL.into_iter().find(|known| known.as_str() == outcome)?;
    Some(Kept::of(outcome))
}

/// A count, which the format writes as any number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and a count is not negative"
)]
const fn whole(value: f64) -> u64 {
    value as u64
}

/// Labels with their values.
type Labels<'l> = Vec<(&'l str, String)>;

/// A line's name, labels and value.
fn series(line: &str) -> Option<(&str, Labels<'_>, f64)> {
    let (rest, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, labels)) = rest.split_once('{') else { return Some((rest, Vec::new(), value)) };
    let mut labels = labels.strip_suffix('}')?;
    let mut read = Vec::new();
    while let Some((name, rest)) = labels.split_once("=\"") {
        let (value, rest) = quoted(rest)?;
        read.push((name, value));
        labels = rest.strip_prefix(',').unwrap_or(rest);
    }
    Some((name, read, value))
}

/// A text up to its closing quote, and what comes behind.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests;
