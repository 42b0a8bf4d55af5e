use super::*;

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap()
}

#[test]
fn head_is_a_method_of_get() {
    let get = pattern("GET /").methods();
    assert_eq!(get, Some(vec![Method::GET, Method::HEAD]));
    assert_eq!(pattern("GET|HEAD /").methods(), get);
    assert_eq!(pattern("* /").methods(), None);
}

#[test]
fn names_of_parameters_are_not_in_the_shape() {
    assert_eq!(pattern("GET a/x/{b}/{*c}").shape(), pattern("* a/x/{d}/{*e}").shape());
    assert_ne!(pattern("GET /x/{b}").shape(), pattern("GET /x/{*b}").shape());
}

#[test]
fn a_value_is_more_than_presence() {
    for (wide, narrow, expected) in [
        ("GET /", "GET / header.x", true),
        ("GET / header.x", "GET /", false),
        ("GET / header.x", "GET / header.x=1", true),
        ("GET / header.x~'^1'", "GET / header.x=12", true),
        ("GET / header.x~'^1'", "GET / header.x=2", false),
        ("GET / header.x~'^1'", "GET / header.x~'^1'", true),
        ("GET / header.x~'1'", "GET / header.x~'^1'", false),
        ("GET / header.x", "GET / cookie.x", false),
        ("GET / device=tv", "GET / device=web", true),
    ] {
        let is_wide = pattern(wide).asks_no_more_than(&pattern(narrow));
        assert_eq!(is_wide, expected, "{wide} and {narrow}");
    }
}
