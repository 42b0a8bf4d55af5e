use std::fs;

use crate::files::Disk;

use super::*;

/// Reads one file and lists one folder, and notes it.
fn noted(folder: &Path) -> Reads {
    let files = Noted::new(&Disk);
    files.list(folder).unwrap();
    files.read(&folder.join("a.toml")).unwrap();
    files.read(&folder.join("later.toml")).unwrap_err();
    files.into_reads()
}

/// Whether a change is seen.
fn sees(change: impl FnOnce(&Path)) -> bool {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toml"), "a").unwrap();
    let reads = noted(folder.path());
    assert!(reads.are_current(&Disk));
    change(folder.path());
    !reads.are_current(&Disk)
}

#[test]
fn change_of_what_was_read_is_seen() {
    assert!(sees(|folder| fs::write(folder.join("a.toml"), "b").unwrap()));
    assert!(sees(|folder| fs::remove_file(folder.join("a.toml")).unwrap()));
    assert!(sees(|folder| fs::write(folder.join("later.toml"), "").unwrap()));
    assert!(sees(|folder| fs::create_dir(folder.join("team")).unwrap()));
}

#[test]
fn what_was_not_read_does_not_count() {
    assert!(!sees(|folder| fs::write(folder.join(".hidden"), "b").unwrap()));
    assert!(!sees(|folder| fs::write(folder.join("a.toml"), "a").unwrap()));
}
