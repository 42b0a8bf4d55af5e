//! Three levels of handlers: each counts in a state of the event's key, and the first two emit.

use headgate_idempotency::{Emit, Event, Fault, Tx, handler};
use serde::{Deserialize, Serialize};

/// The type of all events.
pub(crate) const KIND: &str = "step.v1";
/// The topics, by level.
pub(crate) const TOPICS: [&str; 3] = ["load.zero", "load.one", "load.two"];
/// The handlers' scopes, by level.
pub(crate) const SCOPES: [&str; 3] = ["load.zero@1", "load.one@1", "load.two@1"];

/// What every event carries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    /// The root's name.
    pub(crate) name: String,
}

/// The state in which a level counts a name.
pub(crate) fn state(level: usize, name: &str) -> String {
    format!("{level}/{name}")
}

async fn count(cx: &mut Tx, level: usize, name: &str) -> Result<(), Fault> {
    let mut count = cx.state::<u64>(state(level, name)).await?;
    *count.or_default() += 1;
    cx.put(count)
}

#[derive(Serialize)]
struct ToOne(Step);

impl Emit for ToOne {
    const TO: &'static str = "load.one/step.v1";
}

#[derive(Serialize)]
struct ToTwo(Step);

impl Emit for ToTwo {
    const TO: &'static str = "load.two/step.v1";
}

#[handler(scope = "load.zero@1", on = "load.zero/step.v1", key = |e| e.data.name)]
pub(crate) async fn zero(e: Event<Step>, cx: &mut Tx) -> Result<(), Fault> {
    count(cx, 0, &e.data.name).await?;
    cx.emit("on", ToOne(e.data))
}

#[handler(scope = "load.one@1", on = "load.one/step.v1", key = |e| e.data.name)]
pub(crate) async fn one(e: Event<Step>, cx: &mut Tx) -> Result<(), Fault> {
    count(cx, 1, &e.data.name).await?;
    cx.emit("on", ToTwo(e.data))
}

#[handler(scope = "load.two@1", on = "load.two/step.v1", key = |e| e.data.name)]
pub(crate) async fn two(e: Event<Step>, cx: &mut Tx) -> Result<(), Fault> {
    count(cx, 2, &e.data.name).await
}
