use super::check;
use crate::tidy::source;

/// Findings for a file of so many lines, with the given exceptions.
fn findings(lines: usize, exceptions: &str) -> Vec<String> {
    let file = source("router/src/table.rs", &"x\n".repeat(lines));
    check("ratchet.txt", exceptions, &[file]).iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_at_the_limit_passes() {
    assert_eq!(findings(400, ""), [""; 0]);
}

#[test]
fn a_file_above_the_limit_is_found() {
    let what = "router/src/table.rs:401: 401 lines of code; allowed: 400: split the file";
    assert_eq!(findings(401, ""), [what]);
}

#[test]
fn an_exception_holds_at_its_length_alone() {
    let exceptions = "# reason\nrouter/src/table.rs 450\n";
    assert_eq!(findings(450, exceptions), [""; 0]);
    assert_eq!(findings(451, exceptions).len(), 1);
    let shrunk =
        "ratchet.txt:2: router/src/table.rs has shrunk from 450 lines to 449; allowed: 449";
    assert_eq!(findings(449, exceptions), [shrunk]);
}

#[test]
fn an_exception_that_is_not_needed_is_found() {
    let what = "ratchet.txt:1: router/src/table.rs has shrunk from 450 lines to 90; \
                allowed: no exception";
    assert_eq!(findings(90, "router/src/table.rs 450\n"), [what]);
    assert_eq!(findings(90, "router/src/gone.rs 450\n").len(), 1);
    assert_eq!(findings(90, "router/src/table.rs\n").len(), 1);
}

#[test]
fn tests_do_not_count() {
    let sibling = source("router/src/table/tests.rs", &"x\n".repeat(900));
    let folder = source("tests/it/routing.rs", &"x\n".repeat(900));
    let inside =
        format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "x\n".repeat(390), "x\n".repeat(90));
    let inside = source("router/src/table.rs", &inside);
    assert_eq!(check("ratchet.txt", "", &[sibling, folder, inside]), []);
}
