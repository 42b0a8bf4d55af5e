use super::{difference, list};
use crate::tidy::source;

#[test]
fn a_page_lists_the_others_of_its_folder() {
    let sources = [
        source("docs/errors/HG0001.md", "# HG0001: no route\n"),
        source("docs/errors/HG0002.md", "# HG0002: no credential\n"),
        source("docs/errors/README.md", "# Error codes\n"),
        source("docs/start.md", "# Start\n"),
    ];
    let expected =
        "# Head\n\n- [HG0001: no route](HG0001.md)\n- [HG0002: no credential](HG0002.md)\n";
    assert_eq!(list("docs/errors", "# Head\n", &sources), expected);
}

#[test]
fn a_stale_page_is_found_at_its_first_difference() {
    let page = [source("docs/reference/cli.md", "a\nb\nc\n")];
    let line = |path, text| difference(&page, path, text).map(|finding| finding.line);
    assert_eq!(line("docs/reference/cli.md", "a\nb\nc\n"), None);
    assert_eq!(line("docs/reference/cli.md", "a\nB\nc\n"), Some(2));
    assert_eq!(line("docs/reference/cli.md", "a\nb\nc\nd\n"), Some(4));
    assert_eq!(line("docs/reference/gone.md", "a\n"), Some(1));
}
