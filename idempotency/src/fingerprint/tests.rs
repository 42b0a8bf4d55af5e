use proptest::prelude::*;
use serde_json::Value;

use super::Fingerprint;

fn same(a: &str, b: &str) -> bool {
    Fingerprint::of_json(a.as_bytes()) == Fingerprint::of_json(b.as_bytes())
}

#[test]
fn the_way_json_is_written_does_not_count() {
    let pairs = [
        (r#"{"a":1,"b":[true,null]}"#, "{ \"b\" : [ true , null ],\n \"a\" : 1 }"),
        (r#""\u00e9\/""#, r#""é/""#),
        ("1.0", "1"),
        ("1e2", "100"),
        ("-0.0", "0"),
        ("0.10", "1e-1"),
        (
            r#"{"b":{"d":1,"c":[{"f":2,"e":3}]},"a":4}"#,
            r#"{"a":4,"b":{"c":[{"e":3,"f":2}],"d":1}}"#,
        ),
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (r#"{"\u0061":1}"#, r#"{"a":1}"#),
    ];
    for (a, b) in pairs {
        assert!(same(a, b), "{a} and {b}");
    }
}

#[test]
fn what_json_says_counts() {
    let pairs = [
        (r#"{"a":1}"#, r#"{"a":2}"#),
        (r#"{"a":1}"#, r#"{"b":1}"#),
        (r#"["a","b"]"#, r#"["b","a"]"#),
        (r#"["a","b"]"#, r#"["a\",\"b"]"#),
        (r#"["ab"]"#, r#"["a","b"]"#),
        ("[]", "{}"),
        ("[[]]", "[]"),
        ("[[],[]]", "[[[]]]"),
        (r#"{"a":{}}"#, r#"{"a":[]}"#),
        (r#"{"a":1,"b":2}"#, r#"{"a":{"b":2}}"#),
        (r#"{"a":12}"#, r#"{"a":1,"2":null}"#),
        ("[1]", "1"),
        ("\"1\"", "1"),
        ("null", "\"null\""),
        ("9007199254740993", "9007199254740992"),
        ("18446744073709551615", "18446744073709551614"),
        ("0.1", "0.2"),
    ];
    for (a, b) in pairs {
        assert!(!same(a, b), "{a} and {b}");
    }
}

#[test]
fn what_is_no_json_is_taken_as_bytes() {
    assert_eq!(Fingerprint::of_json(b"{"), Fingerprint::of_bytes(b"{"));
    assert!(!same("{", "{ "));
    assert_ne!(Fingerprint::of_json(b"1"), Fingerprint::of_bytes(b"1"));
}

#[test]
fn parts_beside_the_payload_count_in_order() {
    let payload = Fingerprint::of_bytes(b"x");
    assert_ne!(payload.with(b"a"), payload.with(b"b"));
    assert_ne!(payload.with(b"a").with(b"b"), payload.with(b"b").with(b"a"));
    assert_ne!(payload.with(b""), payload);
}

/// Any document of a few levels.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) + 0.5)),
        "[a-c\"]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-c]{0,2}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The same document with all members in the opposite order.
fn reversed(document: &Value) -> String {
    match document {
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(reversed).collect();
            format!("[ {} ]", values.join(" , "))
        }
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                format!("{} : {}", Value::from(name.as_str()), reversed(value))
            };
            let members: Vec<_> = members.iter().rev().map(member).collect();
            format!("{{ {} }}", members.join(" , "))
        }
        leaf => leaf.to_string(),
    }
}

proptest! {
    #[test]
    fn the_order_of_members_never_counts(document in document()) {
        prop_assert!(same(&document.to_string(), &reversed(&document)), "{}", document);
    }

    #[test]
    fn documents_that_differ_have_other_fingerprints(a in document(), b in document()) {
        let (a, b) = (a.to_string(), b.to_string());
        prop_assert_eq!(same(&a, &b), a == b, "{} {}", a, b);
    }

    #[test]
    fn any_bytes_have_a_fingerprint(payload: Vec<u8>) {
        prop_assert_eq!(Fingerprint::of_json(&payload), Fingerprint::of_json(&payload));
    }
}
