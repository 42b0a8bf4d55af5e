//! Teams: their folders, their claims, and what they may ask for.

use std::path::Path;

use headgate_router::{path, pattern::Pattern};

use crate::{
    document::{
        platform::{Platform, Team},
        team::TeamFile,
    },
    fault::{Code, Draft, Report},
    load::{Document, Input},
    source::{Place, key_path},
    walk::nearest,
};

/// Refuses claims on the edge's own paths.
pub(super) fn check_claims(platform: &Document<Platform>, report: &mut Report) {
    for (name, team) in &platform.doc.team {
        for (index, claim) in team.claims.iter().enumerate() {
            if !path::is_reserved(&claim.prefix.0) {
                continue;
            }
            let key = [
                "team".into(),
                name.as_str().into(),
                "claims".into(),
                index.into(),
                "prefix".into(),
            ];
            let message =
                format!("{} belongs to the edge and can't be claimed", path::RESERVED_PREFIX);
            let draft = Draft::new(Code::ReservedPath, platform.at(&key), message);
            report.push(draft.key(key_path(&key)));
        }
    }
}

/// Checks that each file stands in its team's folder, and that the team exists.
pub(super) fn check_files(input: &Input<'_>, report: &mut Report) {
    for file in &input.teams {
        let path = ["team".into()];
        // Without the key, or in a broken file, there is a fault already.
        if !file.is_whole || file.root.get("team").is_none_or(|team| team.as_text().is_none()) {
            continue;
        }
        let team = file.doc.team.as_str();
        if folder(&input.routes_dir, &file.path) != Some(team) {
            let belongs = input.routes_dir.join(team);
            let message = format!("a file of team {team:?} belongs in {}", belongs.display());
            report.push(Draft::new(Code::WrongFolder, file.at(&path), message).key("team"));
        }
        let is_known = input.platform.root.get("team").is_some_and(|all| all.get(team).is_some());
        if !is_known && input.platform.is_whole {
            let message = format!("team {team:?} is not in {}", input.platform.path.display());
            let known = input.platform.doc.team.keys().map(String::as_str);
            let help = match nearest(team, known) {
                Some(known) => format!("did you mean {known:?}?"),
                None => format!("declare [team.{team}] there, with what it may route in `claims`"),
            };
            let draft = Draft::new(Code::Unresolved, file.at(&path), message);
            report.push(draft.key("team").help(help));
        }
    }
}

/// The folder right below the routes' folder, for a file that lies right in it.
fn folder<'p>(routes_dir: &Path, path: &'p Path) -> Option<&'p str> {
    let mut parts = path.strip_prefix(routes_dir).ok()?.iter();
    let (folder, _, None) = (parts.next()?, parts.next()?, parts.next()) else { return None };
    folder.to_str()
}

/// Checks that a route matches only what its team has claimed.
pub(super) fn check_claim(
    input: &Input<'_>,
    file: &Document<TeamFile>,
    (pattern, at, key): (&Pattern, Place, String),
    report: &mut Report,
) {
    let name = file.doc.team.as_str();
    let Some(team) = input.platform.doc.team.get(name) else { return };
    let is_claimed =
        |claim: &crate::document::platform::Claim| pattern.within(&claim.host.0, &claim.prefix.0);
    if team.claims.iter().any(is_claimed) || !claims_are_known(input, name, team) {
        return;
    }
    let claims: Vec<_> = team
        .claims
        .iter()
        .map(|claim| format!("host {} prefix {}", claim.host.0, claim.prefix.0))
        .collect();
    let path = ["team".into(), name.into(), "claims".into()];
    let draft = Draft::new(
        Code::OutsideClaim,
        at,
        format!("team {name:?} has not claimed what this route matches"),
    );
    let draft = draft.key(key).related(input.platform.key_at(&path), "what the team has claimed");
    report.push(if claims.is_empty() {
        draft.help(format!("[team.{name}] has no claims: add one in headgate.toml"))
    } else {
        draft.help(format!("claims of team {name:?}: {}", claims.join("; ")))
    });
}

/// Whether all claims that were written were also understood; else nothing can be said of a route.
fn claims_are_known(input: &Input<'_>, name: &str, team: &Team) -> bool {
    let path = ["team".into(), name.into(), "claims".into()];
    let is_known = |claim: &crate::document::platform::Claim| !claim.prefix.0.is_empty();
    let written = match &input.platform.root.nearest(&path).value {
        crate::source::Value::List(list) => list.len(),
        _ => 0,
    };
    input.platform.is_whole && written == team.claims.len() && team.claims.iter().all(is_known)
}
