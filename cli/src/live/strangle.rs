//! How far routes are on their way off legacy services.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use headgate_admin::{Stage, StrangleStatus};
use headgate_gateway::{ArmState, SplitState, settings::SplitKind};
use headgate_router::split::Weight;
use headgate_types::UnixTime;

/// Time without a request after which a legacy service counts as left: longer than a device's
/// retries and a client's cache of addresses, short enough to wait for.
const QUIET: Duration = Duration::from_hours(1);

/// The routes that can send to a legacy service: to one that some route is moving off.
pub(super) fn strangle(splits: &[SplitState], now: UnixTime) -> Vec<StrangleStatus> {
    let is_strangle = |split: &&SplitState| matches!(split.kind, SplitKind::Strangle { .. });
    let old = |split: &SplitState| Some((Arc::clone(&split.team), rest(split)?.upstream.clone()));
    let legacy: BTreeSet<_> = splits.iter().filter(is_strangle).filter_map(old).collect();
    let is_old = |split: &SplitState, arm: &ArmState| {
        legacy.contains(&(Arc::clone(&split.team), Arc::clone(&arm.upstream)))
    };
    let status = |split| status(split, |arm| is_old(split, arm), now);
    splits.iter().filter_map(status).collect()
}

fn rest(split: &SplitState) -> Option<&ArmState> {
    split.arms.last()
}

fn status(
    split: &SplitState,
    is_old: impl Fn(&ArmState) -> bool,
    now: UnixTime,
) -> Option<StrangleStatus> {
    let (old, new): (Vec<_>, Vec<_>) = split.arms.iter().partition(|arm| is_old(arm));
    let first = old.first()?;
    let requests = |arms: &[&ArmState]| arms.iter().map(|arm| arm.counts.requests).sum::<u64>();
    let weight = new.iter().map(|arm| arm.weight.parts()).fold(0, u16::saturating_add);
    let weight = Weight::from_parts(weight).unwrap_or(Weight::ALL);
    let seen = old.iter().filter_map(|arm| arm.counts.last).max();
    let ends = match split.kind {
        SplitKind::Strangle { ends } => ends,
        _ => None,
    };
    let (old_requests, new_requests) = (requests(&old), requests(&new));
    let is_quiet = seen.is_none_or(|seen| now.since(seen) >= QUIET);
    let stage = if new.is_empty() {
        Stage::NotBegun
    } else if weight < Weight::ALL {
        Stage::Moving
    } else if !is_quiet {
        Stage::Draining
    } else if old_requests == 0 && new_requests == 0 {
        Stage::Idle
    } else {
        Stage::NothingLeft
    };
    Some(StrangleStatus {
        team: split.team.to_string(),
        route: split.route.to_string(),
        pattern: split.pattern.clone(),
        old: first.upstream.to_string(),
        new: new.first().map(|arm| arm.upstream.to_string()),
        weight: weight.to_string(),
        old_requests,
        new_requests,
        since: first.counts.since.to_string(),
        old_seen: seen.map(|seen| seen.to_string()),
        ends: ends.map(|ends| ends.to_string()),
        is_overdue: stage != Stage::NothingLeft && ends.is_some_and(|ends| now >= ends),
        stage,
    })
}

#[cfg(test)]
mod tests;
