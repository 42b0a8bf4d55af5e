//! Whose fault it is that files and overlays can't be in force together.

use std::collections::BTreeSet;

use crate::{
    fault::{Code, Draft, Faults},
    layered::{Settling, Team},
    load::{Attempt, Owner},
    overlay::Overlay,
};

/// Whose fault it is that what was chosen can't be in force.
pub(super) enum Blamed {
    Platform,
    Teams(BTreeSet<String>),
}

impl Settling<'_> {
    /// Whose fault it is: faults of one file first, because others follow from them.
    pub(super) fn blamed(&self, attempt: &Attempt<'_>) -> Blamed {
        let drafts = attempt.report.drafts();
        let (of_files, others) = drafts.split_at(attempt.of_files.min(drafts.len()));
        let mut blamed = BTreeSet::new();
        for draft in of_files {
            match attempt.owner(draft.place().source) {
                Owner::Team(team) => blamed.insert(team.as_ref().to_owned()),
                _ => return Blamed::Platform,
            };
        }
        let in_places = attempt.of_places.saturating_sub(attempt.of_files);
        let (of_places, rest) = others.split_at(in_places.min(others.len()));
        for stage in [of_places, rest] {
            if !blamed.is_empty() {
                break;
            }
            for draft in stage {
                match self.culprit(draft, attempt) {
                    Some(team) => blamed.insert(team.to_owned()),
                    None => return Blamed::Platform,
                };
            }
        }
        Blamed::Teams(blamed)
    }

    /// The team whose fault it is; none if it is the platform's.
    fn culprit<'t>(&self, draft: &Draft, attempt: &'t Attempt<'_>) -> Option<&'t str> {
        let team = |source| match attempt.owner(source) {
            Owner::Team(team) => Some(team.as_ref()),
            _ => None,
        };
        let own = team(draft.place().source)?;
        // Nobody has to change anything for a day to pass.
        if draft.code() == Code::DelegationEnded {
            return Some(own);
        }
        let involved: BTreeSet<&str> = draft.sources().filter_map(team).collect();
        let is_new = |name: &&&str| self.teams.get(**name).is_some_and(Team::is_new);
        if let Some(last) = involved.iter().rfind(is_new) {
            return Some(last);
        }
        if self.is_platform_changed(attempt) { None } else { involved.last().copied() }
    }

    /// Whether what the platform's people write is other than what was in force.
    fn is_platform_changed(&self, attempt: &Attempt<'_>) -> bool {
        let Some(kept) = self.ask.kept.filter(|_| !self.is_last_good) else { return false };
        let is_same = |(path, text): (&String, &String)| {
            kept.further(path).is_some_and(|kept| kept.text.as_ref() == text)
        };
        kept.platform().is_some_and(|platform| *platform != self.text)
            || !attempt.input.texts.iter().all(is_same)
    }

    pub(super) fn faults_of(&self, name: &str, attempt: &Attempt<'_>) -> Faults {
        attempt.report.part(|draft| {
            let owner = attempt.owner(draft.place().source);
            matches!(owner, Owner::Team(team) if team.as_ref() == name)
                || self.culprit(draft, attempt) == Some(name)
        })
    }
}

/// The faults that point into an overlay, or all when none does.
pub(super) fn faults_with(position: usize, attempt: &Attempt<'_>) -> Faults {
    let is_it = |source| matches!(attempt.owner(source), Owner::Overlay(at) if *at == position);
    let own = attempt.report.part(|draft| draft.sources().any(is_it));
    if own.is_empty() { attempt.report.part(|_| true) } else { own }
}

/// Which overlays to leave out, by position: those that faults point into; or else the newest on
/// what is at fault, since the files are good without it.
pub(super) fn misfits(attempt: &Attempt<'_>, wanted: &[&Overlay]) -> BTreeSet<usize> {
    let mut misfits = BTreeSet::new();
    for draft in attempt.report.drafts() {
        misfits.extend(draft.sources().filter_map(|source| match attempt.owner(source) {
            Owner::Overlay(position) => Some(*position),
            _ => None,
        }));
    }
    if misfits.is_empty() {
        let drafts = attempt.report.drafts().iter();
        let teams: BTreeSet<&str> = drafts
            .filter_map(|draft| match attempt.owner(draft.place().source) {
                Owner::Team(team) => Some(team.as_ref()),
                _ => None,
            })
            .collect();
        let is_near = |overlay: &&Overlay| {
            let team = overlay.key.strip_prefix("team.").and_then(|rest| rest.split_once('.'));
            team.is_some_and(|(team, _)| teams.contains(team))
        };
        let near = wanted.iter().rposition(is_near);
        let wide = || wanted.iter().rposition(|overlay| !overlay.key.starts_with("team."));
        misfits.extend(near.or_else(wide).or(wanted.len().checked_sub(1)));
    }
    misfits
}
