use proptest::prelude::*;
use serde_json::json;

use super::*;

fn field(text: &str) -> Field {
    text.parse().unwrap()
}

/// Whether two bodies agree in a field.
fn agree(text: &str, one: &Value, other: &Value) -> Option<bool> {
    let answer = |json| Answer { status: 200, json: Some(json) };
    field(text).agrees(&answer(one), &answer(other))
}

fn found(pointer: &str, document: &Value) -> Vec<Value> {
    let Field::Json(pointer) = field(&format!("json:{pointer}")) else { panic!("{pointer}") };
    pointer.find(document).into_iter().cloned().collect()
}

#[test]
fn pointer_finds_what_rfc_6901_says() {
    let document = json!({ "a": [10, { "b": 1 }], "": 2, "x/y": 3, "m~n": 4 });
    assert_eq!(found("", &document), std::slice::from_ref(&document));
    assert_eq!(found("/a/0", &document), [json!(10)]);
    assert_eq!(found("/a/1/b", &document), [json!(1)]);
    assert_eq!(found("/", &document), [json!(2)]);
    assert_eq!(found("/x~1y", &document), [json!(3)]);
    assert_eq!(found("/m~0n", &document), [json!(4)]);
    assert_eq!(found("/a/2", &document), [] as [Value; 0]);
    assert_eq!(found("/nowhere/b", &document), [] as [Value; 0]);
}

#[test]
fn star_is_every_element_and_member() {
    let document = json!({ "rows": [{ "id": 1 }, { "id": 2 }, {}], "by": { "x": [1], "y": [2] } });
    assert_eq!(found("/rows/*/id", &document), [json!(1), json!(2)]);
    assert_eq!(found("/by/*/*", &document), [json!(1), json!(2)]);
    assert_eq!(found("/rows/0/id/*", &document), [] as [Value; 0]);
}

#[test]
fn answers_agree_by_field() {
    let one = json!({ "rows": [{ "id": 1, "at": "now" }, { "id": 2 }] });
    let other = json!({ "rows": [{ "id": 1, "at": "later" }, { "id": 2 }] });
    assert_eq!(agree("json:/rows/*/id", &one, &other), Some(true));
    assert_eq!(agree("json:/rows/*/at", &one, &other), Some(false));
    assert_eq!(agree("json:", &one, &other), Some(false));
    assert_eq!(agree("json:/none", &one, &other), Some(true));
    let turned = json!({ "rows": [{ "id": 2 }, { "id": 1 }] });
    assert_eq!(agree("json:/rows/*/id", &one, &turned), Some(false));
}

#[test]
fn status_needs_no_body() {
    let answer = |status| Answer { status, json: None };
    assert_eq!(field("status").agrees(&answer(200), &answer(200)), Some(true));
    assert_eq!(field("status").agrees(&answer(200), &answer(503)), Some(false));
    assert_eq!(field("json:/a").agrees(&answer(200), &answer(200)), None);
}

#[test]
fn text_that_is_no_field_says_where() {
    for (text, span) in [("", 0..0), ("Status", 0..6), ("json:a", 5..6), ("json:/a/b~2", 8..11)] {
        assert_eq!(text.parse::<Field>().unwrap_err().span(), span, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_parses_or_not_and_comes_back_alike(text in "(json:)?[/a~01*]{0,12}") {
        if let Ok(field) = text.parse::<Field>() {
            prop_assert_eq!(field.to_string(), text);
        }
    }
}
