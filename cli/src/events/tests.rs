use bytes::Bytes;

use super::*;

#[test]
fn results_are_one_object() {
    let members = [("charge", "{\"id\":1}"), ("a \"b\"", "null")];
    let members =
        members.into_iter().map(|(name, json)| (name, Bytes::from_static(json.as_bytes())));
    let text = String::from_utf8(object(members)).unwrap();
    assert_eq!(text, "{\"charge\":{\"id\":1},\"a \\\"b\\\"\":null}");
    assert_eq!(object(std::iter::empty()), b"{}");
}
