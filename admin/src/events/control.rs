//! What operators say of a series, and how it stands.

use axum::{
    body::Bytes,
    extract::{self, Path},
    response::Response,
};
use headgate_events::{SeriesAction, SeriesControl};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    events, failed,
    letters::{actor, read},
    series,
};
use crate::{
    api::{State, to_json},
    problem::Problem,
};

/// What is wished of a series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeriesWish {
    /// What.
    pub action: SeriesWord,
    /// Who wishes it.
    pub actor: String,
    /// Why.
    #[serde(default)]
    pub why: String,
}

/// What can be wished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeriesWord {
    /// Nothing of it begins any more, for good; what is at work is broken off.
    Cancel,
    /// Nothing of it begins until it is resumed.
    Pause,
    /// It goes on. What is cancelled does not.
    Resume,
}

/// How a series stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesStand {
    /// `running`, `paused` or `cancelled`.
    pub state: String,
    /// Who said so. None: nobody said anything.
    pub actor: Option<String>,
    /// Why.
    pub why: Option<String>,
    /// When, RFC 3339.
    pub time: Option<String>,
}

impl Default for SeriesStand {
    fn default() -> Self {
        Self { state: "running".to_owned(), actor: None, why: None, time: None }
    }
}

impl SeriesStand {
    /// How a series stands after what was said of it.
    pub(super) fn of(control: Option<SeriesControl>) -> Self {
        let Some(control) = control else { return Self::default() };
        let state = if control.is_cancelled { "cancelled" } else { "paused" };
        Self {
            state: state.to_owned(),
            actor: Some(control.by.name),
            why: Some(control.by.why),
            time: Some(control.time.to_string()),
        }
    }
}

pub(crate) async fn say(
    extract::State(state): extract::State<State>,
    Path(trace): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let wish: SeriesWish = read(&body)?;
    let by = actor(&wish.actor, &wish.why)?;
    let events = events(&state)?;
    let controls = events.parts.series.as_ref().ok_or(Problem::NoEvents)?;
    let trace = trace.parse().map_err(|_| Problem::NoSuchEvent)?;
    if !series::is_there(&events.parts, trace).await? {
        return Err(Problem::NoSuchEvent);
    }
    let action = match wish.action {
        SeriesWord::Cancel => SeriesAction::Cancel,
        SeriesWord::Pause => SeriesAction::Pause,
        SeriesWord::Resume => SeriesAction::Resume,
    };
    let control = controls.say(trace, action, &by).await.map_err(|error| failed(&error))?;
    tracing::info!(%trace, ?action, actor = %by.name, "series controlled");
    Ok(to_json(&SeriesStand::of(control)))
}
