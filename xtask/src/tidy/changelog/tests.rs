use super::check;

fn is_found(changed: &[&str]) -> bool {
    check(&changed.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()).is_some()
}

#[test]
fn a_changed_surface_needs_a_line() {
    assert!(is_found(&["docs/reference/config.md", "config/src/lib.rs"]));
    assert!(is_found(&["docs/errors/HG0001.md"]));
    assert!(!is_found(&["docs/reference/config.md", "CHANGELOG.md"]));
}

#[test]
fn what_users_do_not_see_needs_none() {
    assert!(!is_found(&["router/src/table.rs", "docs/testing.md"]));
    assert!(!is_found(&[]));
}
