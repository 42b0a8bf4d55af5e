use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(path: &str, expected: &str) {
    let normal = normalize(path);
    assert_eq!(normal.as_deref(), Ok(expected), "{path}");
    assert_eq!(matches!(normal, Ok(Cow::Borrowed(_))), path == expected, "{path}");
}

#[track_caller]
fn refused(path: &str, fault: PathFault) {
    assert_eq!(normalize(path), Err(fault), "{path}");
}

#[test]
fn normal_paths_stay_as_they_are() {
    for path in
        ["/", "/tv", "/tv/", "/tv/home/a-b_c.d~e", "/.well-known/x", "/a/..b", "/a/b..", "/..."]
    {
        check(path, path);
    }
    check("/x;v=1,2/!$&'()*+:@", "/x;v=1,2/!$&'()*+:@");
    check("/caf%C3%A9", "/caf%C3%A9");
}

#[test]
fn dot_segments_are_resolved_also_when_escaped() {
    check("/tv/./home", "/tv/home");
    check("/tv/../home", "/home");
    check("/tv/%2e%2e/home", "/home");
    check("/tv/.%2E/home", "/home");
    check("/tv/%2e/home", "/tv/home");
    check("/tv/home/..", "/tv/");
    check("/tv/home/.", "/tv/home/");
    check("/tv/..", "/");
    check("/a/b/c/../../d", "/a/d");
}

#[test]
fn empty_segments_are_merged_and_a_trailing_slash_stays() {
    check("//tv//home", "/tv/home");
    check("/tv/home//", "/tv/home/");
    check("//", "/");
    check("/tv//../home", "/home");
}

#[test]
fn escapes_have_one_spelling() {
    check("/%74v/%7Ea", "/tv/~a");
    check("/a%3ab%40c", "/a:b@c");
    check("/a%3bb%3Dc%2cd", "/a%3Bb%3Dc%2Cd");
    check("/a b", "/a%20b");
    check("/a%20b", "/a%20b");
    check("/caf\u{e9}", "/caf%C3%A9");
    check("/caf%c3%a9", "/caf%C3%A9");
    check("/{x}|\"<>^`[]", "/%7Bx%7D%7C%22%3C%3E%5E%60%5B%5D");
}

#[test]
fn escapes_are_decoded_once() {
    check("/tv/%252e%252e/home", "/tv/%252e%252e/home");
    check("/tv/%25%32e", "/tv/%252e");
    check("/tv/%252Fhome", "/tv/%252Fhome");
}

#[test]
fn what_readers_read_differently_is_refused() {
    refused("", PathFault::NotAbsolute);
    refused("*", PathFault::NotAbsolute);
    refused("tv", PathFault::NotAbsolute);
    refused("/../tv", PathFault::AboveRoot);
    refused("/tv/../..", PathFault::AboveRoot);
    refused("/%2e%2e/tv", PathFault::AboveRoot);
    refused("/tv/%2fhome", PathFault::EscapedSeparator);
    refused("/tv/..%2Fhome", PathFault::EscapedSeparator);
    refused("/tv/..%5chome", PathFault::EscapedSeparator);
    refused("/tv\\..\\home", PathFault::Backslash);
    refused("/tv/%00", PathFault::ForbiddenCharacter);
    refused("/tv/%0d%0ax", PathFault::ForbiddenCharacter);
    refused("/tv/\u{7f}", PathFault::ForbiddenCharacter);
    refused("/tv?x", PathFault::ForbiddenCharacter);
    refused("/tv#x", PathFault::ForbiddenCharacter);
    refused("/tv/%", PathFault::MalformedEscape);
    refused("/tv/%2", PathFault::MalformedEscape);
    refused("/tv/%zz", PathFault::MalformedEscape);
    refused("/tv/%+1", PathFault::MalformedEscape);
    refused("/tv/%c0%ae%c0%ae/home", PathFault::NotUtf8);
    refused("/tv/%c0%af", PathFault::NotUtf8);
    refused("/tv/%ff", PathFault::NotUtf8);
    refused("/tv/..;/home", PathFault::BareParameters);
    refused("/tv/.;x=1/home", PathFault::BareParameters);
    refused("/tv/%2e%2e;x/home", PathFault::BareParameters);
    refused("/tv/..%3bx/home", PathFault::BareParameters);
    refused("/tv/;/home", PathFault::BareParameters);
    refused("/;x=1/tv", PathFault::BareParameters);
    refused("/tv/%3b", PathFault::BareParameters);
}

#[test]
fn an_escaped_question_mark_is_part_of_the_path() {
    check("/what%3f", "/what%3F");
    check("/a%23b", "/a%23b");
}

#[test]
fn the_edges_own_paths_are_reserved() {
    assert!(is_reserved("/_headgate"));
    assert!(is_reserved("/_headgate/whoami"));
    assert!(is_reserved("/_headgate;x/whoami"));
    assert!(is_reserved("/_headgate%3Bx"));
    assert!(!is_reserved("/_headgates"));
    assert!(!is_reserved("/tv/_headgate/"));
}

/// Paths made of the pieces that attacks are made of.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/"),
        Just("."),
        Just(".."),
        Just("%2e"),
        Just("%2E"),
        Just("%2f"),
        Just("%5c"),
        Just(";"),
        Just("%3b"),
        Just("%25"),
        Just("%"),
        Just("2"),
        Just("e"),
        Just("tv"),
        Just("\\"),
        Just("\u{e9}"),
        Just("%c3%a9"),
        Just("%c0"),
        Just(" "),
        Just("{"),
        Just("_headgate"),
        Just("%00"),
        Just("="),
        Just(","),
        Just("%3a"),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// A segment as a lenient origin reads it: decoded once, cut at its parameters.
fn lenient_segment(segment: &str) -> String {
    let mut bytes = segment.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' { unescape(&mut bytes).unwrap() } else { byte });
    }
    let decoded = String::from_utf8(decoded).unwrap();
    decoded.split(';').next().unwrap().to_owned()
}

/// The segments of a path as a lenient origin resolves them.
fn lenient_origin(path: &str) -> Vec<String> {
    let mut stack = Vec::new();
    for segment in path.split('/').map(lenient_segment) {
        for part in segment.split(['/', '\\']) {
            match part {
                "" | "." => {}
                ".." => drop(stack.pop()),
                name => stack.push(name.to_owned()),
            }
        }
    }
    stack
}

proptest! {
    #[test]
    fn never_panics_and_is_its_own_normal_form(path in "\\PC{0,40}") {
        if let Ok(normal) = normalize(&path) {
            prop_assert_eq!(normalize(&normal), Ok(Cow::Borrowed(normal.as_ref())));
        }
    }

    #[test]
    fn hostile_paths_come_out_without_dots_empties_or_odd_characters(path in hostile()) {
        let Ok(normal) = normalize(&path) else { return Ok(()) };
        prop_assert_eq!(normalize(&normal), Ok(Cow::Borrowed(normal.as_ref())));
        prop_assert!(normal.starts_with('/') && !normal.contains("//"));
        prop_assert!(!normal.split('/').any(|segment| matches!(segment, "." | "..")));
        prop_assert!(normal.bytes().all(|b| is_path_character(b) || matches!(b, b'/' | b'%')));
    }

    /// However an origin reads the forwarded path, it sees the segments that were matched.
    #[test]
    fn a_lenient_origin_sees_the_segments_that_were_matched(path in hostile()) {
        let Ok(normal) = normalize(&path) else { return Ok(()) };
        let matched = normal.split('/').filter(|segment| !segment.is_empty());
        prop_assert_eq!(lenient_origin(&normal), matched.map(lenient_segment).collect::<Vec<_>>());
    }
}
