//! Rules on claims and delegations.

use std::collections::BTreeMap;

use crate::{
    audit::{EXPIRY_DAYS, Mark, RouteView, Subject},
    document::scalar::count_of_days,
    resolve::claims::{Delegated, Region},
};

/// Each claim with its team's routes in it.
fn claims<'s>(
    subject: &'s Subject<'_>,
) -> impl Iterator<Item = (&'s Region<'s>, Vec<&'s RouteView<'s>>)> {
    let mut by_team: BTreeMap<&str, Vec<&RouteView<'_>>> = BTreeMap::new();
    for view in &subject.routes {
        by_team.entry(&view.route.team).or_default().push(view);
    }
    subject.claims.own.iter().map(move |claim| {
        let routes = by_team.get(claim.team).into_iter().flatten().copied();
        (claim, routes.filter(|view| claim.meets(&view.route.pattern)).collect())
    })
}

fn mark(region: &Region<'_>, message: String) -> Mark {
    let subject = region.team.to_owned();
    Mark { at: region.at.clone(), key: region.key.clone(), subject, message }
}

pub(super) fn without_routes(subject: &Subject<'_>) -> Vec<Mark> {
    let idle = claims(subject).filter(|(_, routes)| routes.is_empty());
    let message = |claim: &Region<'_>| {
        format!("team {:?} claims {} and has no route there", claim.team, claim.scope)
    };
    idle.map(|(claim, _)| mark(claim, message(claim))).collect()
}

pub(super) fn without_traffic(subject: &Subject<'_>) -> Vec<Mark> {
    let Some(traffic) = subject.traffic else { return Vec::new() };
    let arrived = |view: &&RouteView<'_>| {
        let key = (view.route.team.as_ref().to_owned(), view.route.name.as_ref().to_owned());
        traffic.arrived.get(&key).copied().unwrap_or(0)
    };
    let idle = claims(subject).filter(|(_, routes)| {
        !routes.is_empty() && routes.iter().map(arrived).all(|count| count == 0)
    });
    let message = |claim: &Region<'_>| {
        format!("nobody has asked for {} since {}", claim.scope, traffic.since)
    };
    idle.map(|(claim, _)| mark(claim, message(claim))).collect()
}

/// One mark for each delegation that is written, whatever number of claims it is a part of.
fn delegations(
    subject: &Subject<'_>,
    message: impl Fn(&Delegated<'_>) -> Option<String>,
) -> Vec<Mark> {
    let told = subject.claims.delegated.iter().filter_map(|part| {
        let message = message(part)?;
        Some((
            part.region.key.clone(),
            Mark { subject: part.owner.to_owned(), ..mark(&part.region, message) },
        ))
    });
    told.collect::<BTreeMap<_, _>>().into_values().collect()
}

pub(super) fn ending(subject: &Subject<'_>) -> Vec<Mark> {
    delegations(subject, |part| {
        let until = part.until?;
        let days = until.days_left(subject.now);
        let to = part.region.team;
        (1..=EXPIRY_DAYS).contains(&days).then(|| {
            let days = count_of_days(days);
            format!("the delegation to team {to:?} ends after {until}, in {days}")
        })
    })
}

pub(super) fn endless(subject: &Subject<'_>) -> Vec<Mark> {
    delegations(subject, |part| {
        let to = part.region.team;
        part.until.is_none().then(|| format!("the delegation to team {to:?} does not end"))
    })
}
