//! The scenarios in short, for every change.

use std::{path::Path, time::Duration};

use headgate_idempotency::testing::DynamoDbLocal;
use headgate_load_exactly_once::{Crashes, Places, Report, Zombies, crashes, zombies};

fn places(folder: &Path) -> Places {
    let program = env!("CARGO_BIN_EXE_headgate-load-exactly-once").into();
    Places { program, folder: folder.to_owned() }
}

fn holds(report: &Report) {
    assert!(report.holds(), "{}", report.markdown());
}

#[test]
fn effects_are_once_although_the_worker_is_killed_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = Crashes {
        keys: 1_200,
        partitions: 8,
        kills_min: 5,
        life: Duration::from_millis(300)..Duration::from_secs(2),
        lease: Duration::from_millis(300),
        within: Duration::from_mins(5),
        seed: 1,
    };
    holds(&crashes(&sizes, &places(folder.path())).unwrap());
}

#[test]
fn late_workers_on_one_table_change_nothing() {
    let Some(local) = DynamoDbLocal::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let sizes = Zombies {
        endpoint: local.endpoint().to_owned(),
        partitions: 4,
        stops: 12,
        stops_per_kill: 4,
        lease: Duration::from_millis(300),
        effect: Duration::from_millis(20),
        within: Duration::from_mins(5),
        seed: 1,
    };
    let report = zombies(&sizes, &places(folder.path())).unwrap();
    holds(&report);
    assert!(report.fenced > 0 && report.taken_over > 0, "too little happens: {report:?}");
}
