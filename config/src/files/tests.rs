use std::fs;

use tempfile::TempDir;

use super::*;

/// A folder with these files, all of them empty.
fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    folder
}

fn listed(files: &dyn Files, folder: &Path) -> Vec<String> {
    let paths = files.list(folder).unwrap();
    let relative = paths.iter().map(|path| path.strip_prefix(folder).unwrap());
    let mut names: Vec<_> = relative.map(|path| path.display().to_string()).collect();
    names.sort();
    names
}

#[test]
fn files_of_teams_are_found_and_others_passed_over() {
    let all = ["tv/a.toml", "web/b.toml", "c.toml", "tv/x.txt", "tv/.d.toml", ".git/e.toml"];
    let folder = folder(&all);
    assert_eq!(listed(&Disk, folder.path()), ["c.toml", "tv/a.toml", "web/b.toml"]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_circles_end() {
    let folder = folder(&["..data/tv/a.toml"]);
    std::os::unix::fs::symlink(folder.path().join("..data/tv"), folder.path().join("tv")).unwrap();
    assert_eq!(listed(&Disk, folder.path()), ["tv/a.toml"]);
    std::os::unix::fs::symlink(folder.path(), folder.path().join("circle")).unwrap();
    assert!(listed(&Disk, folder.path()).len() > 1);
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let folder = folder(&[]);
    let error = Disk.list(&folder.path().join("gone")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_file_is_read_up_to_the_limit() {
    let folder = folder(&["a"]);
    let path = folder.path().join("a");
    let limit = usize::try_from(FILE_BYTES_MAX).unwrap();
    fs::write(&path, vec![b'#'; limit]).unwrap();
    assert_eq!(Disk.read(&path).unwrap().len(), limit);
    fs::write(&path, vec![b'#'; limit + 1]).unwrap();
    assert_eq!(Disk.read(&path).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn memory_lists_what_it_was_given() {
    let memory =
        Memory::default().with("r/tv/a.toml", "").with("r/tv/b.txt", "").with("x.toml", "");
    assert_eq!(listed(&memory, Path::new("r")), ["tv/a.toml"]);
    assert_eq!(memory.list(Path::new("s")).unwrap_err().kind(), io::ErrorKind::NotFound);
}
