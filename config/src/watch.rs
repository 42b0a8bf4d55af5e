//! Hears from the system that files may have changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    ffi::{OsStr, OsString},
    fmt,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use notify::{
    Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind},
};
use parking_lot::Mutex;

use crate::reads::Reads;

/// Folders that are watched at most; beyond that, changes are looked for.
const FOLDERS_MAX: usize = 32_768;

/// How changes of the files are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watching {
    /// Not at all: the files came with the program.
    #[default]
    Nothing,
    /// The system tells of them.
    Events,
    /// By a look every second, because the system does not tell.
    Poll,
}

impl Watching {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Events => "events",
            Self::Poll => "poll",
        }
    }
}

/// Of which names in a folder changes count.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Names {
    /// All but hidden ones.
    All,
    These(BTreeSet<OsString>),
}

impl Names {
    fn has(&self, name: &OsStr) -> bool {
        // The link that a mounted `ConfigMap` swaps begins with two dots.
        name.as_encoded_bytes().starts_with(b"..")
            || match self {
                Self::All => !name.as_encoded_bytes().starts_with(b"."),
                Self::These(names) => names.contains(name),
            }
    }
}

type Folders = BTreeMap<PathBuf, Names>;

/// What the watcher's thread goes by.
#[derive(Debug, Default)]
struct Shared {
    folders: Folders,
    /// Folders that were moved or removed: what is watched is no longer what has their path.
    stale: BTreeSet<PathBuf>,
}

impl Shared {
    /// Whether an event may mean that something read has changed.
    fn takes(&mut self, event: &Event) -> bool {
        let is_of_a_name = match event.kind {
            // Reading the files is no change of them.
            EventKind::Access(kind) => {
                return kind == AccessKind::Close(AccessMode::Write) && self.counts(event);
            }
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => true,
            _ => false,
        };
        if is_of_a_name {
            let gone = event.paths.iter().filter(|path| self.folders.contains_key(*path));
            self.stale.extend(gone.cloned());
        }
        // Without a path: the system had more to tell than it could.
        event.need_rescan() || event.paths.is_empty() || self.counts(event)
    }

    fn counts(&self, event: &Event) -> bool {
        event.paths.iter().any(|path| {
            let inside = path.parent().and_then(|folder| self.folders.get(folder));
            let name = path.file_name().unwrap_or_default();
            self.stale.contains(path) || inside.is_some_and(|names| names.has(name))
        })
    }
}

/// Whom to tell; called on the watcher's own thread.
type Tell = Arc<dyn Fn() + Send + Sync>;

/// Watches the folders of all files that the last load has read.
pub struct Watch {
    changed: Tell,
    shared: Arc<Mutex<Shared>>,
    watcher: Option<RecommendedWatcher>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Watch {
    /// Calls `changed` whenever something may have changed, once it knows of which files.
    pub fn new(changed: impl Fn() + Send + Sync + 'static) -> Self {
        Self { changed: Arc::new(changed), shared: Arc::default(), watcher: None }
    }

    /// Watches what was read from here on. The flag tells whether a folder is watched that was not
    /// before, so that what happened in it meanwhile is unknown.
    pub fn follow(&mut self, reads: &Reads) -> (Watching, bool) {
        let wanted = folders(reads);
        if wanted.len() > FOLDERS_MAX {
            self.watcher = None;
            return (Watching::Poll, false);
        }
        let before = {
            let mut shared = self.shared.lock();
            let stale = std::mem::take(&mut shared.stale);
            let mut before = std::mem::replace(&mut shared.folders, wanted.clone());
            before.retain(|path, _| !stale.contains(path));
            before
        };
        match self.watch(&before, &wanted) {
            Ok(is_new) => (Watching::Events, is_new),
            Err(error) => {
                tracing::debug!(%error, "files can't be watched");
                self.watcher = None;
                self.shared.lock().folders.clear();
                (Watching::Poll, false)
            }
        }
    }

    fn watch(&mut self, before: &Folders, wanted: &Folders) -> notify::Result<bool> {
        let (watcher, before) = match &mut self.watcher {
            Some(watcher) => (watcher, before.clone()),
            none => (none.insert(watcher(&self.changed, &self.shared)?), Folders::new()),
        };
        for path in before.keys().filter(|path| !wanted.contains_key(*path)) {
            // A folder that is gone is watched no more.
            drop(watcher.unwatch(path));
        }
        let mut is_new = false;
        for path in wanted.keys().filter(|path| !before.contains_key(*path)) {
            drop(watcher.unwatch(path));
            match watcher.watch(path, RecursiveMode::NonRecursive) {
                Ok(()) => is_new = true,
                // It went away meanwhile, of which the folder around it tells.
                Err(error) if !path.is_dir() => {
                    tracing::debug!(%error, path = %path.display(), "folder is gone");
                    self.shared.lock().stale.insert(path.clone());
                    is_new = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(is_new)
    }
}

fn watcher(changed: &Tell, shared: &Arc<Mutex<Shared>>) -> notify::Result<RecommendedWatcher> {
    let (changed, shared) = (Arc::clone(changed), Arc::clone(shared));
    let told = move |event: notify::Result<Event>| {
        // What the system fails to tell may be anything.
        if event.is_err() || event.is_ok_and(|event| shared.lock().takes(&event)) {
            changed();
        }
    };
    RecommendedWatcher::new(told, Config::default().with_follow_symlinks(false))
}

/// The folders that tell of every change of what was read: those listed, with all that is in them;
/// for each path the folder that holds it, or the nearest there is; and for each link on the way
/// the folder that holds the link.
fn folders(reads: &Reads) -> Folders {
    let mut folders = Folders::new();
    let listed: BTreeSet<&Path> = reads.folders().collect();
    let is_told = |path: &Path| path.parent().is_some_and(|folder| listed.contains(folder));
    for path in reads.files().chain(reads.folders()) {
        // What lies in a listed folder is told of with it, but not what a link there leads to.
        if !is_told(path) || path.is_symlink() {
            follow(path, &mut folders, LINKS_MAX);
        }
    }
    for folder in reads.folders().filter_map(|folder| folder.canonicalize().ok()) {
        folders.insert(folder, Names::All);
    }
    folders
}

/// Links behind one another that are followed, as Linux does.
const LINKS_MAX: usize = 40;

fn follow(path: &Path, folders: &mut Folders, links_left: usize) {
    let path = absolute(path);
    let mut walked = PathBuf::new();
    for component in path.components() {
        let Component::Normal(name) = component else {
            walked.push(component);
            continue;
        };
        let Ok(folder) = walked.canonicalize() else { return };
        walked.push(name);
        let is_last = walked == path;
        let target = walked.read_link().ok();
        if is_last || target.is_some() || !walked.exists() {
            add(folders, &folder, name);
        }
        let Some(target) = target.filter(|_| links_left > 0) else { continue };
        follow(&folder.join(target), folders, links_left - 1);
    }
}

fn absolute(path: &Path) -> PathBuf {
    if path.is_absolute() {
        return path.to_owned();
    }
    env::current_dir().unwrap_or_default().join(path)
}

fn add(folders: &mut Folders, folder: &Path, name: &OsStr) {
    let names = folders.entry(folder.to_owned()).or_insert(Names::These(BTreeSet::new()));
    if let Names::These(names) = names {
        names.insert(name.to_owned());
    }
}

#[cfg(test)]
mod tests;
