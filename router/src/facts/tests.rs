use super::*;

fn with<T>(query: Option<&str>, cookies: &[&'static str], read: impl Fn(Facts<'_>) -> T) -> T {
    let mut headers = HeaderMap::new();
    for cookie in cookies {
        headers.append(COOKIE, HeaderValue::from_static(cookie));
    }
    let method = Method::GET;
    read(Facts {
        method: &method,
        host: "",
        path: "/",
        query,
        headers: &headers,
        claims: None,
        device: "",
        version: None,
    })
}

#[track_caller]
fn cookie(cookies: &[&'static str], name: &str, expected: Option<&str>) {
    let found = with(None, cookies, |facts| facts.cookie(name).map(<[u8]>::to_vec));
    assert_eq!(found.as_deref(), expected.map(str::as_bytes));
}

#[track_caller]
fn parameter(query: &str, name: &str, expected: Option<&str>) {
    let found = with(Some(query), &[], |facts| facts.parameter(name).map(str::to_owned));
    assert_eq!(found.as_deref(), expected);
}

#[test]
fn the_first_cookie_of_a_name_counts_over_several_lines() {
    cookie(&["a=1; b=2", "b=3"], "b", Some("2"));
    cookie(&["a=1", "b=3"], "b", Some("3"));
    cookie(&["ab=1"], "b", None);
    cookie(&["b=\"x y\""], "b", Some("x y"));
    cookie(&["b="], "b", Some(""));
    cookie(&["b"], "b", None);
    cookie(&["b=x=y"], "b", Some("x=y"));
}

#[test]
fn the_first_parameter_of_a_name_counts_however_it_is_escaped() {
    parameter("lang=en&lang=de", "lang", Some("en"));
    parameter("l%61ng=en", "lang", Some("en"));
    parameter("flag&x=1", "flag", Some(""));
    parameter("&&x=1", "x", Some("1"));
    parameter("xlang=1", "lang", None);
    parameter("", "", None);
}

#[test]
fn values_are_compared_by_what_they_mean() {
    assert!(is_spelling_of("a+b%20c", "a b c"));
    assert!(!is_spelling_of("%e9%C3", "\u{e9}"));
    assert!(is_spelling_of("%C3%a9", "\u{e9}"));
    assert!(is_spelling_of("100%", "100%"));
    assert!(is_spelling_of("%zz", "%zz"));
    assert!(!is_spelling_of("a", "ab"));
    assert!(!is_spelling_of("ab", "a"));
}
