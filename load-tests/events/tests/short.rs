//! The scenarios in short, for every change.

use std::{env, path::Path, time::Duration};

use headgate_events::kafka::KafkaLocal;
use headgate_idempotency::testing::DynamoDbLocal;
use headgate_load_events::{Crashes, On, Report, crashes};

fn run(on: On, keys: u64, folder: &Path) -> Report {
    let sizes = Crashes {
        on,
        keys,
        kill_every: Duration::from_secs(3),
        break_every: (on == On::Kafka).then_some(Duration::from_secs(9)),
        within: Duration::from_mins(5),
        program: env!("CARGO_BIN_EXE_headgate-load-events").into(),
        folder: folder.to_owned(),
        seed: 1,
    };
    crashes(&sizes).expect("the processes start and the work is done in time")
}

#[test]
fn series_are_whole_although_their_worker_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(On::Embedded, 1_500, folder.path());
    assert!(report.holds(), "{report}");
}

#[test]
fn series_are_whole_although_workers_and_the_broker_are_killed() {
    // Three workers that start again and again, a broker in Java and a table in Java want a machine
    // of their own.
    if env::var_os("HEADGATE_SLOW_TESTS").is_none()
        || KafkaLocal::is_left_out()
        || DynamoDbLocal::shared().is_none()
    {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let report = run(On::Kafka, 300, folder.path());
    assert!(report.holds(), "{report}");
}
