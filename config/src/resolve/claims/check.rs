//! What is wrong with claims and delegations themselves.

use headgate_gateway::settings::Auth;
use headgate_router::{device, path};

use super::{Claims, described, entry_path, overlap};
use crate::{
    document::{
        owner::{Ceiling, Claim, Delegation, Team},
        team::TeamFile,
    },
    fault::{Code, Draft, Report},
    load::{Document, Input},
    source::{Node, Step, Value, key_path},
    walk::nearest,
};

/// Checks claims and delegations against one another. Returns the teams whose claims were not
/// understood: nothing can be said of their routes.
pub(in crate::resolve) fn check<'i>(
    input: &'i Input<'_>,
    claims: &Claims<'i>,
    report: &mut Report,
) -> Vec<&'i str> {
    let unknown: Vec<_> = input
        .platform
        .doc
        .team
        .iter()
        .filter(|(name, team)| !are_known(input, name, team))
        .map(|(name, _)| name.as_str())
        .collect();
    for (name, team) in &input.platform.doc.team {
        let mut one = Checker { input, name, report };
        for (index, claim) in team.claims.iter().enumerate() {
            one.claim(index, claim);
        }
        for (index, delegation) in team.delegate.iter().enumerate() {
            one.delegation(index, delegation, (claims, unknown.contains(&name.as_str())));
        }
    }
    // Of a file that is not whole, claims may be missing; of what is there, all can be said.
    overlap::check_claims(claims, report);
    overlap::check_delegated(claims, report);
    unknown
}

struct Checker<'i, 'f, 'r> {
    input: &'i Input<'f>,
    name: &'i str,
    report: &'r mut Report,
}

impl Checker<'_, '_, '_> {
    fn fault(&self, code: Code, path: &[Step<'_>], message: String) -> Draft {
        Draft::new(code, self.input.platform.at(path), message).key(key_path(path))
    }

    fn claim(&mut self, index: usize, claim: &Claim) {
        let path = entry_path(self.name, "claims", index, "prefix");
        self.reserved(&path, &claim.prefix.0);
        let rules = &self.input.platform.doc.device;
        let is_known =
            |class: &str| class == device::UNKNOWN || rules.iter().any(|rule| rule.name == class);
        for (at, class) in claim.devices.iter().flatten().enumerate() {
            if is_known(&class.0) || !self.input.platform.is_whole {
                continue;
            }
            let path = entry_path(self.name, "claims", index, "devices");
            let path = [&path[..], &[at.into()]].concat();
            let draft =
                self.fault(Code::Unresolved, &path, format!("no device class {:?}", class.0));
            let names: Vec<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
            self.report.push(match nearest(&class.0, names.iter().copied()) {
                Some(known) => draft.help(format!("did you mean {known:?}?")),
                None => draft.help(format!("device classes are {}", names.join(", "))),
            });
        }
    }

    /// No one's claim can be on the edge's own paths.
    fn reserved(&mut self, path: &[Step<'_>], prefix: &str) {
        if path::is_reserved(prefix) {
            let message =
                format!("{} belongs to the edge and can't be claimed", path::RESERVED_PREFIX);
            let draft = self.fault(Code::ReservedPath, path, message);
            self.report.push(draft);
        }
    }

    fn delegation(
        &mut self,
        index: usize,
        delegation: &Delegation,
        (claims, is_unknown): (&Claims<'_>, bool),
    ) {
        let (name, teams) = (self.name, &self.input.platform.doc.team);
        let path = entry_path(name, "delegate", index, "to");
        // Of an entry that was not understood there is nothing in it.
        if delegation.to == name {
            let message = format!("team {name:?} delegates to itself");
            let draft = self.fault(Code::Contradiction, &path, message);
            self.report.push(draft);
        } else if !teams.contains_key(&delegation.to) && !delegation.to.is_empty() {
            let message = format!("no team {:?}", delegation.to);
            let draft = self.fault(Code::Unresolved, &path, message);
            let known = nearest(&delegation.to, teams.keys().map(String::as_str));
            self.report.push(match known {
                Some(known) => draft.help(format!("did you mean {known:?}?")),
                None => draft.help(format!("declare [team.{}]", delegation.to)),
            });
        }
        let path = entry_path(name, "delegate", index, "prefix");
        self.reserved(&path, &delegation.prefix.0);
        let key = key_path(&path);
        let is_held = claims.delegated.iter().any(|part| part.region.key == key);
        if is_held || is_unknown || delegation.prefix.0.is_empty() {
            return;
        }
        let host = delegation.host.as_ref().map_or_else(String::new, |host| format!("{} ", host.0));
        let message = format!(
            "team {name:?} can't delegate {host}{}, which it has not claimed",
            delegation.prefix.0
        );
        let own: Vec<_> = claims.own_by(name).map(described).collect();
        let draft = self.fault(Code::OutsideClaim, &path, message);
        self.report.push(draft.help(format!("claims of team {name:?}: {}", own.join("; "))));
    }
}

/// Whether all claims and delegations that were written were also understood.
fn are_known(input: &Input<'_>, name: &str, team: &Team) -> bool {
    let node = |list: &'static str| {
        input.platform.root.get("team").and_then(|all| all.get(name)?.get(list))
    };
    let written = |list| match node(list).map(|node| &node.value) {
        Some(Value::List(list)) => Some(list.as_slice()),
        Some(_) => None,
        None => Some(&[][..]),
    };
    let (Some(claims), Some(delegations)) = (written("claims"), written("delegate")) else {
        return false;
    };
    let is_known = |(claim, node): (&Claim, &Node)| {
        let classes = node.get("devices").map(|node| match &node.value {
            Value::List(list) => list.len(),
            _ => 0,
        });
        let has_host = node.get("host").and_then(Node::as_text);
        !claim.prefix.0.is_empty()
            && classes == claim.devices.as_ref().map(Vec::len)
            && has_host.is_none_or(|host| claim.host.0.eq_ignore_ascii_case(host))
    };
    input.platform.is_whole
        && claims.len() == team.claims.len()
        && delegations.len() == team.delegate.len()
        && team.claims.iter().zip(claims).all(is_known)
}

/// Refuses a route that lets anybody in, where the team's ceiling does not allow it.
pub(in crate::resolve) fn check_public(
    file: &Document<TeamFile>,
    name: &str,
    (auth, ceiling): (Option<&Auth>, Option<&Ceiling>),
    report: &mut Report,
) {
    // One that could not be read has been reported.
    let is_public = auth.is_some_and(Auth::is_public);
    if !is_public || ceiling.is_none_or(|ceiling| ceiling.public) {
        return;
    }
    let path = ["route".into(), name.into(), "auth".into()];
    let message = "anybody may call this route, which the team's ceiling does not allow";
    let draft = Draft::new(Code::AboveCeiling, file.at(&path), message).key(key_path(&path));
    report.push(draft.help("name an identity source in `auth`"));
}
