use super::*;

fn item(version: u64, attributes: &[(&str, Scalar)], expires: Option<u64>) -> Item {
    let attributes =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let expires = expires.map(UnixTime::from_secs);
    Item { version, content: Content { attributes, value: Bytes::new(), expires } }
}

#[test]
fn an_expired_record_may_be_claimed_again() {
    let claim =
        Condition::Any(vec![Condition::Absent, Condition::ExpiredBy(UnixTime::from_secs(100))]);
    assert!(claim.holds(None));
    assert!(claim.holds(Some(&item(1, &[], Some(99)))));
    assert!(!claim.holds(Some(&item(1, &[], Some(100)))));
    assert!(!claim.holds(Some(&item(1, &[], None))));
}

#[test]
fn an_owner_with_an_old_fence_is_refused() {
    let mine = Condition::All(vec![
        Condition::equals("own", "me"),
        Condition::equals("fn", 3),
        Condition::Any(vec![Condition::equals("st", "RUN"), Condition::equals("st", "HOLD")]),
    ]);
    let record = |fence| {
        item(1, &[("own", "me".into()), ("fn", Scalar::from(fence)), ("st", "HOLD".into())], None)
    };
    assert!(mine.holds(Some(&record(3))));
    assert!(!mine.holds(Some(&record(4))));
    assert!(!mine.holds(None));
}

#[test]
fn order_is_only_inside_a_kind() {
    let less = |value: Scalar| Condition::Attribute {
        name: "lz".to_owned(),
        compare: Compare::Less,
        value,
    };
    let held = item(1, &[("lz", 5_u64.into())], None);
    assert!(less(6.into()).holds(Some(&held)));
    assert!(!less(5.into()).holds(Some(&held)));
    assert!(!less("z".into()).holds(Some(&held)));
}

#[test]
fn nothing_holds_for_any_of_none_and_everything_for_all_of_none() {
    assert!(!Condition::Any(Vec::new()).holds(None));
    assert!(Condition::All(Vec::new()).holds(None));
}

#[test]
fn a_fence_starts_above_its_floor_and_rises() {
    let add = Edit::Add { name: "fn".to_owned(), amount: 1, from: 40 };
    let mut content = Content::default();
    add.apply(&mut content).unwrap();
    add.apply(&mut content).unwrap();
    assert_eq!(content.attributes.get("fn"), Some(&Scalar::Number(42)));
}

#[test]
fn a_sum_that_overflows_is_refused() {
    let mut content = Content::default();
    Edit::Set("n".to_owned(), u64::MAX.into()).apply(&mut content).unwrap();
    let add = Edit::Add { name: "n".to_owned(), amount: 1, from: 0 };
    assert_eq!(add.apply(&mut content), Err("a sum overflows"));
}
