use super::*;

fn key(by: &str, path: &str) -> Option<u64> {
    let mut headers = HeaderMap::new();
    headers.insert("x-session", "s-1".parse().unwrap());
    headers.insert("x-empty", "".parse().unwrap());
    let pattern: Pattern = "GET /tv/{profile}/home/{*rest}".parse().unwrap();
    let asked = Asked {
        headers: &headers,
        path,
        pattern: &pattern,
        device_id: Some("box-1"),
        user: None,
        client: "::ffff:10.0.0.1".parse().unwrap(),
    };
    by.parse::<HashBy>().unwrap().key(&asked)
}

#[test]
fn key_is_found_where_it_is_said_to_be() {
    let is = |text: &str| Some(key_of(text.as_bytes()));
    assert_eq!(key("device_id", "/tv/kids/home/x"), is("box-1"));
    assert_eq!(key("header.X-Session", "/tv/kids/home/x"), is("s-1"));
    assert_eq!(key("client", "/tv/kids/home/x"), is("10.0.0.1"));
    assert_eq!(key("path.profile", "/tv/kids/home/x"), is("kids"));
    assert_eq!(key("path.profile", "/tv/kids;v=2/home/x"), is("kids"));
}

#[test]
fn request_without_a_key_has_none() {
    for by in ["user", "header.x-other", "header.x-empty", "path.other", "path.rest"] {
        assert_eq!(key(by, "/tv/kids/home/x"), None, "{by}");
    }
}

#[test]
fn match_tells_whether_there_is_such_a_segment() {
    let pattern: Pattern = "GET /tv/{profile}/{*rest}".parse().unwrap();
    let fits = |by: &str| by.parse::<HashBy>().unwrap().fits(&pattern);
    assert!(fits("path.profile") && fits("client"));
    assert!(!fits("path.rest") && !fits("path.other"));
}

#[test]
fn what_is_no_place_is_pointed_at() {
    let span = |text: &str| text.parse::<HashBy>().unwrap_err().span();
    assert_eq!(span("cookie.a"), 0..8);
    assert_eq!(span("header.a b"), 7..10);
    assert_eq!(span("path."), 5..5);
    for text in ["device_id", "user", "client", "header.x-a", "path.profile"] {
        assert_eq!(text.parse::<HashBy>().unwrap().to_string(), text);
    }
}
