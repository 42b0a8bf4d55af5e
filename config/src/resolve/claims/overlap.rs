//! Requests that two teams would both have the right to.
//!
//! No request lies in the claims of two teams, unless one has delegated it to the other; and none
//! in what was delegated to two. So of two routes that one request can match, and that are not of
//! one team, one is there by the leave of the other's team.

use std::collections::BTreeMap;

use headgate_router::pattern::Scope;

use super::{Claims, Region};
use crate::fault::{Code, Draft, FAULTS_MAX, Report};

/// Refuses claims of two teams on one request that neither has delegated to the other.
pub(super) fn check_claims(claims: &Claims<'_>, report: &mut Report) {
    let refusal = |one: &Region<'_>, other: &Region<'_>| {
        let common = one.scope.common(&other.scope)?;
        let is_one_place = one.scope == other.scope;
        if !is_one_place && is_delegated(claims, (one, other), &common) {
            return None;
        }
        // The narrower is told; of equals, the later in the order of teams.
        let is_inside = |inner: &Region<'_>, outer: &Region<'_>| {
            !is_one_place && outer.scope.holds(&inner.scope)
        };
        let is_other_told =
            is_inside(other, one) || (!is_inside(one, other) && one.team < other.team);
        let (narrow, wide) = if is_other_told { (other, one) } else { (one, other) };
        Some(draft((narrow, wide), &common))
    };
    let regions: Vec<_> = claims.own.iter().collect();
    each_overlap(&regions, refusal, report);
}

fn draft((narrow, wide): (&Region<'_>, &Region<'_>), common: &Scope) -> Draft {
    let message = format!("teams {:?} and {:?} both claim {common}", wide.team, narrow.team);
    let help = if narrow.scope == wide.scope {
        "let one of them go, or let each name its own `devices`".to_owned()
    } else {
        let host = if common.host() == wide.scope.host() {
            String::new()
        } else {
            format!("host = {:?}, ", common.host())
        };
        let (prefix, to) = (common.prefix(), narrow.team);
        format!(
            "team {:?} may allow it in [team.{}]: delegate = [{{ {host}prefix = {prefix:?}, to = \
             {to:?} }}]",
            wide.team, wide.team
        )
    };
    Draft::new(Code::ClaimOverlap, narrow.at.clone(), message)
        .key(narrow.key.clone())
        .related(wide.at.clone(), format!("the claim of team {:?}", wide.team))
        .help(help)
}

/// Whether one of two teams has delegated what both claim to the other, if only for a time that is
/// over: then the routes are at fault, and not the claims.
fn is_delegated(
    claims: &Claims<'_>,
    (one, other): (&Region<'_>, &Region<'_>),
    common: &Scope,
) -> bool {
    let has_delegated = |owner: &Region<'_>, to: &Region<'_>| {
        let mut delegated = claims.delegated_to(to.team).filter(|part| part.owner == owner.team);
        delegated.any(|part| {
            part.region.scope.holds(common) && super::covers_devices(&part.region, owner)
        })
    };
    has_delegated(one, other) || has_delegated(other, one)
}

/// Refuses one request being delegated to two teams.
pub(super) fn check_delegated(claims: &Claims<'_>, report: &mut Report) {
    let refusal = |one: &Region<'_>, other: &Region<'_>| {
        let common = one.scope.common(&other.scope)?;
        let (first, second) =
            if one.at.start <= other.at.start { (one, other) } else { (other, one) };
        let message =
            format!("{common} is delegated to two teams, {:?} and {:?}", first.team, second.team);
        let draft = Draft::new(Code::ClaimOverlap, second.at.clone(), message)
            .key(second.key.clone())
            .related(first.at.clone(), format!("what is delegated to team {:?}", first.team));
        Some(draft.help("delegate it to one of them alone"))
    };
    let regions: Vec<_> = claims.delegated.iter().map(|part| &part.region).collect();
    each_overlap(&regions, refusal, report);
}

/// Regions by host and start of path.
type Index = BTreeMap<(String, String), Vec<usize>>;

/// Looks at each two regions of different teams that have a request in common, without comparing
/// all with all: a host has few hosts above it, and a path few paths.
fn each_overlap(
    regions: &[&Region<'_>],
    refusal: impl Fn(&Region<'_>, &Region<'_>) -> Option<Draft>,
    report: &mut Report,
) {
    let mut index = Index::new();
    for (position, region) in regions.iter().enumerate() {
        let key = (region.scope.host(), region.scope.prefix().to_owned());
        index.entry(key).or_default().push(position);
    }
    let mut refused = 0;
    for (position, one) in regions.iter().enumerate() {
        for other_position in around(&index, &one.scope) {
            let Some(other) = regions.get(other_position) else { continue };
            // Two on one host find each other; one look is enough.
            let is_twice = one.scope.host() == other.scope.host() && other_position <= position;
            if one.team == other.team || is_twice || !one.shares_a_device(other) {
                continue;
            }
            if let Some(draft) = refusal(one, other) {
                report.push(draft);
                refused += 1;
            }
            // Nobody is told of more.
            if refused >= FAULTS_MAX {
                return;
            }
        }
    }
}

/// The regions on the host of a scope, or on one that holds it, whose paths have something in
/// common with it.
fn around(index: &Index, scope: &Scope) -> Vec<usize> {
    let mut found = Vec::new();
    for host in scope.hosts_above() {
        for prefix in scope.prefixes_above() {
            found.extend(index.get(&(host.clone(), prefix.to_owned())).into_iter().flatten());
        }
        let from = (host.clone(), scope.prefix().to_owned());
        let below = index
            .range(from..)
            .take_while(|((at, prefix), _)| *at == host && prefix.starts_with(scope.prefix()));
        for (_, positions) in below {
            found.extend(positions);
        }
    }
    found
}
