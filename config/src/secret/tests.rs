use std::path::Path;

use super::{ParseSecretError, Secret, SecretError};

#[test]
fn place_is_read_as_it_is_written() {
    for text in ["env:REPORTS_URL", "file:secrets/reports", "file:/run/secrets/a b"] {
        assert_eq!(text.parse::<Secret>().unwrap().to_string(), text);
    }
    for text in ["", "env:", "env:A B", "file:", "postgres://user:password@host/db", "REPORTS"] {
        assert_eq!(text.parse::<Secret>(), Err(ParseSecretError), "{text}");
    }
}

#[test]
fn file_is_read_below_its_folder_without_white_space_at_its_ends() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("url"), "postgres://host/db\n").unwrap();
    std::fs::write(folder.path().join("empty"), " \n").unwrap();
    let below = |text: &str| text.parse::<Secret>().unwrap().below(folder.path());

    assert_eq!(below("file:url").read().unwrap(), "postgres://host/db");
    assert!(matches!(below("file:empty").read(), Err(SecretError::Empty(_))));
    assert!(matches!(below("file:none").read(), Err(SecretError::Unreadable(..))));
    let unset = below("env:HEADGATE_TEST_NOT_SET");
    assert_eq!(unset, unset.below(Path::new("/elsewhere")));
    assert!(matches!(unset.read(), Err(SecretError::Unset(_))));
}
