use proptest::prelude::*;

use super::*;

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

/// The canonical text of a pattern.
#[track_caller]
fn check(text: &str, canonical: &str) {
    assert_eq!(pattern(text).to_string(), canonical);
    assert_eq!(pattern(canonical), pattern(text), "the canonical text reads the same");
}

/// The part of a pattern that is pointed at, and what is said about it.
#[track_caller]
fn refused(text: &str, at: &str, what: &str) {
    let fault = text.parse::<Pattern>().expect_err(text);
    let pointed_at = text.get(fault.span()).expect("the place is inside the text");
    assert_eq!((pointed_at, fault.what()), (at, what), "{text}");
    assert!(!fault.allowed().is_empty());
}

#[test]
fn patterns_have_one_canonical_text() {
    check("GET /tv/home/{profile} device=tv", "GET /tv/home/{profile} device=tv");
    check("POST|GET  api.Example.com/tv/", "GET|POST api.example.com/tv/");
    check("* *.example.com./{*rest}", "* *.example.com/{*rest}");
    check("GET [::1]/x", "GET [::1]/x");
    check("GET /%74v/caf\u{e9}", "GET /tv/caf%C3%A9");
    check("GET / query.lang=en header.X-Beta", "GET / header.x-beta query.lang=en");
    check("GET / device=tv|ios|android", "GET / device=android|ios|tv");
    check("GET / cookie.arm='b' header.x='it''s'", "GET / header.x='it''s' cookie.arm=b");
    check("GET / header.x-app~'^tv/7' header.y=''", "GET / header.x-app~'^tv/7' header.y=''");
}

#[test]
fn a_fault_is_pointed_at() {
    refused("", "", "an empty pattern");
    refused("/tv", "/tv", "no method before the path");
    refused("get /", "get", "no method");
    refused("GET|GET /", "GET", "GET is named twice");
    refused("GET| /", "", "a method is missing");
    refused("GET|* /", "*", "all methods beside named ones");
    refused("GET", "", "no path");
    refused("GET tv", "tv", "no path");
    refused("GET */x", "*", "a star for every host");
    refused("GET a.b:80/x", ":80", "a port in the host");
    refused("GET a..b/x", "a..b", "no host");
    refused("GET a.*.b/x", "a.*.b", "no host");
    refused("GET [::1/x", "[::1", "no host");
    refused("GET /a//b", "", "a segment that no request has");
    refused("GET /a/../b", "..", "a segment that no request has");
    refused("GET /a/%2e%2e/b", "%2e%2e", "a segment that no request has");
    refused("GET /a/{b", "{b", "a parameter that is no whole segment");
    refused("GET /a/x{b}", "x{b}", "a parameter that is no whole segment");
    refused("GET /a/{b}.json", "{b}.json", "a parameter that is no whole segment");
    refused("GET /a/{}", "{}", "no name for a parameter");
    refused("GET /a/{*}", "{*}", "no name for a parameter");
    refused("GET /{*a}/b", "{*a}", "the rest before the end");
    refused("GET /{a}/{a}", "{a}", "a parameter is named twice");
    refused("GET /a?b=c", "?b=c", "no part of a path");
    refused("GET /a;b", "a;b", "a comma, semicolon or equals sign in a literal");
    refused("GET /a%3bb", "a%3bb", "a comma, semicolon or equals sign in a literal");
    refused("GET /a%2fb", "a%2fb", "path has an escaped slash or backslash");
    refused("GET /_headgate/x", "/_headgate/x", "/_headgate/ belongs to the edge");
    refused("GET /_headgate", "/_headgate", "/_headgate/ belongs to the edge");
    refused("GET /%5fheadgate/{x}", "/%5fheadgate/{x}", "/_headgate/ belongs to the edge");
    refused("GET / device", "device", "device without a class");
    refused("GET / device=tv|", "", "no device class");
    refused("GET / device=tv|tv", "tv", "a class is named twice");
    refused("GET / devise=tv", "devise", "no predicate");
    refused("GET / header.=1", "header.", "a header without a name");
    refused("GET / header.host=a", "header.host", "the host as a header");
    refused("GET / header.x=a|b", "a|b", "no value");
    refused("GET / header.x=", "", "no value");
    refused("GET / header.x~^a", "^a", "no quoted text");
    refused("GET / header.x='a", "'a", "the quote is not closed");
    refused("GET / header.x~'a('", "(", "unclosed group");
    refused("GET / header.x='a'b", "b", "no space after a predicate");
    refused("GET / query.x~'a'", "query.x", "an expression on a query parameter");
    refused("GET / header.x header.X=1", "header.X=1", "a second predicate on the same name");
}

#[test]
fn what_has_no_bound_of_its_own_gets_one() {
    let segments = format!("GET {}", "/a".repeat(33));
    refused(&segments, &"/a".repeat(33), "the path is too long");
    let long = format!("GET /{}", "a".repeat(3000));
    refused(&long, &long, "the pattern is too long");
    let predicates: Vec<_> = (0..17).map(|n| format!("header.x{n}")).collect();
    refused(&format!("GET / {}", predicates.join(" ")), "header.x16", "too many predicates");
}

/// Whether a pattern takes a GET.
fn takes(text: &str, host: &str, path: &str) -> bool {
    let (method, headers) = (Method::GET, http::HeaderMap::new());
    let (query, claims, device) = (None, None, "");
    pattern(text).matches(&Facts {
        method: &method,
        host,
        path,
        query,
        headers: &headers,
        claims,
        device,
        version: None,
    })
}

#[test]
fn a_parameter_is_one_segment_and_the_rest_is_all_that_follows_its_slash() {
    for (text, path, expected) in [
        ("GET /tv/{x}", "/tv/a", true),
        ("GET /tv/{x}", "/tv/", false),
        ("GET /tv/{x}", "/tv", false),
        ("GET /tv/{x}", "/tv/a/", false),
        ("GET /tv/{x}", "/tv/a/b", false),
        ("GET /tv/{*x}", "/tv/", true),
        ("GET /tv/{*x}", "/tv/a/b/", true),
        ("GET /tv/{*x}", "/tv", false),
        ("GET /tv/{*x}", "/tvs/a", false),
        ("GET /tv", "/tv", true),
        ("GET /tv", "/tv/", false),
        ("GET /tv/", "/tv/", true),
        ("GET /", "/", true),
        ("GET /{*x}", "/", true),
        ("GET /tv/a", "/tv;x=1/a", true),
        ("GET /tv/a", "/tv/a;x", true),
        ("GET /tv/a", "/tv/a%3Bx", true),
        ("GET /tv/a", "/tv/a%20;x", false),
        ("GET /caf%C3%A9", "/caf%C3%A9;x%3By", true),
    ] {
        assert_eq!(takes(text, "", path), expected, "{text} {path}");
    }
}

#[test]
fn a_wildcard_host_takes_labels_in_front_but_not_none() {
    for (text, host, expected) in [
        ("GET *.example.com/", "a.example.com", true),
        ("GET *.example.com/", "a.b.example.com.", true),
        ("GET *.example.com/", "example.com", false),
        ("GET *.example.com/", ".example.com", false),
        ("GET *.example.com/", "badexample.com", false),
        ("GET example.com/", "example.com", true),
        ("GET example.com/", "a.example.com", false),
        ("GET /", "", true),
    ] {
        assert_eq!(takes(text, host, "/"), expected, "{text} {host}");
    }
}

#[test]
fn get_takes_head_as_well() {
    assert!(pattern("GET /").takes_method(&Method::HEAD));
    assert!(!pattern("POST /").takes_method(&Method::HEAD));
    assert!(!pattern("HEAD /").takes_method(&Method::GET));
    assert!(pattern("* /").takes_method(&Method::from_bytes(b"PURGE").unwrap()));
}

#[test]
fn the_literal_prefix_ends_before_the_first_parameter() {
    for (text, expected) in [
        ("GET /tv/home/{x}/y", "/tv/home/"),
        ("GET /tv/home", "/tv/home"),
        ("GET /tv/", "/tv/"),
        ("GET /{*rest}", "/"),
    ] {
        assert_eq!(pattern(text).prefix_literal(), expected);
    }
}

#[test]
fn a_claim_holds_whole_segments_of_its_hosts() {
    for (text, host, prefix, expected) in [
        ("GET /tv/home", "*", "/tv/", true),
        ("GET /tv/{x}", "*", "/tv/", true),
        ("GET /tv/", "*", "/tv/", true),
        ("GET /tv", "*", "/tv/", false),
        ("GET /tv", "*", "/tv", true),
        ("GET /tv/a", "*", "/tv", true),
        ("GET /tvs", "*", "/tv", false),
        ("GET /{x}/home", "*", "/tv/", false),
        ("GET /{*x}", "*", "/tv/", false),
        ("GET /{*x}", "*", "/", true),
        ("GET /tv/../x", "*", "/tv/", false),
        ("GET /tv/home", "api.example.com", "/tv/", false),
        ("GET api.example.com/tv/home", "api.example.com", "/tv/", true),
        ("GET api.example.com/tv/home", "API.example.com", "/%74v/", true),
        ("GET api.example.com/tv/home", "*.example.com", "/tv/", true),
        ("GET *.example.com/tv/home", "*.example.com", "/tv/", true),
        ("GET *.a.example.com/tv/home", "*.example.com", "/tv/", true),
        ("GET *.example.com/tv/home", "*.a.example.com", "/tv/", false),
        ("GET *.example.com/tv/home", "api.example.com", "/tv/", false),
        ("GET /tv/home", "*", "/../", false),
        ("GET /tv/home", "*", "tv", false),
        ("GET /tv/home", "*", "", false),
        ("GET a.b/tv/home", "no host", "/tv/", false),
    ] {
        let Ok(pattern) = text.parse::<Pattern>() else {
            assert!(!expected, "{text}");
            continue;
        };
        assert_eq!(pattern.within(host, prefix), expected, "{text} in {host}{prefix}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_a_place_inside(text in "\\PC{0,60}") {
        if let Err(fault) = text.parse::<Pattern>() {
            prop_assert!(text.get(fault.span()).is_some(), "{:?}", fault);
        }
    }

    #[test]
    fn text_of_the_right_pieces_is_read_or_refused_with_a_place_inside(
        pieces in prop::collection::vec(prop_oneof![
            Just("GET"), Just(" "), Just("/"), Just("|"), Just("*"), Just("{a}"), Just("{*b}"),
            Just("{"), Just("device="), Just("tv"), Just("header.x"), Just("="), Just("~"),
            Just("'"), Just("cookie.c"), Just("query.q"), Just("."), Just("\u{e9}"), Just("%2e"),
            Just("("), Just("example.com"), Just(":"), Just("["), Just("\\"),
        ], 0..14)
    ) {
        let text = format!("GET {}", pieces.concat());
        match text.parse::<Pattern>() {
            Ok(pattern) => prop_assert_eq!(pattern.to_string().parse::<Pattern>(), Ok(pattern)),
            Err(fault) => prop_assert!(text.get(fault.span()).is_some(), "{:?}", fault),
        }
    }

    /// A claim on a prefix can't be left: what a pattern within it takes lies below it.
    #[test]
    fn what_a_pattern_within_a_claim_takes_lies_below_it(
        text in "GET (/(tv|a|tvs)){1,2}(/\\{x\\})?(/\\{\\*r\\})?",
        path in "(/(tv|a|tvs|b)){1,3}/?",
        prefix in "/(tv|a)/?",
    ) {
        let pattern = pattern(&text);
        if pattern.within("*", &prefix) && pattern.takes_path(&path) {
            let below = format!("{}/", prefix.trim_end_matches('/'));
            prop_assert!(path.starts_with(&below) || path == prefix, "{} {} {}", text, prefix, path);
        }
    }
}
