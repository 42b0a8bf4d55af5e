use proptest::prelude::*;

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

proptest! {
    #[test]
    fn any_bytes_have_a_fingerprint(payload: Vec<u8>) {
        prop_assert_eq!(Fingerprint::of_json(&payload), Fingerprint::of_json(&payload));
    }
}
