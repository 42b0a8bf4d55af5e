use super::*;

#[test]
fn reference_is_a_name_by_digest() {
    // RFC 6920, section 8.1.
    let reference = DataRef::of(b"Hello World!");
    let text = "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk";
    assert_eq!(reference.to_string(), text);
    assert_eq!(text.parse(), Ok(reference));
}

#[test]
fn other_names_are_no_references() {
    for text in
        ["", "https://example.com/data", "ni:///sha-256;", "ni:///sha-256;f4Ox", "ni:///md5;f4"]
    {
        assert_eq!(text.parse::<DataRef>(), Err(ParseDataRefError), "{text}");
    }
}
