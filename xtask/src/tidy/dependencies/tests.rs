use super::check;
use crate::tidy::source;
use crate::tidy::table;

const TABLE: &str = "\
| crate | may depend on | only it may know |
|---|---|---|
| types | – | – |
| router | types | – |
| gateway | types, router | `pingora-*`, `hyper` |
| cli | everything | `clap` |
| tests | anything | – |
";

/// One entry, which only a test that is about it inherits.
const ROOT: &str = "\
[workspace.dependencies]
wire = { package = \"hyper\", version = \"1\" }
";

/// Checks a manifest beside those of all other crates of the table.
fn findings(folder: &str, manifest: &str) -> Vec<String> {
    let (table, _) = table::parse("ARCHITECTURE.md", TABLE);
    let mut sources = vec![
        source("Cargo.toml", ROOT),
        source(&format!("{folder}/Cargo.toml"), &format!("[package]\n{manifest}")),
    ];
    for row in &table {
        let path = format!("{}/Cargo.toml", row.folder);
        let text = format!("[package]\nname = \"headgate-{}\"\n", row.folder);
        if sources.iter().all(|source| source.path != path) {
            sources.push(source(&path, &text));
        }
    }
    let findings = check(&table, &sources).unwrap();
    findings.iter().filter(|it| it.path != "Cargo.toml").map(ToString::to_string).collect()
}

#[test]
fn an_edge_that_the_table_has_is_allowed() {
    let manifest = "name = \"headgate-router\"\n[dependencies]\nheadgate-types.workspace = true\n";
    assert_eq!(findings("router", manifest), [""; 0]);
}

#[test]
fn an_edge_that_the_table_lacks_is_found() {
    let manifest =
        "name = \"headgate-router\"\n[dependencies]\nheadgate-gateway.workspace = true\n";
    let what = "router/Cargo.toml:4: `router` may not depend on `headgate-gateway`; allowed: types";
    assert_eq!(findings("router", manifest), [what]);
}

#[test]
fn tests_and_targets_are_held_to_the_table_too() {
    for section in ["dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
        let manifest =
            format!("name = \"headgate-types\"\n[{section}]\nheadgate-router.workspace = true\n");
        assert_eq!(findings("types", &manifest).len(), 1, "{section}");
    }
}

#[test]
fn everything_leaves_out_what_may_depend_on_anything() {
    let edge = |name| format!("name = \"headgate\"\n[dependencies]\n{name}.workspace = true\n");
    assert_eq!(findings("cli", &edge("headgate-gateway")), [""; 0]);
    assert_eq!(findings("cli", &edge("headgate-tests")).len(), 1);
}

#[test]
fn a_reserved_crate_is_found_outside_its_row() {
    let edge =
        |name| format!("name = \"headgate-router\"\n[dependencies]\n{name}.workspace = true\n");
    let what =
        "router/Cargo.toml:4: `router` may not depend on `pingora-core`; allowed: only in gateway";
    assert_eq!(findings("router", &edge("pingora-core")), [what]);
    assert_eq!(findings("router", &edge("hyper-util")), [""; 0]);
}

#[test]
fn a_renamed_reserved_crate_is_found() {
    let manifest = "name = \"headgate-router\"\n[dependencies]\nwire.workspace = true\n";
    assert_eq!(findings("router", manifest).len(), 1);
}

#[test]
fn a_crate_free_to_use_anything_may_name_reserved_crates() {
    let manifest = "name = \"headgate-tests\"\n[dependencies]\nhyper.workspace = true\n";
    assert_eq!(findings("tests", manifest), [""; 0]);
}

#[test]
fn a_crate_below_a_folder_shares_its_row() {
    let manifest = "name = \"macros\"\n[dependencies]\nheadgate-gateway.workspace = true\n";
    assert_eq!(findings("router/macros", manifest).len(), 1);
}

#[test]
fn a_crate_without_a_row_is_found() {
    let what = "extra/Cargo.toml:1: `extra` has no row in the dependency table; \
                allowed: a row in ARCHITECTURE.md";
    assert_eq!(findings("extra", "name = \"extra\"\n"), [what]);
}

#[test]
fn a_version_outside_of_the_root_is_found() {
    let manifest = "name = \"headgate-types\"\n[dependencies]\nserde = \"1\"\n";
    assert_eq!(findings("types", manifest).len(), 1);
}

#[test]
fn a_version_that_no_crate_inherits_is_found() {
    let unused = |manifest: &str| {
        let manifest = format!("[package]\nname = \"edge\"\n{manifest}");
        let sources = [source("Cargo.toml", ROOT), source("cli/Cargo.toml", &manifest)];
        let findings = check(&table::parse("", TABLE).0, &sources).unwrap();
        findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let what = "Cargo.toml:2: no crate depends on `wire`; allowed: what a crate inherits";
    assert_eq!(unused(""), [what]);
    assert!(!unused("[dependencies]\nwire.workspace = true\n").contains(&what.to_owned()));
}

#[test]
fn a_workspace_of_its_own_has_its_own_versions() {
    let sources = [
        source("tests/peers/Cargo.toml", "[workspace]\nmembers = [\"bare\"]\n"),
        source(
            "tests/peers/bare/Cargo.toml",
            "[package]\nname = \"a\"\n[dependencies]\nb = \"1\"\n",
        ),
    ];
    assert_eq!(check(&table::parse("", TABLE).0, &sources).unwrap(), []);
}
