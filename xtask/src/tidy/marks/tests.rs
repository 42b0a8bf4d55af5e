use super::{OPEN_ENDS, check};
use crate::tidy::source;

fn findings(path: &str, text: &str) -> usize {
    check(&[source(path, text)]).len()
}

#[test]
fn open_ends_are_found_in_every_file() {
    for mark in OPEN_ENDS {
        assert_eq!(findings("router/src/table.rs", &format!("x\n// {mark}(me): later")), 1);
        assert_eq!(findings("docs/start.md", &format!("{mark} later")), 1);
        assert_eq!(findings("docs/start.md", &mark.to_lowercase()), 0);
        assert_eq!(findings("docs/start.md", &format!("{mark}S")), 0);
    }
}

#[test]
fn an_ignored_test_needs_a_reason() {
    let ignore = "ignore";
    assert_eq!(findings("router/src/table/tests.rs", &format!("    #[{ignore}]\nfn a() {{}}")), 1);
    assert_eq!(findings("router/src/table/tests.rs", &format!("#[{ignore} = \"slow\"]")), 0);
}
