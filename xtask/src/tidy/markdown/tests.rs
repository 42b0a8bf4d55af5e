use super::check;
use crate::tidy::source;

/// Findings for a page in `docs/guides`, beside a few others.
fn findings(text: &str) -> Vec<String> {
    let page = source("docs/guides/tune.md", text);
    let other = source("docs/start.md", "# Start\n\n## The `first` route\n\n## More\n\n## More\n");
    let code = source("cli/src/main.rs", "");
    check(&[page, other, code]).iter().map(ToString::to_string).collect()
}

#[test]
fn links_that_lead_somewhere_pass() {
    let text = "# Tune\n\n[a](../start.md), [b](../../cli/src/main.rs \"title\"), [c](../../cli)\n\
                [d](https://example.org/x), [e](#tune), [f](../start.md#the-first-route),\n\
                [g](../start.md#more-1), [h](mailto:a@example.org)\n[i]: ../start.md\n";
    assert_eq!(findings(text), [""; 0]);
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let what = "docs/guides/tune.md:3: the link `gone.md` leads nowhere; \
                allowed: links to existing files";
    assert_eq!(findings("# Tune\n\n[a](gone.md)\n"), [what]);
    assert_eq!(findings("# Tune\n\n[a]: gone.md\n").len(), 1);
    assert_eq!(findings("# Tune\n\n[a](../start.md) and [b](gone.md)\n").len(), 1);
}

#[test]
fn a_link_to_a_heading_that_is_not_there_is_found() {
    assert_eq!(findings("# Tune\n\n[a](../start.md#more-2)\n").len(), 1);
    assert_eq!(findings("# Tune\n\n[a](#elsewhere)\n").len(), 1);
}

#[test]
fn a_link_out_of_the_repository_is_found() {
    assert_eq!(findings("# Tune\n\n[a](../../../etc/passwd)\n").len(), 1);
    assert_eq!(findings("# Tune\n\n[a](/etc/passwd)\n").len(), 1);
}

#[test]
fn code_holds_no_links_and_no_titles() {
    assert_eq!(
        findings("# Tune\n\n```sh\n# comment\n[a](gone.md)\n```\n`[b](gone.md)`\n"),
        [""; 0]
    );
}

#[test]
fn a_page_has_one_title() {
    assert_eq!(
        findings("Tune\n"),
        ["docs/guides/tune.md:1: no title; allowed: one heading of the first level"]
    );
    let second = "docs/guides/tune.md:2: a second title; allowed: one heading of the first level";
    assert_eq!(findings("# Tune\n# Again\n"), [second]);
}
