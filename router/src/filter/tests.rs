use super::*;

const KNOWN: Known =
    Known { texts: &["route", "path"], counts: &["status"], lengths: &["duration"] };

/// A line with a route, a path, a status and a duration.
struct Line;

impl Members for Line {
    fn text(&self, name: &str) -> Option<&str> {
        match name {
            "route" => Some("home"),
            "path" => Some("/tv/home/1"),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> Option<u64> {
        match name {
            "status" => Some(503),
            "duration" => Some(1_500_000),
            _ => None,
        }
    }
}

/// A line without any member.
struct Nothing;

impl Members for Nothing {
    fn text(&self, _: &str) -> Option<&str> {
        None
    }

    fn number(&self, _: &str) -> Option<u64> {
        None
    }
}

fn filter(text: &str) -> Filter {
    Filter::parse(text, &KNOWN).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_condition_must_hold() {
    for (text, holds) in [
        ("", true),
        ("  ", true),
        ("route==home", true),
        ("route == 'home'", true),
        ("route!=home", false),
        ("route==home && status==503", true),
        ("route==home&&status==502", false),
        ("status>=500 && status<600", true),
        ("status>503", false),
        ("status<=503", true),
        ("status!=503", false),
        ("duration>=1500ms", true),
        ("duration > 1s && duration < 2s", true),
        ("duration<1s", false),
        ("path contains home", true),
        ("path ~ '^/tv/[a-z]+/[0-9]$'", true),
        ("path ~ ^/ios", false),
    ] {
        assert_eq!(filter(text).holds(&Line), holds, "{text}");
    }
}

#[test]
fn member_that_is_not_there_equals_nothing() {
    for (text, holds) in [
        ("route==home", false),
        ("route!=home", true),
        ("route ~ .*", false),
        ("status==503", false),
        ("status!=503", true),
        ("status<1000", false),
    ] {
        assert_eq!(filter(text).holds(&Nothing), holds, "{text}");
    }
}

#[test]
fn fault_is_told_with_its_place() {
    for (text, at, what) in [
        ("colour==red", 0..6, "no member of access lines"),
        ("route", 5..5, "no test"),
        ("route=home", 5..10, "no test"),
        ("route==", 7..7, "no value"),
        ("route==home status==1", 12..21, "text behind the condition"),
        ("route==home &&", 14..14, "no member of access lines"),
        ("route>=home", 11..11, "no test of a text"),
        ("status==many", 8..12, "no whole number"),
        ("status~5", 8..8, "no test of a number"),
        ("duration>=long", 10..14, "no length"),
        ("route=='home", 7..12, "the quote is not closed"),
    ] {
        let error = Filter::parse(text, &KNOWN).unwrap_err();
        assert_eq!((error.span(), error.what()), (at, what), "{text}");
    }
}

#[test]
fn filter_has_bounds() {
    let many = vec!["status==1"; CONDITIONS_MAX + 1].join("&&");
    assert_eq!(Filter::parse(&many, &KNOWN).unwrap_err().what(), "too many conditions");
    let long = format!("path=={}", "x".repeat(FILTER_BYTES_MAX));
    assert_eq!(Filter::parse(&long, &KNOWN).unwrap_err().what(), "the filter is too long");
}
