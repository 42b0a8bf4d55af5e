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

/// What is right in a folder, in the order of names.
fn listed(files: &dyn Files, folder: &Path) -> Vec<String> {
    let mut entries = files.list(folder).unwrap();
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    let shown = |entry: &Entry| {
        let name = entry.path.strip_prefix(folder).unwrap().display();
        let link = if entry.is_link { " link" } else { "" };
        format!("{name} {:?}{link}", entry.kind)
    };
    entries.iter().map(shown).collect()
}

#[test]
fn what_is_right_in_a_folder_is_listed_but_for_hidden_names() {
    let all = ["tv/a.toml", "c.toml", "x.txt", ".d.toml", ".git/e.toml"];
    let folder = folder(&all);
    assert_eq!(listed(&Disk, folder.path()), ["c.toml File", "tv Folder", "x.txt File"]);
}

#[cfg(unix)]
#[test]
fn links_are_what_they_lead_to() {
    use std::os::unix::fs::symlink;
    let folder = folder(&["..data/tv/a.toml"]);
    symlink("..data/tv", folder.path().join("tv")).unwrap();
    symlink("tv/a.toml", folder.path().join("a.toml")).unwrap();
    symlink("gone", folder.path().join("gone.toml")).unwrap();
    let expected = ["a.toml File link", "gone.toml Other link", "tv Folder link"];
    assert_eq!(listed(&Disk, folder.path()), expected);
    let target = Disk.resolve(&folder.path().join("a.toml")).unwrap();
    assert_eq!(target, Disk.resolve(&folder.path().join("..data/tv/a.toml")).unwrap());
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
    let memory = Memory::default()
        .with("r/tv/a.toml", "")
        .with("r/tv/b.txt", "")
        .with("r/c.toml", "")
        .with("x.toml", "");
    assert_eq!(listed(&memory, Path::new("r")), ["c.toml File", "tv Folder"]);
    assert_eq!(listed(&memory, Path::new("r/tv")), ["a.toml File", "b.txt File"]);
    assert_eq!(memory.list(Path::new("s")).unwrap_err().kind(), io::ErrorKind::NotFound);
}
