//! Every crash point in every mode, and the table in the documentation that says what comes of it.

use std::{env, fs, path::Path};

use headgate_idempotency::testing::{crash_points, sweep};

/// Set it to write the table.
const WRITE: &str = "HEADGATE_WRITE_TABLES";
const TABLE: &str = "../docs/concepts/exactly-once/crash-points.md";

#[test]
fn the_documented_table_is_what_happens() {
    let table = crash_points().unwrap_or_else(|found| panic!("{found}"));
    let page = format!(
        "# What becomes of an event at each crash point\n\n\
         Written by the test `crash_points` of the crate `idempotency`, which plays every cell;\n\
         with `{WRITE}=1` it writes this page again.\n\n{table}"
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    if env::var_os(WRITE).is_some() {
        fs::write(&file, &page).expect("the page can be written");
    }
    let documented = fs::read_to_string(&file).expect("the page can be read");
    assert_eq!(documented, page, "run the test with {WRITE}=1");
}

#[test]
fn every_call_of_the_store_may_go_wrong_in_every_way() {
    let plays = sweep().unwrap_or_else(|found| panic!("{found}"));
    assert!(plays > 100, "only {plays}");
}
