//! The scenarios in short, for every change.

use std::{env, path::Path, time::Duration};

use headgate_events::kafka::KafkaLocal;
use headgate_idempotency::testing::DynamoDbLocal;
use headgate_load_events::{Crashes, On, Report, crashes, priorities};

/// Runs it, and holds that every series is whole.
fn whole(sizes: &Crashes) -> Report {
    let report = crashes(sizes).expect("the processes start and the work is done in time");
    assert!(report.holds(), "{report}");
    report
}

/// Whether the real servers are not to be had.
fn is_left_out() -> bool {
    KafkaLocal::is_left_out() || DynamoDbLocal::shared().is_none()
}

/// Its bounds hold on a machine that does much else.
fn sizes(on: On, keys: u64, breaks_max: Option<u64>, folder: &Path) -> Crashes {
    Crashes {
        on,
        keys,
        kill_every: Some(Duration::from_secs(3)),
        break_every: (on == On::Kafka).then_some(Duration::from_secs(5)),
        breaks_max,
        cut_every: None,
        stop_every: None,
        leave_every: None,
        within: Duration::from_mins(5),
        program: env!("CARGO_BIN_EXE_headgate-load-events").into(),
        folder: folder.to_owned(),
        seed: 1,
    }
}

#[test]
fn series_are_whole_although_their_worker_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    whole(&sizes(On::Embedded, 1_500, None, folder.path()));
}

#[test]
fn series_are_whole_although_workers_and_the_broker_are_killed() {
    if is_left_out() {
        return;
    }
    // A broker that comes back takes as long as everything else.
    let (keys, breaks_max) =
        if env::var_os("HEADGATE_SLOW_TESTS").is_some() { (500, None) } else { (60, Some(1)) };
    let folder = tempfile::tempdir().unwrap();
    let report = whole(&sizes(On::Kafka, keys, breaks_max, folder.path()));
    assert!(report.breaks() > 0, "{report}");
}

#[test]
fn series_are_whole_although_workers_are_stopped_and_cut_off() {
    if is_left_out() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let report = whole(&Crashes {
        kill_every: None,
        break_every: None,
        cut_every: Some(Duration::from_secs(1)),
        stop_every: Some(Duration::from_secs(5)),
        ..sizes(On::Kafka, 60, None, folder.path())
    });
    assert!(report.troubles().cuts() > 0, "{report}");
}

#[test]
fn series_are_whole_although_workers_come_and_go() {
    if is_left_out() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let report = whole(&Crashes {
        kill_every: None,
        break_every: None,
        leave_every: Some(Duration::from_millis(500)),
        ..sizes(On::Kafka, 200, None, folder.path())
    });
    assert!(report.leaves() > 0, "{report}");
}

#[test]
fn no_key_is_handled_twice_at_once_while_more_comes_than_can_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let found = priorities(Duration::from_secs(5), folder.path()).unwrap();
    assert_eq!(found.overlaps, 0, "{found}");
    // How late things are is the full test's to tell: this machine may do much else.
    let [(critical, ..), (standard, ..), (bulk, ..)] = found.classes;
    assert!(critical > 0 && standard > 0 && bulk > 0, "{found}");
}
