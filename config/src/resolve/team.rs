//! Teams and their folders.

use std::path::Path;

use crate::{
    fault::{Code, Draft, Report},
    load::Input,
    walk::nearest,
};

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
