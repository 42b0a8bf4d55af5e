use serde_json::json;

use super::*;

fn found(key: &str, body: &Value) -> Result<String, NoKey> {
    let mut headers = HeaderMap::new();
    headers.insert("x-order", "7".parse().unwrap());
    let asked = Asked { body, headers: &headers, device_id: Some("box-1"), user: None };
    key.parse::<EventKey>().unwrap().find(&asked)
}

#[test]
fn key_is_found_in_body_header_and_identity() {
    let body = json!({ "order_id": "o-1", "n": 17, "lines": [{ "sku": "a" }] });
    assert_eq!(found("body.order_id", &body).unwrap(), "o-1");
    assert_eq!(found("body.n", &body).unwrap(), "17");
    assert_eq!(found("body.lines.0.sku", &body).unwrap(), "a");
    assert_eq!(found("header.X-Order", &body).unwrap(), "7");
    assert_eq!(found("device_id", &body).unwrap(), "box-1");
}

#[test]
fn request_without_a_usable_key_is_told_why() {
    let body =
        json!({ "empty": "", "null": null, "half": 0.5, "list": [], "long": "x".repeat(256) });
    assert_eq!(found("body.order_id", &body), Err(NoKey::Absent));
    assert_eq!(found("body.null", &body), Err(NoKey::Absent));
    assert_eq!(found("body.half", &body), Err(NoKey::NoText));
    assert_eq!(found("body.list", &body), Err(NoKey::NoText));
    assert_eq!(found("body.empty", &body), Err(NoKey::Length));
    assert_eq!(found("body.long", &body), Err(NoKey::Length));
    assert_eq!(found("user", &body), Err(NoKey::Absent));
    assert_eq!(found("body.order_id", &json!("text")), Err(NoKey::Absent));
}

#[test]
fn what_is_no_place_is_pointed_at() {
    let span = |text: &str| text.parse::<EventKey>().unwrap_err().span();
    assert_eq!(span("order_id"), 0..8);
    assert_eq!(span("body.a..b"), 7..7);
    assert_eq!(span("body.a b"), 5..8);
    assert_eq!(span("header.x y"), 7..10);
}

#[test]
fn spelling_is_read_again() {
    for text in ["body.order_id", "body.a.0.b", "header.x-order", "device_id", "user"] {
        assert_eq!(text.parse::<EventKey>().unwrap().to_string(), text);
    }
}
