use super::*;

#[test]
fn every_reference_leads_to_a_schema() {
    let document = document();
    let text = document.to_string();
    let mut count = 0;
    for rest in text.split("\"$ref\":\"#").skip(1) {
        let pointer = rest.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
        count += 1;
    }
    assert!(count > ENDPOINTS.len(), "{count}");
}

#[test]
fn every_schema_and_member_is_described() {
    fn check(schema: &Value, at: &str) {
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            let is_described = member.get("description").is_some();
            assert!(is_described || at == "Problem", "{at}.{name}");
        }
    }
    let document = document();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(schema.get("description").is_some(), "{name}");
        check(schema, name);
    }
}
