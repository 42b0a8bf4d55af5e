use std::{collections::BTreeMap, time::Duration};

use headgate_types::Moment;

use super::{WATCHED_MAX, Watch};
use crate::{
    key::{RecordKey, Scope},
    random::Owner,
    record::{Record, State},
    testing::SeededRandom,
};

fn key(name: &str) -> RecordKey {
    RecordKey::new(&Scope::new("s").unwrap(), name.to_owned()).unwrap()
}

fn record(owner: u64, beat: u64) -> Record {
    Record {
        version: 1,
        state: State::Run,
        owner: Owner::draw(&SeededRandom::new(owner)),
        fence: 1,
        lease_end: 0,
        lease: 0,
        beat,
        fingerprint: "".into(),
        attempt: 1,
        next: 0,
        error: "".into(),
        result: "".into(),
        result_hash: "".into(),
        raw: "".into(),
        trace: None,
        effects: BTreeMap::new(),
        expires: None,
    }
}

fn at(seconds: u64) -> Moment {
    Moment::ZERO + Duration::from_secs(seconds)
}

/// Owner, beat and second of each look; seconds that it has been seen so.
#[test]
fn a_beat_or_another_owner_starts_the_watch_again() {
    let mut watch = Watch::default();
    let looks =
        [(1, 0, 0, 0), (1, 0, 5, 5), (1, 1, 7, 0), (1, 1, 9, 2), (2, 1, 10, 0), (2, 1, 14, 4)];
    for (owner, beat, second, expected) in looks {
        let watched = watch.observe(&key("a"), &record(owner, beat), at(second));
        assert_eq!(watched, Duration::from_secs(expected), "at {second}");
    }
}

#[test]
fn only_so_many_are_watched_and_the_first_seen_are_forgotten() {
    let mut watch = Watch::default();
    for number in 0..WATCHED_MAX as u64 * 2 {
        watch.observe(&key(&number.to_string()), &record(1, 0), at(number));
        assert!(watch.seen.len() <= WATCHED_MAX);
    }
    let last = (WATCHED_MAX * 2 - 1).to_string();
    let watched = watch.observe(&key(&last), &record(1, 0), at(WATCHED_MAX as u64 * 2));
    assert_eq!(watched, Duration::from_secs(1));
}
