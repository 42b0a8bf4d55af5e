//! The texts of a configuration, as they lie in their folders, before anything is made of them.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use crate::{
    files::{
        Entry, EntryKind, FILE_BYTES_MAX, FILES_MAX, Files, TEAM_BYTES_MAX, TEAM_FILES_MAX,
        TOTAL_BYTES_MAX,
    },
    source::Text,
};

/// Folders inside a team's own that are looked into, one inside the other.
const DEPTH_MAX: usize = 4;

/// A team's files by path, each with its text or why it can't be read.
pub(crate) type TeamTexts = BTreeMap<PathBuf, Result<Text, String>>;

/// Reads a file that is a text, or says why it can't.
pub(crate) fn read_file(files: &dyn Files, path: &Path) -> Result<Text, String> {
    let bytes = files.read(path).map_err(|error| reason(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(Text::new(text))
}

/// Why something could not be read, without the system's error number.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::NotADirectory => "it is no folder".to_owned(),
        io::ErrorKind::FileTooLarge => format!("it is larger than {FILE_BYTES_MAX} bytes"),
        io::ErrorKind::QuotaExceeded => format!("it holds more than {FILES_MAX} files"),
        _ => error.to_string(),
    }
}

/// Reads all files below the routes' folder, by the folder right in it that they lie in, which is
/// their team's. What keeps one team's files from being read touches no other's; of what is too
/// much for all together, the largest goes first.
///
/// # Errors
///
/// Whatever keeps the routes' folder itself from being listed.
pub(crate) fn gather(
    files: &dyn Files,
    routes_dir: &Path,
) -> io::Result<BTreeMap<String, TeamTexts>> {
    let root = files.resolve(routes_dir)?;
    let mut listed = BTreeMap::new();
    for entry in files.list(routes_dir)? {
        let mut folder = Folder { files, root: &root, found: Vec::new(), folders: 0 };
        let name = entry.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = entry.path.clone();
        let told = folder.entry(entry, 0).map(|()| folder.found);
        if !matches!(&told, Ok(found) if found.is_empty()) {
            listed.insert(name, told.map_err(|error| (path, error)));
        }
    }
    refuse_too_many(&mut listed, routes_dir);
    Ok(read(files, listed, routes_dir))
}

/// A team's paths, or the first that can't be read and why.
type Listed = Result<Vec<(PathBuf, Option<String>)>, (PathBuf, String)>;

fn refuse_too_many(listed: &mut BTreeMap<String, Listed>, routes_dir: &Path) {
    let count = |one: &Listed| one.as_ref().map_or(0, Vec::len);
    while listed.values().map(count).sum::<usize>() > FILES_MAX {
        let most = listed.iter_mut().max_by_key(|(_, one)| count(one));
        let Some((name, one)) = most else { return };
        let why = format!("all teams together have more than {FILES_MAX} files");
        *one = Err((routes_dir.join(name), why));
    }
}

fn read(
    files: &dyn Files,
    listed: BTreeMap<String, Listed>,
    routes_dir: &Path,
) -> BTreeMap<String, TeamTexts> {
    let mut teams = BTreeMap::new();
    let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
    for (name, paths) in listed {
        let paths = match paths {
            Ok(paths) => paths,
            Err((path, why)) => {
                teams.insert(name, TeamTexts::from([(path, Err(why))]));
                continue;
            }
        };
        let (texts, bytes) = read_team(files, paths, &routes_dir.join(&name));
        teams.insert(name.clone(), texts);
        sizes.insert(name, bytes);
        while sizes.values().sum::<u64>() > TOTAL_BYTES_MAX {
            let largest = sizes.iter().max_by_key(|(_, bytes)| **bytes);
            let Some(name) = largest.map(|(name, _)| name.clone()) else { break };
            sizes.remove(&name);
            let why = format!("all teams' files together are larger than {TOTAL_BYTES_MAX} bytes");
            let path = routes_dir.join(&name);
            teams.insert(name, TeamTexts::from([(path, Err(why))]));
        }
    }
    teams
}

fn read_team(
    files: &dyn Files,
    paths: Vec<(PathBuf, Option<String>)>,
    folder: &Path,
) -> (TeamTexts, u64) {
    let (mut texts, mut bytes) = (TeamTexts::new(), 0);
    for (path, fault) in paths {
        let text = fault.map_or_else(|| read_file(files, &path), Err);
        bytes += text.as_ref().map_or(0, |text| text.text.len() as u64);
        if bytes > TEAM_BYTES_MAX {
            let why = format!("the team's files together are larger than {TEAM_BYTES_MAX} bytes");
            return (TeamTexts::from([(folder.to_owned(), Err(why))]), 0);
        }
        texts.insert(path, text);
    }
    (texts, bytes)
}

struct Folder<'a> {
    files: &'a dyn Files,
    /// What no link may lead out of.
    root: &'a Path,
    /// Files, each with what keeps it from being read.
    found: Vec<(PathBuf, Option<String>)>,
    /// How many folders were looked into.
    folders: usize,
}

impl Folder<'_> {
    fn entry(&mut self, entry: Entry, depth: usize) -> Result<(), String> {
        let is_document = entry.path.extension().is_some_and(|extension| extension == "toml");
        if entry.kind != EntryKind::Folder && !is_document {
            return Ok(());
        }
        let mut fault = None;
        if entry.is_link {
            fault = self.link_fault(&entry);
        } else if entry.kind == EntryKind::Other {
            fault = Some("it is no ordinary file".to_owned());
        }
        if entry.kind != EntryKind::Folder || fault.is_some() {
            self.found.push((entry.path, fault));
            let is_within = self.found.len() <= TEAM_FILES_MAX;
            return if is_within {
                Ok(())
            } else {
                Err(format!("the team has more than {TEAM_FILES_MAX} files"))
            };
        }
        if depth == DEPTH_MAX {
            return Ok(());
        }
        self.folders += 1;
        // Links that lead in circles make folders out of nothing.
        if self.folders > TEAM_FILES_MAX {
            return Err(format!("the team has more than {TEAM_FILES_MAX} folders"));
        }
        let inside = self.files.list(&entry.path).map_err(|error| reason(&error))?;
        inside.into_iter().try_for_each(|entry| self.entry(entry, depth + 1))
    }

    /// Why a link is not followed: a team's folder is written by others, and whatever it could
    /// lead to would be read with this process's rights.
    fn link_fault(&self, entry: &Entry) -> Option<String> {
        match self.files.resolve(&entry.path) {
            Err(error) => Some(format!("it is a link that can't be followed: {}", reason(&error))),
            Ok(target) if !target.starts_with(self.root) => {
                Some("it is a link that leads out of the routes' folder".to_owned())
            }
            Ok(_) if entry.kind == EntryKind::Other => Some("it is no ordinary file".to_owned()),
            Ok(_) => None,
        }
    }
}
