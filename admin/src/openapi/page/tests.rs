use serde_json::json;

use super::*;
use crate::api::ENDPOINTS;

#[test]
fn every_endpoint_and_every_shape_has_its_place() {
    let page = http_api();
    for endpoint in ENDPOINTS {
        let method = endpoint.takes.method().to_uppercase();
        assert!(
            page.contains(&format!("\n## `{method} {}`\n", endpoint.path)),
            "{}",
            endpoint.path
        );
    }
    // What is linked is there.
    for link in page.split("](#").skip(1) {
        let name = link.split(')').next().unwrap();
        let heads = page.lines().filter_map(|line| line.strip_prefix("### "));
        assert!(heads.map(str::to_lowercase).any(|head| head == name), "{name}");
    }
    assert!(page.contains("| `kind` | query | string |"), "{page}");
    assert!(
        page.contains("| 200 | Entries, and where the next page goes on | [`History`](#history) |")
    );
}

#[test]
fn kinds_are_told_in_a_few_words() {
    for (schema, told) in [
        (json!({ "$ref": "#/components/schemas/History" }), "[`History`](#history)"),
        (json!({ "type": "array", "items": { "type": "string" } }), "list of string"),
        (json!({ "type": ["string", "null"] }), "string or null"),
        (
            json!({ "type": "object", "additionalProperties": { "type": "integer" } }),
            "map to integer",
        ),
        (
            json!({ "anyOf": [{ "$ref": "#/components/schemas/A" }, { "type": "null" }] }),
            "[`A`](#a) or null",
        ),
        (json!({ "type": "string", "enum": ["a", "b"] }), "`a`, `b`"),
        (json!({ "oneOf": [{ "const": "a" }, { "const": "b" }] }), "`a` or `b`"),
        (json!({}), ANY),
        (json!(true), ANY),
    ] {
        assert_eq!(kind(&schema), told, "{schema}");
    }
}
