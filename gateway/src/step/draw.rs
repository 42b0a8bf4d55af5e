//! Draws the arm of a request on a split route.

use headgate_router::split::Choice;
use headgate_types::TraceId;
use http::HeaderMap;

use crate::{
    edge::{Route, Snapshot},
    headers,
    identity::Verified,
};

/// The arm of a request on a split route, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The arm, and the bucket by which it was drawn.
    pub choice: Choice,
    /// Whether a tester's token chose it instead.
    pub is_chosen: bool,
}

/// Draws the arm, once for all attempts of the exchange; none where requests are not split. No
/// trace: the request is one that nobody sends.
pub(crate) async fn draw(
    snapshot: &Snapshot,
    route: &Route,
    caller: Option<&Verified>,
    (headers, trace): (&HeaderMap, Option<TraceId>),
) -> Option<Drawn> {
    let split = route.split.as_ref()?;
    let choice = split.choose(caller.map(|caller| &caller.identity), trace);
    if let (Some(testers), Some(token)) = (&snapshot.testers, headers.get(headers::ARM)) {
        let settings = &route.settings;
        let name = format!("{}/{}", settings.team, settings.name);
        // Boxed: it is rare, and would make every exchange as large as itself.
        if let Some(arm) = Box::pin(testers.choose(token, &name, split)).await {
            return Some(Drawn { choice: Choice { arm, ..choice }, is_chosen: true });
        }
    }
    Some(Drawn { choice, is_chosen: false })
}
