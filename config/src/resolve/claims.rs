//! Who may route what: claims, delegations, and the ceilings of what may be asked for.

use std::collections::BTreeMap;

use headgate_gateway::settings;
use headgate_router::pattern::{Pattern, Scope};
use headgate_types::UnixTime;

use crate::{
    document::{
        owner::Delegation,
        scalar::{LastDay, Name, count_of_days},
    },
    fault::{Code, Draft, Report},
    load::Input,
    resolve::OriginDraft,
    source::{Place, Step, key_path},
};

mod check;
mod overlap;

pub(super) use check::{check, check_public};

/// Days before a delegation ends from which `check` warns: two sprints to move or to renew.
pub(crate) const DELEGATION_WARNING_DAYS: u64 = 30;

/// Requests that a team may route, by a claim of its own or by a delegation.
#[derive(Clone, Debug)]
pub(crate) struct Region<'i> {
    /// Whose it is.
    pub(crate) team: &'i str,
    pub(crate) scope: Scope,
    /// The device classes; none for all.
    pub(crate) devices: Option<&'i [Name]>,
    pub(crate) at: Place,
    pub(crate) key: String,
}

impl Region<'_> {
    fn takes_device(&self, class: &str) -> bool {
        self.devices.is_none_or(|all| all.iter().any(|one| one.0 == class))
    }

    /// Whether a request of some device class can be in both.
    fn shares_a_device(&self, other: &Self) -> bool {
        match self.devices {
            None => true,
            Some(all) => all.iter().any(|one| other.takes_device(&one.0)),
        }
    }

    /// Whether a pattern can match a request in here.
    pub(crate) fn meets(&self, pattern: &Pattern) -> bool {
        let named = pattern.devices();
        let shares = named.is_empty() || named.iter().any(|class| self.takes_device(class));
        shares && self.scope.meets(pattern)
    }
}

/// A part of one team's claims that another may route.
#[derive(Clone, Debug)]
pub(crate) struct Delegated<'i> {
    /// Who delegates.
    pub(crate) owner: &'i str,
    /// What, and to whom.
    pub(crate) region: Region<'i>,
    pub(crate) until: Option<LastDay>,
}

impl Delegated<'_> {
    fn is_over(&self, now: Option<UnixTime>) -> bool {
        self.until.zip(now).is_some_and(|(until, now)| until.is_over(now))
    }
}

/// All claims and delegations.
#[derive(Debug, Default)]
pub(crate) struct Claims<'i> {
    pub(crate) own: Vec<Region<'i>>,
    pub(crate) delegated: Vec<Delegated<'i>>,
    /// Positions in `own` by team.
    own_of: BTreeMap<&'i str, Vec<usize>>,
    /// Positions in `delegated` by the team that receives them.
    delegated_to: BTreeMap<&'i str, Vec<usize>>,
}

impl<'i> Claims<'i> {
    /// Reads all claims and delegations, without a word on what is wrong with them.
    pub(crate) fn of(input: &'i Input<'_>) -> Self {
        let mut claims = Self::default();
        for (name, team) in &input.platform.doc.team {
            for (index, claim) in team.claims.iter().enumerate() {
                let path = entry_path(name, "claims", index, "prefix");
                // One that is no host or path holds nothing, and has been reported.
                let Some(scope) = Scope::new(&claim.host.0, &claim.prefix.0) else { continue };
                let (devices, at) = (claim.devices.as_deref(), input.platform.at(&path));
                claims.own_of.entry(name).or_default().push(claims.own.len());
                claims.own.push(Region { team: name, scope, devices, at, key: key_path(&path) });
            }
        }
        for (name, team) in &input.platform.doc.team {
            for (index, delegation) in team.delegate.iter().enumerate() {
                let path = entry_path(name, "delegate", index, "prefix");
                let place = (input.platform.at(&path), key_path(&path));
                for region in claims.parts(name, delegation, &place) {
                    let until = delegation.until.as_ref().map(|until| until.0);
                    claims
                        .delegated_to
                        .entry(region.team)
                        .or_default()
                        .push(claims.delegated.len());
                    claims.delegated.push(Delegated { owner: name, region, until });
                }
            }
        }
        claims
    }

    /// What a delegation comes to: the part of each claim that it names.
    fn parts(
        &self,
        owner: &str,
        delegation: &'i Delegation,
        (at, key): &(Place, String),
    ) -> Vec<Region<'i>> {
        let part = |claim: &Region<'i>| {
            let claimed = claim.scope.host();
            let host = delegation.host.as_ref().map_or(claimed.as_str(), |host| &host.0);
            let scope = Scope::new(host, &delegation.prefix.0)?;
            claim.scope.holds(&scope).then(|| Region {
                team: &delegation.to,
                scope,
                devices: claim.devices,
                at: at.clone(),
                key: key.clone(),
            })
        };
        self.own_by(owner).filter_map(part).collect()
    }

    fn own_by(&self, team: &str) -> impl Iterator<Item = &Region<'i>> {
        let positions = self.own_of.get(team).into_iter().flatten();
        positions.filter_map(|at| self.own.get(*at))
    }

    /// What has been delegated to a team, ended or not.
    pub(crate) fn delegated_to(&self, team: &str) -> impl Iterator<Item = &Delegated<'i>> {
        let positions = self.delegated_to.get(team).into_iter().flatten();
        positions.filter_map(|at| self.delegated.get(*at))
    }

    /// Checks that each route matches only what its team may route.
    pub(super) fn check_routes(
        &self,
        (input, unknown): (&Input<'_>, &[&str]),
        routes: &[settings::Route],
        origins: &[OriginDraft],
        report: &mut Report,
    ) {
        for (route, origin) in routes.iter().zip(origins) {
            // Nothing can be said of a team that is not there or whose claims were not understood.
            if unknown.contains(&route.team.as_ref())
                || !input.platform.doc.team.contains_key(route.team.as_ref())
            {
                continue;
            }
            let Some(draft) = self.refusal(input, route, &origin.at) else { continue };
            let key = ["route".into(), route.name.as_ref().into(), "match".into()];
            report.push(draft.key(key_path(&key)));
        }
    }

    fn refusal(&self, input: &Input<'_>, route: &settings::Route, at: &Place) -> Option<Draft> {
        let (team, pattern) = (route.team.as_ref(), &route.pattern);
        let scope = Scope::of(pattern);
        let received = || self.delegated_to(team);
        let (over, in_force): (Vec<_>, Vec<_>) =
            received().partition(|part| part.is_over(input.now));
        let is_held = |by: &Delegated<'_>| {
            let mut renewed = in_force.iter().map(|part| &part.region);
            renewed.any(|one| one.scope.holds(&by.region.scope) && covers_devices(one, &by.region))
        };
        let ended = over.iter().find(|part| part.region.meets(pattern) && !is_held(part));
        if let Some(part) = ended {
            return Some(ended_draft(part, team, at));
        }
        let regions: Vec<_> =
            self.own_by(team).chain(received().map(|part| &part.region)).collect();
        let holding = || regions.iter().filter(|region| region.scope.holds(&scope));
        let named = pattern.devices();
        let is_claimed = if named.is_empty() {
            holding().any(|region| region.devices.is_none())
        } else {
            named.iter().all(|class| holding().any(|region| region.takes_device(class)))
        };
        (!is_claimed).then(|| outside_draft(input, route, &regions, at))
    }
}

/// Whether one takes each device class that the other takes.
fn covers_devices(one: &Region<'_>, other: &Region<'_>) -> bool {
    match (one.devices, other.devices) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(_), Some(all)) => all.iter().all(|class| one.takes_device(&class.0)),
    }
}

fn ended_draft(part: &Delegated<'_>, team: &str, at: &Place) -> Draft {
    let owner = part.owner;
    let until = part.until.map(|until| until.to_string()).unwrap_or_default();
    let what = &part.region.scope;
    let message = format!("team {owner:?} has delegated {what} to team {team:?} until {until}");
    Draft::new(Code::DelegationEnded, at.clone(), message)
        .related(part.region.at.clone(), "what was delegated")
        .help(format!("take the route out, or ask team {owner:?} for a later `until`"))
}

fn outside_draft(
    input: &Input<'_>,
    route: &settings::Route,
    regions: &[&Region<'_>],
    at: &Place,
) -> Draft {
    let name = route.team.as_ref();
    let scope = Scope::of(&route.pattern);
    let path = ["team".into(), name.into(), "claims".into()];
    let message = format!("team {name:?} has not claimed what this route matches");
    let draft = Draft::new(Code::OutsideClaim, at.clone(), message)
        .related(input.platform.key_at(&path), "what the team has claimed");
    let holding = regions.iter().find(|region| region.scope.holds(&scope));
    if let Some(classes) = holding.and_then(|region| region.devices) {
        let classes: Vec<_> = classes.iter().map(|class| class.0.as_str()).collect();
        let help =
            format!("here the claim is for some devices: match `device={}`", classes.join("|"));
        return draft.help(help);
    }
    if regions.is_empty() {
        return draft.help(format!("[team.{name}] has no claims: add one in headgate.toml"));
    }
    let claims: Vec<_> = regions.iter().map(|region| described(region)).collect();
    draft.help(format!("claims of team {name:?}: {}", claims.join("; ")))
}

/// A region in the words of the file.
fn described(region: &Region<'_>) -> String {
    let mut text = format!("host {} prefix {}", region.scope.host(), region.scope.prefix());
    if let Some(classes) = region.devices {
        let classes: Vec<_> = classes.iter().map(|class| class.0.as_str()).collect();
        text.extend([" devices ", &classes.join(", ")]);
    }
    text
}

/// When the next delegation ends. None without a time of day, or when none ends.
pub(super) fn next_end(claims: &Claims<'_>, now: Option<UnixTime>) -> Option<UnixTime> {
    let ends = claims.delegated.iter().filter_map(|part| part.until);
    now.and_then(|now| ends.map(LastDay::over_from).filter(|end| *end > now).min())
}

/// Warnings of delegations that end soon.
pub(super) fn ending(claims: &Claims<'_>, now: Option<UnixTime>) -> Vec<Draft> {
    let Some(now) = now else { return Vec::new() };
    let mut drafts = Vec::new();
    for part in &claims.delegated {
        let Some(until) = part.until else { continue };
        let days = until.days_left(now);
        if !(1..=DELEGATION_WARNING_DAYS).contains(&days) {
            continue;
        }
        let (owner, region) = (part.owner, &part.region);
        let message = format!(
            "what team {owner:?} delegates to team {:?} ends in {}, after {until}",
            region.team,
            count_of_days(days)
        );
        let draft = Draft::new(Code::DelegationEnding, region.at.clone(), message);
        drafts.push(draft.key(region.key.clone()));
    }
    drafts
}

fn entry_path<'p>(team: &'p str, list: &'p str, index: usize, key: &'p str) -> [Step<'p>; 5] {
    ["team".into(), team.into(), list.into(), index.into(), key.into()]
}

#[cfg(test)]
mod tests;
