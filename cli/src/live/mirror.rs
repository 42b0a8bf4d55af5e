//! What became of the copies of requests.

use headgate_admin::{FieldStatus, MirrorStatus};
use headgate_gateway::{FieldState, MirrorState};

/// One route's mirror, as the admin API tells it.
pub(super) fn status(state: &MirrorState) -> MirrorStatus {
    let millis = |length: std::time::Duration| length.as_secs_f64() * 1_000.0;
    let copies = state.results.iter();
    MirrorStatus {
        team: state.team.to_string(),
        route: state.route.to_string(),
        to: state.upstream.to_string(),
        share: state.share.to_string(),
        since: state.since.to_string(),
        copies: copies.map(|(result, count)| (result.as_str().to_owned(), *count)).collect(),
        fields: state.fields.iter().map(field).collect(),
        pairs: state.pairs,
        slower: state.slower,
        caller_ms: state.caller_mean.map(millis),
        mirror_ms: state.mirror_mean.map(millis),
    }
}

fn field(state: &FieldState) -> FieldStatus {
    FieldStatus {
        field: state.field.clone(),
        same: state.same,
        different: state.different,
        incomparable: state.incomparable,
        last_different: state.last_different.map(|trace| trace.to_string()),
    }
}
