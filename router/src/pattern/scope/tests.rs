use super::*;

fn scope(text: &str) -> Scope {
    let (host, prefix) = text.split_once(' ').unwrap();
    Scope::new(host, prefix).unwrap()
}

#[test]
fn what_two_scopes_have_in_common() {
    for (one, other, common) in [
        ("* /tv/", "* /tv/", "* /tv/"),
        ("* /tv/", "* /web/", ""),
        ("* /tv", "* /tvs", ""),
        ("* /tv", "* /tv/", "* /tv/"),
        ("* /", "* /tv", "* /tv"),
        ("* /tv/", "* /tv/ads/", "* /tv/ads/"),
        ("a.example /", "* /tv/", "a.example /tv/"),
        ("a.example /", "b.example /", ""),
        ("A.example /", "a.example /", "a.example /"),
        ("*.example /tv/", "a.example /", "a.example /tv/"),
        ("*.example /", "example /", ""),
        ("*.example /", "*.b.example /", "*.b.example /"),
        ("*.example /", "*.other /", ""),
        ("*.a.example /", "b.example /", ""),
    ] {
        let expected = (!common.is_empty()).then(|| scope(common));
        assert_eq!(scope(one).common(&scope(other)), expected, "{one} and {other}");
        assert_eq!(scope(other).common(&scope(one)), expected, "{other} and {one}");
        let holds = expected.as_ref() == Some(&scope(other));
        assert_eq!(scope(one).holds(&scope(other)), holds, "{one} holds {other}");
    }
}

#[test]
fn scopes_that_could_hold_one_are_named() {
    let one = scope("api.tv.example /tv/ads/");
    assert_eq!(one.hosts_above(), ["api.tv.example", "*.tv.example", "*.example", "*"]);
    let prefixes: Vec<_> = one.prefixes_above().collect();
    assert_eq!(prefixes, ["/", "/tv", "/tv/", "/tv/ads"]);
    assert_eq!(scope("*.example /").hosts_above(), ["*.example", "*"]);
    assert_eq!(scope("* /").hosts_above(), ["*"]);
    assert_eq!(scope("* /").prefixes_above().count(), 0);
}

#[test]
fn patterns_meet_what_they_can_match() {
    for (pattern, inside, outside) in [
        ("GET /", &["* /"][..], &["* /tv", "* /tv/"][..]),
        ("GET /tv", &["* /", "* /tv", "a /tv"], &["* /tv/", "* /t", "* /tv/x"]),
        ("GET /tv/", &["* /tv", "* /tv/"], &["* /tv/x"]),
        ("GET /tv/{x}", &["* /tv/x", "* /tv/"], &["* /tv/x/", "* /web/"]),
        ("GET /{x}/ads", &["* /tv/", "* /tv/ads"], &["* /tv/ads/", "* /tv/other"]),
        ("GET /tv/{*rest}", &["* /tv/x/y/", "* /tv/", "* /"], &["* /web/"]),
        ("GET a.example/tv", &["*.example /", "* /", "a.example /tv"], &["b.example /", "*.a /"]),
        ("GET *.example/tv", &["a.example /", "*.b.example /"], &["example /"]),
    ] {
        let pattern: Pattern = pattern.parse().unwrap();
        for text in inside {
            assert!(scope(text).meets(&pattern), "{pattern} in {text}");
        }
        for text in outside {
            assert!(!scope(text).meets(&pattern), "{pattern} in {text}");
        }
    }
}

#[test]
fn what_is_no_host_or_path_is_no_scope() {
    for (host, prefix) in [("a b", "/"), ("", "/"), ("*x", "/"), ("*", "tv")] {
        assert_eq!(Scope::new(host, prefix), None, "{host} {prefix}");
    }
}
