//! What a team's folder can hold to hurt others, on a real disk.

use std::{fs, os::unix::fs::symlink};

use tempfile::TempDir;

use super::*;
use crate::{Disk, FILE_BYTES_MAX, FILES_MAX, TEAM_BYTES_MAX, TEAM_FILES_MAX};

/// The two teams on disk.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "headgate.toml", PLATFORM);
    write(&folder, TV, &team("tv", &[("a", "/tv/a")]));
    write(&folder, WEB, &team("web", &[("a", "/web/a")]));
    folder
}

fn write(folder: &TempDir, path: &str, text: &str) {
    let path = folder.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn load_disk(folder: &TempDir, kept: Option<&Kept>) -> Loaded {
    let (path, environment) = (folder.path().join("headgate.toml"), BTreeMap::new());
    load_layered(&Ask {
        files: &Disk,
        path: &path,
        environment: &environment,
        overlays: &[],
        kept,
        use_kept_platform: false,
        now: None,
    })
    .unwrap()
}

/// The one fault that a change of the folder makes, and that it holds back team tv alone.
fn refused(change: impl Fn(&TempDir)) -> String {
    let folder = folder();
    let kept = load_disk(&folder, None).kept;
    change(&folder);
    let loaded = load_disk(&folder, Some(&kept));
    assert_eq!(states(&loaded), [("tv", "last_good"), ("web", "current")]);
    assert_eq!(routes(&loaded), ["tv GET /tv/a", "web GET /web/a"]);
    let prefix = format!("{}/", folder.path().display());
    loaded.faults().to_string().replace(&prefix, "")
}

#[test]
fn a_file_of_a_hundred_megabytes_is_refused_unread() {
    let fault = refused(|folder| {
        let file = fs::File::create(folder.path().join("routes.d/tv/big.toml")).unwrap();
        file.set_len(100 << 20).unwrap();
    });
    assert_eq!(
        fault,
        format!(
            "routes.d/tv/big.toml:1:1: HG1001: can't be read: it is larger than {FILE_BYTES_MAX} bytes"
        )
    );
}

#[test]
fn a_link_out_of_the_folder_is_refused() {
    let secret = tempfile::tempdir().unwrap();
    fs::write(secret.path().join("x.toml"), "team = \"tv\"\n").unwrap();
    let expected = "can't be read: it is a link that leads out of the routes' folder";
    let fault = refused(|folder| {
        symlink(secret.path().join("x.toml"), folder.path().join("routes.d/tv/x.toml")).unwrap();
    });
    assert_eq!(fault, format!("routes.d/tv/x.toml:1:1: HG1001: {expected}"));
    let fault = refused(|folder| {
        symlink(secret.path(), folder.path().join("routes.d/tv/more")).unwrap();
    });
    assert_eq!(fault, format!("routes.d/tv/more:1:1: HG1001: {expected}"));
}

#[test]
fn a_link_that_leads_nowhere_is_refused() {
    let fault = refused(|folder| {
        symlink("gone.toml", folder.path().join("routes.d/tv/x.toml")).unwrap();
    });
    assert_eq!(
        fault,
        "routes.d/tv/x.toml:1:1: HG1001: can't be read: it is a link that can't be followed: it \
         does not exist"
    );
}

#[test]
fn files_of_a_mounted_config_map_are_read() {
    let folder = folder();
    // A ConfigMap's volume: names lead through `..data` to a folder that is swapped as a whole.
    let tv = folder.path().join("routes.d/tv");
    fs::remove_file(tv.join("a.toml")).unwrap();
    for (version, path) in [("..1", "/tv/1"), ("..2", "/tv/2")] {
        write(&folder, &format!("routes.d/tv/{version}/a.toml"), &team("tv", &[("a", path)]));
    }
    symlink("..1", tv.join("..data")).unwrap();
    symlink("..data/a.toml", tv.join("a.toml")).unwrap();
    let first = load_disk(&folder, None);
    assert_eq!(routes(&first), ["tv GET /tv/1", "web GET /web/a"]);
    symlink("..2", tv.join("..swap")).unwrap();
    fs::rename(tv.join("..swap"), tv.join("..data")).unwrap();
    let second = load_disk(&folder, Some(&first.kept));
    assert_eq!(routes(&second), ["tv GET /tv/2", "web GET /web/a"]);
    assert!(second.faults().is_empty());
}

#[test]
fn what_is_no_ordinary_file_is_refused_unopened() {
    let fault = refused(|folder| {
        // Opening a socket fails, and a pipe would wait for a writer for ever.
        drop(std::os::unix::net::UnixListener::bind(folder.path().join("routes.d/tv/x.toml")));
    });
    assert_eq!(fault, "routes.d/tv/x.toml:1:1: HG1001: can't be read: it is no ordinary file");
}

#[test]
fn links_in_circles_are_refused() {
    let fault = refused(|folder| {
        for name in 0..40 {
            symlink(".", folder.path().join(format!("routes.d/tv/{name}"))).unwrap();
        }
    });
    assert!(fault.starts_with("routes.d/tv:1:1: HG1001: can't be read: the team has more than"));
}

#[test]
fn a_team_has_a_limited_number_of_files() {
    let fault = refused(|folder| {
        for name in 0..=TEAM_FILES_MAX {
            write(folder, &format!("routes.d/tv/{name}.toml"), "team = \"tv\"\n");
        }
    });
    let expected = format!("can't be read: the team has more than {TEAM_FILES_MAX} files");
    assert_eq!(fault, format!("routes.d/tv:1:1: HG1001: {expected}"));
}

#[test]
fn a_teams_files_have_a_limited_size_together() {
    let comment = format!("team = \"tv\"\n{}", "#\n".repeat((1 << 19) - 10));
    let fault = refused(|folder| {
        for name in 0..=TEAM_BYTES_MAX >> 20 {
            write(folder, &format!("routes.d/tv/{name}.toml"), &comment);
        }
    });
    let expected = format!("the team's files together are larger than {TEAM_BYTES_MAX} bytes");
    assert_eq!(fault, format!("routes.d/tv:1:1: HG1001: can't be read: {expected}"));
}

#[test]
fn of_too_many_files_together_those_of_the_largest_team_are_refused() {
    // Thirty-three teams with as many files as one may have, and a small one.
    let platform: String =
        (0..33).map(|index| format!("[team.t{index:02}]\n")).chain([PLATFORM.to_owned()]).collect();
    let mut files = both().with("headgate.toml", platform);
    for index in 0..33 {
        for file in 0..TEAM_FILES_MAX - usize::from(index != 7) {
            let name = format!("t{index:02}");
            files =
                files.with(format!("routes.d/{name}/{file}.toml"), format!("team = {name:?}\n"));
        }
    }
    let loaded = load_over(&files, None).unwrap();
    let at_fault: Vec<_> = loaded.parts.iter().filter(|part| !part.faults.is_empty()).collect();
    assert_eq!(at_fault.first().map(|part| part.team.as_str()), Some("t07"));
    assert!(at_fault[0].faults.to_string().contains(&format!("more than {FILES_MAX} files")));
    assert_eq!(routes(&loaded), ["tv GET /tv/a", "web GET /web/a"]);
}

#[test]
fn a_pathological_expression_is_refused() {
    for expression in ["(a{1000}){1000}", "((a{100}){100}){100}", &"(".repeat(200)] {
        let route = format!(
            "{}[route.x]\nmatch = \"GET /tv/x header.x~'{expression}'\"\nto = \"up\"\n",
            team("tv", &[])
        );
        let loaded = reload(|files| files.with(TV, route.as_str()));
        assert_eq!(states(&loaded), [("tv", "last_good"), ("web", "current")]);
        assert_eq!(loaded.parts[0].faults.iter().next().unwrap().code, Code::BadMatch);
    }
}
