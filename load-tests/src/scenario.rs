//! A scenario as its file says it: who is loaded how, and what must hold.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use headgate_types::parse_duration;
use serde::{Deserialize, Deserializer, de::Error as _};

#[cfg(test)]
mod tests;

/// All scenarios by name.
const ALL: [(&str, &str); 2] = [
    ("smoke", include_str!("../scenarios/smoke.toml")),
    ("reload", include_str!("../scenarios/reload.toml")),
];

/// Who is loaded how, and what must hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// How often each row is measured. Rounds go through all rows, so that what else the machine
    /// does meets every row.
    pub(crate) rounds: usize,
    /// Keep-alive connections of the generator.
    pub(crate) connections: usize,
    /// Load before anything is counted, each time.
    #[serde(deserialize_with = "duration")]
    pub(crate) warm_up: Duration,
    /// Time of the closed loop.
    #[serde(deserialize_with = "duration")]
    pub(crate) closed: Duration,
    /// Open loops, one after the other.
    pub(crate) open: Vec<OpenLoop>,
    /// What is measured, in the order of every round.
    #[serde(rename = "row")]
    pub(crate) rows: Vec<Row>,
    /// What must hold.
    #[serde(rename = "bar")]
    pub(crate) bars: Vec<Bar>,
}

/// Requests at a rate.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenLoop {
    /// Requests a second.
    pub(crate) rate: u32,
    /// For how long.
    #[serde(deserialize_with = "duration")]
    pub(crate) time: Duration,
}

/// One thing to measure.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// Its name in the table.
    pub(crate) name: String,
    /// What stands between generator and origin.
    pub(crate) through: Through,
    /// The path that is asked for.
    #[serde(default = "root")]
    pub(crate) path: String,
    /// Whether requests carry a token.
    #[serde(default)]
    pub(crate) token: bool,
    /// Whether the edge writes an access line for each request.
    #[serde(default)]
    pub(crate) access_lines: bool,
    /// Further teams that the edge has, each with [`ROUTES_A_TEAM`] routes.
    #[serde(default)]
    pub(crate) teams: usize,
    /// How often a team's file changes while requests come at a rate.
    #[serde(default, deserialize_with = "some_duration")]
    pub(crate) change_every: Option<Duration>,
}

/// Routes of each further team.
pub(crate) const ROUTES_A_TEAM: usize = 200;

/// What stands between generator and origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Through {
    /// Nothing.
    Direct,
    /// hyper, nothing else.
    BareHyper,
    /// hyper with hyper-util's pooling client.
    BareHyperUtil,
    /// pingora-proxy, nothing else.
    BarePingora,
    /// The edge.
    Headgate,
}

/// Two rows side by side: the ratio of their processor time a request, and what one's latency at
/// a rate is above the other's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bar {
    /// The row that must stay below.
    pub(crate) row: String,
    /// The row that it is measured by.
    pub(crate) against: String,
    /// The greatest ratio that passes. None only tells the ratio.
    pub(crate) cpu_max: Option<f64>,
    /// The most by which p99.9 may be above the other row's, at each rate. None does not compare.
    #[serde(default, deserialize_with = "some_duration")]
    pub(crate) p999_more_max: Option<Duration>,
}

impl Scenario {
    /// Reads a scenario by its name.
    ///
    /// # Errors
    ///
    /// There is none of that name, or its file is wrong.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let (_, text) = ALL.iter().find(|(known, _)| *known == name).with_context(|| {
            let known = ALL.map(|(known, _)| known).join(", ");
            format!("no scenario is called `{name}`; there are: {known}")
        })?;
        Self::parse(text)
    }

    fn parse(text: &str) -> Result<Self> {
        let scenario = toml::from_str::<Self>(text)?;
        ensure!(scenario.rounds > 0 && scenario.connections > 0, "nothing would be measured");
        for name in scenario.bars.iter().flat_map(|bar| [&bar.row, &bar.against]) {
            ensure!(scenario.rows.iter().any(|row| row.name == *name), "no row is called `{name}`");
        }
        Ok(scenario)
    }

    /// Keeps only these rows, and the bars between them.
    pub(crate) fn keep(&mut self, names: &[String]) {
        self.rows.retain(|row| names.contains(&row.name));
        self.bars.retain(|bar| names.contains(&bar.row) && names.contains(&bar.against));
    }

    /// Time that measuring takes, without starting and stopping.
    pub(crate) fn length(&self) -> Duration {
        let open = self.open.iter().map(|open| open.time).sum::<Duration>();
        let times = u32::try_from(self.rounds * self.rows.len()).unwrap_or(u32::MAX);
        (self.warm_up + self.closed + open).saturating_mul(times)
    }
}

fn root() -> String {
    "/".to_owned()
}

fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}
