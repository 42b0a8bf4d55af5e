use std::{fmt::Write as _, path::Path};

use headgate_config::{Memory, digest_of_bytes, load_from};
use headgate_store::Settings;

use super::*;

fn open(folder: &Path) -> Store {
    Store::open(folder, &Settings::default()).unwrap()
}

/// Two teams, of which one has this timeout.
fn loaded(timeout: &str) -> Loaded {
    let mut files = Memory::default();
    let mut platform = String::new();
    for (team, timeout) in [("tv", timeout), ("web", "1s")] {
        let claims = format!("claims = [{{ host = \"*\", prefix = \"/{team}\" }}]");
        writeln!(platform, "[team.{team}]\n{claims}").unwrap();
        let text = format!(
            "team = \"{team}\"\n[upstream.up]\nendpoints = [\"127.0.0.1:7001\"]\n\
             [route.a]\nmatch = \"GET /{team}\"\nto = \"up\"\ntimeout = {timeout:?}\n"
        );
        files = files.with(format!("routes.d/{team}/a.toml"), text);
    }
    let files = files.with("headgate.toml", platform);
    load_from(&files, Path::new("headgate.toml"), &BTreeMap::new()).unwrap()
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

fn found(past: &Past, at: At) -> Found {
    past.find(at).unwrap().unwrap()
}

fn chunks(store: &Store) -> usize {
    let mut count = 0;
    scan(store, PARTS, |_, _| count += 1).unwrap();
    count
}

#[test]
fn what_was_in_force_is_found_by_time_and_version_and_has_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let past = Past::new(Some(open(folder.path())));
    let (one, two) = (loaded("2s"), loaded("3s"));
    past.record(&one, 0, at(100)).unwrap();
    past.record(&two, 1, at(200)).unwrap();
    past.record(&one, 2, at(300)).unwrap();
    drop(past);

    let past = Past::new(Some(open(folder.path())));

    assert!(past.find(At::Time(at(99))).unwrap().is_none());
    assert!(past.find(At::Version(3)).unwrap().is_none());
    for (when, digest) in [
        (At::Time(at(100)), &one.digest),
        (At::Time(at(299)), &two.digest),
        (At::Time(at(999)), &one.digest),
        (At::Version(1), &two.digest),
    ] {
        let found = found(&past, when);
        assert_eq!(&found.was.digest, digest, "{when:?}");
        assert_eq!(&digest_of_bytes(found.effective.as_bytes()), digest, "{when:?}");
    }
    assert_eq!(found(&past, At::Version(1)).until, Some(at(300).to_string()));
    assert_eq!(found(&past, At::Version(2)).until, None);
}

#[test]
fn only_what_changed_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let past = Past::new(Some(store.clone()));
    past.record(&loaded("2s"), 0, at(1)).unwrap();
    let before = chunks(&store);
    let written = store.stats().acknowledged;
    past.record(&loaded("2s"), 0, at(2)).unwrap();
    assert_eq!(store.stats().acknowledged, written, "nothing changed, and nothing is written");

    past.record(&loaded("3s"), 0, at(3)).unwrap();

    assert_eq!(chunks(&store), before + 1, "the part of one team");
}

#[test]
fn oldest_go_when_there_are_too_many_with_the_parts_that_only_they_had() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let past = Past::new(Some(store.clone()));
    past.record(&loaded("2s"), 0, at(1)).unwrap();
    let whole = chunks(&store);
    let other = loaded("3s");
    for version in 1..=PAST_MAX as u64 {
        past.record(&other, version, at(1 + version)).unwrap();
    }
    assert_eq!(list(&store).unwrap().len(), PAST_MAX);
    assert_eq!(chunks(&store), whole);
    assert!(past.find(At::Version(0)).unwrap().is_none());
    assert_eq!(found(&past, At::Version(1)).was.digest, other.digest);
}

#[test]
fn without_a_store_nothing_is_remembered() {
    let past = Past::default();
    past.record(&loaded("2s"), 0, at(1)).unwrap();
    assert!(past.find(At::Version(0)).unwrap().is_none());
}
