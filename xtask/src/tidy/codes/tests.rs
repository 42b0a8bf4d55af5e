use super::check;
use crate::tidy::source;

fn findings(code: &str, page: &str) -> Vec<String> {
    let code = source("gateway/src/error.rs", code);
    let page = source("docs/errors/HG0001.md", page);
    let index = source("docs/errors/README.md", "# Error codes\n");
    check(&[code, page, index]).iter().map(ToString::to_string).collect()
}

#[test]
fn a_code_with_its_page_passes() {
    assert_eq!(findings("=> \"HG0001\",\n", "# HG0001: no route\n"), [""; 0]);
}

#[test]
fn a_code_without_a_page_is_found_where_it_stands() {
    let what = "gateway/src/error.rs:2: HG0002 has no page; allowed: a page docs/errors/HG0002.md";
    assert_eq!(findings("// HG0001\n\"HG0002\"\n", "# HG0001: no route\n"), [what]);
}

#[test]
fn a_page_without_a_code_is_found() {
    let what = "docs/errors/HG0001.md:1: no source uses HG0001; allowed: pages of codes in use";
    assert_eq!(findings("\"HG00012\" \"XHG0001\"\n", "# HG0001: no route\n"), [what]);
}

#[test]
fn a_page_begins_with_its_code() {
    assert_eq!(findings("\"HG0001\"\n", "# No route\n").len(), 1);
}

#[test]
fn codes_in_tests_need_no_page() {
    let test = source("gateway/src/error/tests.rs", "\"HG0099\"\n");
    assert_eq!(check(&[test]), []);
}
