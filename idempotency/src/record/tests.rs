use std::collections::BTreeMap;

use headgate_store::Item;
use headgate_types::UnixTime;
use proptest::prelude::*;

use super::{Claimant, Effect, LAYOUT, Record, State, VERSION, error_text, time};
use crate::{
    fingerprint::Fingerprint,
    key::{RecordKey, Scope},
    random::Owner,
    store::StoreError,
    testing::SeededRandom,
};

fn key(raw: &'static str) -> RecordKey {
    RecordKey::new(&Scope::new("s").unwrap(), raw).unwrap()
}

fn item(fence: u64, lease: u64, effects: &BTreeMap<String, Effect>) -> Item {
    let claimant = Claimant {
        key: &key("k"),
        owner: Owner::draw(&SeededRandom::new(7)),
        fence,
        lease_end: time(lease),
        lease,
        fingerprint: &Fingerprint::of_bytes(b"payload"),
        attempt: 3,
        trace: headgate_types::TraceId::from_bytes([1; 16]),
        effects,
        expires: Some(time(9)),
    };
    Item { version: 5, content: claimant.content() }
}

proptest! {
    #[test]
    fn a_record_is_read_as_it_was_written(
        fence: u64,
        lease in 0..1_u64 << 50,
        effects: BTreeMap<String, (bool, Vec<u8>)>,
    ) {
        let effects: BTreeMap<_, _> = effects
            .into_iter()
            .map(|(name, (is_carried, bytes))| {
                let since = time(bytes.len() as u64);
                let carried = Effect::Carried { response: bytes.into() };
                (name, if is_carried { carried } else { Effect::Planned { since } })
            })
            .collect();
        let record = Record::read(&key("k"), &item(fence, lease, &effects)).unwrap();
        prop_assert_eq!(record.state, State::Run);
        prop_assert_eq!(record.owner, Owner::draw(&SeededRandom::new(7)));
        prop_assert_eq!((record.fence, record.beat, record.attempt), (fence, 0, 3));
        prop_assert_eq!((record.lease_end, record.lease), (lease, lease));
        prop_assert_eq!(record.effects, effects);
        prop_assert_eq!(record.trace.map(|trace| *trace.as_bytes()), Some([1; 16]));
    }
}

#[test]
fn an_item_that_is_no_record_is_foreign() {
    let whole = item(1, 1, &BTreeMap::new());
    let foreign = |key: &RecordKey, item: &Item| {
        assert!(matches!(Record::read(key, item), Err(StoreError::Foreign(_))), "{item:?}");
    };
    foreign(&key("another"), &whole);
    for attribute in ["st", "own", "fn", "fp", "raw"] {
        let mut part = whole.clone();
        part.content.attributes.remove(attribute);
        foreign(&key("k"), &part);
    }
    let mut newer = whole;
    newer.content.attributes.insert(LAYOUT.to_owned(), (VERSION + 1).into());
    foreign(&key("k"), &newer);
}

#[test]
fn a_record_expires_after_its_last_millisecond() {
    let record = Record::read(&key("k"), &item(1, 1, &BTreeMap::new())).unwrap();
    assert!(!record.has_expired(time(9)));
    assert!(record.has_expired(time(10)));
    let kept = Record { expires: None, ..record };
    assert!(!kept.has_expired(UnixTime::from_secs(1 << 40)));
}

#[test]
fn a_long_error_is_cut_off() {
    assert_eq!(error_text("short"), "short");
    assert_eq!(error_text(&"x".repeat(5_000)).len(), 1_024);
}
