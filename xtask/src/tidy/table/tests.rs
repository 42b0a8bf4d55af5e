use super::{May, parse};

const TABLE: &str = "\
# Map

| crate | may depend on | only it may know |
|---|---|---|
| types | – | – |
| router | types | `governor`, limit algorithms |
| gateway | types, router | `pingora-*` |
| cli | everything | `clap` |
| tests, xtask | anything | – |

| another | table |
";

fn only(names: &[&str]) -> May {
    May::Only(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn rows_are_read_until_the_table_ends() {
    let (rows, findings) = parse("A.md", TABLE);
    assert_eq!(findings, []);
    let read: Vec<_> = rows.iter().map(|row| (row.folder.as_str(), row.may.clone())).collect();
    let expected = [
        ("types", only(&[])),
        ("router", only(&["types"])),
        ("gateway", only(&["types", "router"])),
        ("cli", May::Everything),
        ("tests", May::Anything),
        ("xtask", May::Anything),
    ];
    assert_eq!(read, expected);
}

#[test]
fn quoted_names_are_reserved() {
    let (rows, _) = parse("A.md", TABLE);
    let reserved: Vec<_> = rows.iter().filter(|row| row.reserves("governor")).collect();
    assert_eq!(reserved.len(), 1);
    assert!(rows.iter().any(|row| row.folder == "gateway" && row.reserves("pingora-core")));
    assert!(!rows.iter().any(|row| row.reserves("limit")));
}

#[test]
fn a_row_cannot_name_one_below_it() {
    let text = TABLE.replace("| types | – |", "| types | router |");
    let (_, findings) = parse("A.md", &text);
    let shown: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["A.md:5: `router` does not stand above this row; \
          allowed: folders of rows above: dependencies go one way"]
    );
}

#[test]
fn a_page_without_the_table_is_a_finding() {
    let (rows, findings) = parse("A.md", "# Map\n");
    assert!(rows.is_empty());
    assert_eq!(findings.len(), 1);
}

#[test]
fn a_row_needs_three_cells() {
    let (_, findings) = parse("A.md", &TABLE.replace("| types | – | – |", "| types | – |"));
    assert_eq!(findings.first().map(|finding| finding.line), Some(5));
}
