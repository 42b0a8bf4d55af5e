use super::{KeyError, RAW_KEY_BYTES_MAX, RecordKey, SCOPE_BYTES_MAX, Scope};

fn scope() -> Scope {
    Scope::new("billing.charge@1").unwrap()
}

fn item(scope: &Scope, raw: &'static str) -> String {
    let key = RecordKey::new(scope, raw).unwrap();
    String::from_utf8(key.item().key.to_vec()).unwrap()
}

/// These stand in stores: another derivation would make every key new.
#[test]
fn a_record_is_kept_where_it_always_was() {
    assert_eq!(item(&scope(), "order-7"), "billing.charge@1#cjmqgajxpu3obj6tjegwaejcozccywwk");
    let effect = RecordKey::new(&scope(), "order-7").unwrap().effect_key("psp.charge");
    assert_eq!(effect, "xjmc7o4b675gwj6fiu6imsl6r25hldnx");
}

#[test]
fn scopes_and_names_keep_keys_apart() {
    let other = Scope::new("billing.refund@1").unwrap();
    assert_ne!(item(&scope(), "a"), item(&other, "a"));
    assert_ne!(item(&scope(), "a"), item(&scope(), "b"));
    let key = RecordKey::new(&scope(), "a").unwrap();
    assert_ne!(key.effect_key("one"), key.effect_key("two"));
}

#[test]
fn a_replay_has_a_scope_of_its_own() {
    assert_eq!(scope().replay(2).as_str(), "billing.charge@1~2");
    assert_eq!(scope().replay(2).replay(3).as_str(), "billing.charge@1~3");
    assert_eq!(scope().replay(2).replay(0), scope());
}

#[test]
fn what_is_no_name_or_key_is_refused() {
    for name in ["", "a b", "a#b", "a~1", "ü", &"a".repeat(SCOPE_BYTES_MAX + 1)] {
        assert!(matches!(Scope::new(name), Err(KeyError::Scope(_))), "{name}");
    }
    assert_eq!(RecordKey::new(&scope(), "").unwrap_err(), KeyError::Empty);
    let long = vec![0; RAW_KEY_BYTES_MAX + 1];
    let error = RecordKey::new(&scope(), long).unwrap_err();
    assert_eq!(error, KeyError::TooLong { bytes: RAW_KEY_BYTES_MAX + 1 });
}

#[test]
fn a_raw_key_is_not_printed() {
    let key = RecordKey::new(&scope(), "jane@example.com").unwrap();
    assert!(!format!("{key:?}").contains("jane"));
}
