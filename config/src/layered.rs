//! Loads a configuration that many people write: a team whose files are at fault runs the last good
//! ones, an overlay that does not fit is left out, and nobody else notices.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use headgate_types::UnixTime;

use crate::{
    fault::{Code, Draft, Faults, Report},
    files::{Entry, Files},
    kept::Kept,
    load::{
        Attempt, Cache, Chosen, Frame, Loaded, PlatformRead, TeamTexts, gather, read_file, reason,
    },
    overlay::{LeftOut, OVERLAYS_MAX, Overlay},
    source::{Place, Source, Text},
};

mod blame;

use blame::{Blamed, faults_with, misfits};

/// How often teams fall back one after the other before all that changed do at once.
const ROUNDS_MAX: usize = 8;

/// What to load, and over what.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Where documents are read from.
    pub files: &'a dyn Files,
    /// The platform's file.
    pub path: &'a Path,
    /// Variables by name, overrides and others.
    pub environment: &'a BTreeMap<String, String>,
    /// What somebody has put over the files and has not expired, in any order; the first
    /// [`OVERLAYS_MAX`] by number.
    pub overlays: &'a [Overlay],
    /// What was in force last. None: a part at fault has nothing to fall back on.
    pub kept: Option<&'a Kept>,
    /// Whether the platform's last good file is used in place of one at fault, as at a start: an
    /// edge that already serves goes on with what it has instead.
    pub use_kept_platform: bool,
    /// The time of day, after which what has an end is over. None: nothing is.
    pub now: Option<UnixTime>,
}

impl fmt::Debug for Ask<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("path", &self.path)
            .field("overlays", &self.overlays)
            .field("kept", &self.kept)
            .field("use_kept_platform", &self.use_kept_platform)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// A folder of team files, and whether what lies in it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The team: the folder's name, or a file's that lies in no team's folder.
    pub team: String,
    /// What is in force of it.
    pub state: PartState,
    /// What is wrong with its files as they are. Empty when they are in force.
    pub faults: Faults,
}

/// What is in force of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// The files as they are.
    Current,
    /// The files as they were when they were last good.
    LastGood,
    /// Nothing: its files are at fault, and there is none to fall back on.
    Absent,
}

impl PartState {
    /// The word for it, such as `last_good`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::LastGood => "last_good",
            Self::Absent => "absent",
        }
    }
}

/// Loads what is good of the files and falls back on what is kept for the rest.
///
/// A team whose files are at fault runs its last good ones, or nothing if there are none; what two
/// teams can't both have stays with the one whose files did not change, or whose name comes first.
/// A change of the platform's file that a team's unchanged files do not fit is a fault of the
/// change. The order of files and of overlays has no effect.
///
/// # Errors
///
/// Everything that is wrong, when the platform's file can't be used as it is and the last good one
/// is not asked for or does not help either.
pub fn load_layered(ask: &Ask<'_>) -> Result<Loaded, Faults> {
    let faults = match Settling::new(ask).and_then(Settling::settled) {
        Ok(loaded) => return Ok(loaded),
        Err(faults) => faults,
    };
    let kept = ask.kept.filter(|_| ask.use_kept_platform);
    let Some((kept, text)) = kept.and_then(|kept| Some((kept, kept.platform()?))) else {
        return Err(faults);
    };
    let base = base_of(ask.path);
    let files = KeptFiles { files: ask.files, kept, base: &base };
    let ask = Ask { files: &files, ..*ask };
    let settled = Settling::with(&ask, &Ok(text.clone()), true).and_then(Settling::settled);
    let mut loaded = settled.map_err(|_| faults.clone())?;
    loaded.platform = PartState::LastGood;
    loaded.platform_faults = faults;
    Ok(loaded)
}

fn base_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}

/// Files of which those that the last good platform's file refers to are as they were.
struct KeptFiles<'a> {
    files: &'a dyn Files,
    kept: &'a Kept,
    base: &'a Path,
}

impl Files for KeptFiles<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let spelt = path.strip_prefix(self.base).unwrap_or(path);
        match spelt.to_str().and_then(|spelt| self.kept.further(spelt)) {
            Some(text) => Ok(text.text.as_bytes().to_vec()),
            None => self.files.read(path),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        self.files.list(folder)
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        self.files.resolve(path)
    }
}

/// Finds what of the teams' files and the overlays can be in force together.
pub(crate) struct Settling<'a> {
    ask: Ask<'a>,
    frame: Frame<'a>,
    text: Text,
    is_last_good: bool,
    teams: BTreeMap<String, Team>,
    cache: Cache,
}

struct Team {
    now: TeamTexts,
    kept: Option<TeamTexts>,
    is_changed: bool,
    state: PartState,
    faults: Faults,
}

impl Team {
    const fn chosen(&self) -> Option<Chosen<'_>> {
        match (self.state, &self.kept) {
            (PartState::Current, _) => Some(Chosen { texts: &self.now, is_last_good: false }),
            (PartState::LastGood, Some(texts)) => Some(Chosen { texts, is_last_good: true }),
            _ => None,
        }
    }

    /// Whether what is tried is other than what was in force.
    fn is_new(&self) -> bool {
        self.state == PartState::Current && self.is_changed
    }

    fn fall_back(&mut self, faults: Faults) {
        let can_fall_back = self.is_new() && self.kept.is_some();
        self.state = if can_fall_back { PartState::LastGood } else { PartState::Absent };
        self.faults.extend(faults);
    }
}

impl<'a> Settling<'a> {
    /// Reads everything.
    ///
    /// # Errors
    ///
    /// What is wrong with the platform's file when that can't be read at all.
    pub(crate) fn new(ask: &Ask<'a>) -> Result<Self, Faults> {
        Self::with(ask, &read_file(ask.files, ask.path), false)
    }

    fn with(
        ask: &Ask<'a>,
        text: &Result<Text, String>,
        is_last_good: bool,
    ) -> Result<Self, Faults> {
        let platform = PlatformRead::new(ask.path, text, ask.environment, is_last_good);
        let Ok(text) = text.clone() else { return Err(platform.into_faults()) };
        let mut frame = Frame {
            files: ask.files,
            base: base_of(ask.path),
            platform,
            last_good: ask.kept.map_or_else(Arc::default, |kept| Arc::clone(&kept.last_good)),
            now: ask.now,
            tells_all: false,
        };
        let teams = teams(ask, &mut frame);
        let cache = ask.kept.map_or_else(Cache::new, |kept| Cache::clone(&kept.cache));
        Ok(Self { ask: *ask, frame, text, is_last_good, teams, cache })
    }

    /// Everything as it is, or what is wrong with it.
    pub(crate) fn strict(mut self) -> Result<Loaded, Faults> {
        let attempt = self.whole()?;
        Ok(self.finish(attempt, &[], Vec::new()))
    }

    /// All documents as they are, checked, or what is wrong with them.
    pub(crate) fn whole(&mut self) -> Result<Attempt<'a>, Faults> {
        self.frame.tells_all = true;
        let attempt = self.attempt(&[]);
        if attempt.report.is_clean() { Ok(attempt) } else { Err(attempt.report.finish()) }
    }

    fn settled(mut self) -> Result<Loaded, Faults> {
        for round in 0.. {
            let attempt = self.attempt(&[]);
            if attempt.report.is_clean() {
                let (attempt, overlays, left_out) = self.overlaid(attempt);
                return Ok(self.finish(attempt, &overlays, left_out));
            }
            let Blamed::Teams(blamed) = self.blamed(&attempt) else {
                return Err(attempt.report.finish());
            };
            for name in &blamed {
                let faults = self.faults_of(name, &attempt);
                if let Some(team) = self.teams.get_mut(name) {
                    team.fall_back(faults);
                }
            }
            if round == ROUNDS_MAX {
                self.fall_back_together();
            }
        }
        // Each round takes something away from a team, so there is always a last one.
        Err(Faults::default())
    }

    fn attempt(&mut self, overlays: &[&Overlay]) -> Attempt<'a> {
        let chosen =
            self.teams.iter().filter_map(|(name, team)| Some((name.clone(), team.chosen()?)));
        self.frame.attempt(&chosen.collect(), overlays, &mut self.cache)
    }

    /// Gives up on finding out which of many changes contradict which.
    fn fall_back_together(&mut self) {
        for team in self.teams.values_mut().filter(|team| team.is_new()) {
            let message = "this change waits: too many teams' changes contradict one another";
            let path = team.now.keys().next().map(|path| path.display().to_string());
            team.fall_back(fault_of(&path.unwrap_or_default(), Code::Contradiction, message));
        }
    }

    /// Puts as many overlays as fit over files that are good without them.
    fn overlaid(&mut self, plain: Attempt<'a>) -> (Attempt<'a>, Vec<&'a Overlay>, Vec<LeftOut>) {
        let mut wanted: Vec<&Overlay> = self.ask.overlays.iter().collect();
        wanted.sort_by_key(|overlay| overlay.id);
        let mut left_out = Vec::new();
        for overlay in wanted.split_off(wanted.len().min(OVERLAYS_MAX)) {
            let message = format!("there are more than {OVERLAYS_MAX} overlays");
            let faults = fault_of(&overlay.name(), Code::OutOfRange, &message);
            left_out.push(LeftOut { overlay: overlay.clone(), faults });
        }
        for round in 0.. {
            if wanted.is_empty() {
                break;
            }
            let attempt = self.attempt(&wanted);
            if attempt.report.is_clean() {
                left_out.sort_by_key(|one| one.overlay.id);
                return (attempt, wanted, left_out);
            }
            let misfits = if round < ROUNDS_MAX {
                misfits(&attempt, &wanted)
            } else {
                (0..wanted.len()).collect()
            };
            for position in misfits.into_iter().rev() {
                let overlay = wanted.remove(position).clone();
                left_out.push(LeftOut { overlay, faults: faults_with(position, &attempt) });
            }
        }
        left_out.sort_by_key(|one| one.overlay.id);
        (plain, wanted, left_out)
    }

    fn finish(self, attempt: Attempt<'a>, overlays: &[&Overlay], left_out: Vec<LeftOut>) -> Loaded {
        let base = &self.frame.base;
        let mut kept = Kept::default()
            .with_platform(self.ask.path, base, self.text)
            .with_further(&attempt.input.texts);
        let mut parts = Vec::with_capacity(self.teams.len());
        let mut cache = self.cache;
        cache.retain(|id, _| attempt.owners.contains_key(id));
        for (name, team) in self.teams {
            match (team.state, &team.kept) {
                (PartState::Current, _) => kept = kept.with_team(&name, &team.now, base),
                (PartState::LastGood, Some(texts)) => kept = kept.with_team(&name, texts, base),
                _ => {}
            }
            parts.push(Part { team: name, state: team.state, faults: team.faults });
        }
        let kept = kept.with_cache(cache).with_last_good(attempt.resolved.last_good.known.clone());
        Loaded { parts, left_out, kept, ..attempt.into_loaded(overlays) }
    }
}

/// All teams with what they have and had.
fn teams(ask: &Ask<'_>, frame: &mut Frame<'_>) -> BTreeMap<String, Team> {
    let folder = frame.routes_dir();
    let base = frame.base.clone();
    let kept = |name: &str| ask.kept.and_then(|kept| kept.team(name, &base));
    let team = |(name, now): (String, TeamTexts)| {
        let kept = kept(&name);
        let is_changed = kept.as_ref() != Some(&now);
        let team =
            Team { now, kept, is_changed, state: PartState::Current, faults: Faults::default() };
        (name, team)
    };
    match gather(ask.files, &folder) {
        Ok(teams) => teams.into_iter().map(team).collect(),
        // Deleting a file removes its routes; a folder that is gone as a whole was hardly meant.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let known = ask.kept.into_iter().flat_map(Kept::teams);
            let missing = |name: &str| TeamTexts::from([(folder.join(name), Err(reason(&error)))]);
            known.map(|name| team((name.to_owned(), missing(name)))).collect()
        }
        Err(error) => {
            frame.platform.refuse_routes_dir(&folder, &reason(&error));
            BTreeMap::new()
        }
    }
}

/// A fault of a text as a whole.
fn fault_of(name: &str, code: Code, message: &str) -> Faults {
    let mut report = Report::default();
    let source = report.source(Source::new(name, ""));
    report.push(Draft::new(code, Place::new(source, 0..0), message));
    report.finish()
}

#[cfg(test)]
mod tests;
