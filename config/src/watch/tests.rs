use std::{fs, os::unix::fs::symlink, time::Duration};

use tempfile::TempDir;
use tokio::{sync::Notify, time::timeout};

use super::*;
use crate::{
    files::{Disk, Files as _},
    reads::Noted,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// A folder with a platform's file and one team's, and what a load reads of it.
struct World {
    folder: TempDir,
    changed: Arc<Notify>,
    watch: Watch,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("routes.d/tv")).unwrap();
        fs::write(folder.path().join("headgate.toml"), "a").unwrap();
        fs::write(folder.path().join("routes.d/tv/a.toml"), "a").unwrap();
        Self::over(folder)
    }

    fn over(folder: TempDir) -> Self {
        let changed = Arc::new(Notify::new());
        let told = Arc::clone(&changed);
        let watch = Watch::new(move || told.notify_one());
        let mut world = Self { folder, changed, watch };
        assert_eq!(world.follow(), (Watching::Events, true));
        world
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Reads as a load does, and watches that.
    fn follow(&mut self) -> (Watching, bool) {
        let files = Noted::new(&Disk);
        drop(files.read(&self.at("headgate.toml")));
        for entry in files.list(&self.at("routes.d")).unwrap_or_default() {
            for file in files.list(&entry.path).unwrap_or_default() {
                drop(files.read(&file.path));
            }
        }
        let watching = self.watch.follow(&files.into_reads());
        // What was told of before is over.
        while futures_ready(&self.changed) {}
        watching
    }

    async fn hears(&self, change: impl FnOnce(&Self)) {
        change(self);
        timeout(PATIENCE, self.changed.notified()).await.expect("a change was not told of");
    }
}

/// Takes what was told, if anything was.
fn futures_ready(changed: &Notify) -> bool {
    let mut told = std::pin::pin!(changed.notified());
    told.as_mut().enable()
}

fn write(path: PathBuf, text: &str) {
    fs::write(path, text).unwrap();
}

#[tokio::test]
async fn file_that_is_written_is_told_of() {
    let world = World::new();
    world.hears(|world| write(world.at("headgate.toml"), "b")).await;
    let world = World::new();
    world.hears(|world| write(world.at("routes.d/tv/a.toml"), "b")).await;
    let world = World::new();
    world.hears(|world| fs::remove_file(world.at("routes.d/tv/a.toml")).unwrap()).await;
}

#[tokio::test]
async fn editors_rename_and_replace_is_told_of_again_and_again() {
    let mut world = World::new();
    for text in ["b", "c", "d"] {
        world
            .hears(|world| {
                write(world.at(".a.toml.tmp"), text);
                fs::rename(world.at(".a.toml.tmp"), world.at("headgate.toml")).unwrap();
            })
            .await;
        world.follow();
    }
}

#[tokio::test]
async fn mounted_folder_whose_link_is_swapped_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    for version in ["..1", "..2"] {
        fs::create_dir_all(at(version)).unwrap();
        write(at(version).join("headgate.toml"), version);
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/headgate.toml", at("headgate.toml")).unwrap();
    let mut world = World::over(folder);
    for version in ["..2", "..1"] {
        world
            .hears(|world| {
                symlink(version, world.at("..tmp")).unwrap();
                fs::rename(world.at("..tmp"), world.at("..data")).unwrap();
            })
            .await;
        world.follow();
    }
}

#[tokio::test]
async fn release_whose_link_is_swapped_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    for release in ["1", "2"] {
        fs::create_dir_all(folder.path().join(release)).unwrap();
        write(folder.path().join(release).join("headgate.toml"), release);
    }
    symlink("1", folder.path().join("current")).unwrap();
    let changed = Arc::new(Notify::new());
    let told = Arc::clone(&changed);
    let mut watch = Watch::new(move || told.notify_one());
    let files = Noted::new(&Disk);
    files.read(&folder.path().join("current/headgate.toml")).unwrap();
    watch.follow(&files.into_reads());

    symlink("2", folder.path().join("next")).unwrap();
    fs::rename(folder.path().join("next"), folder.path().join("current")).unwrap();

    timeout(PATIENCE, changed.notified()).await.expect("the swap was not told of");
}

#[tokio::test]
async fn folder_that_is_removed_and_made_again_is_followed() {
    let mut world = World::new();
    for round in 0..3 {
        world.hears(|world| fs::remove_dir_all(world.at("routes.d")).unwrap()).await;
        world.follow();
        world.hears(|world| fs::create_dir_all(world.at("routes.d/tv")).unwrap()).await;
        world.follow();
        world.hears(|world| write(world.at("routes.d/tv/a.toml"), &round.to_string())).await;
        world.follow();
    }
}

#[tokio::test]
async fn folder_made_again_before_anybody_looked_is_followed() {
    let mut world = World::new();
    world
        .hears(|world| {
            fs::remove_dir_all(world.at("routes.d/tv")).unwrap();
            fs::create_dir_all(world.at("routes.d/tv")).unwrap();
        })
        .await;
    // Both events may not have come yet; the last one tells what is stale.
    world.follow();
    write(world.at("routes.d/tv/marker"), "");
    while world.follow().1 {}
    world.hears(|world| write(world.at("routes.d/tv/a.toml"), "b")).await;
}

#[test]
fn reading_and_other_files_are_no_change() {
    let mut folders = Folders::new();
    add(&mut folders, Path::new("/etc/edge"), OsStr::new("headgate.toml"));
    folders.insert("/etc/edge/routes.d".into(), Names::All);
    let mut shared = Shared { folders, stale: BTreeSet::new() };
    let mut takes = |kind, path: &str| shared.takes(&Event::new(kind).add_path(path.into()));
    let (read, written, removed) = (
        EventKind::Access(AccessKind::Open(AccessMode::Any)),
        EventKind::Access(AccessKind::Close(AccessMode::Write)),
        EventKind::Remove(notify::event::RemoveKind::File),
    );
    assert!(takes(written, "/etc/edge/headgate.toml"));
    assert!(takes(removed, "/etc/edge/headgate.toml"));
    assert!(takes(written, "/etc/edge/..data"));
    assert!(takes(written, "/etc/edge/routes.d/tv.toml"));
    assert!(!takes(read, "/etc/edge/headgate.toml"));
    assert!(!takes(written, "/etc/edge/access.log"));
    assert!(!takes(written, "/etc/edge/routes.d/.tv.toml.swp"));
    let overflow = Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
    assert!(shared.takes(&overflow), "what the system could not tell may be anything");
}
