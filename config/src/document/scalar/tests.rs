use super::*;

fn takes(form: &str, good: &[&str], bad: &[&str]) {
    for text in good {
        assert!(check(form, text).is_ok(), "{form} {text}");
    }
    for text in bad {
        assert!(check(form, text).is_err(), "{form} {text}");
    }
}

#[test]
fn addresses_of_upstreams() {
    let good = ["127.0.0.1:80", "[::1]:80", "bff.internal:3000", "unix:/run/a.sock"];
    let bad =
        ["", "bff", "bff:0", "bff:99999", ":80", "*:80", "::1:80", "[x]:1", "unix:a", "http://a:1"];
    takes("endpoint", &good, &bad);
}

#[test]
fn every_kind_of_match_that_the_reference_names() {
    let good = [
        "GET /tv/home/{profile} device=tv",
        "GET|POST api.example/tv/{*rest} device=tv|ios",
        "* *.example/tv/ header.x cookie.x query.x",
        "GET /tv header.x=a cookie.x=a query.x=a",
        "GET /tv header.x~'^a' cookie.x~'^a'",
    ];
    takes("match", &good, &["", "/tv", "get /tv", "GET tv", "GET /tv query.x~'a'", "GET /tv x=y"]);
}

#[test]
fn every_kind_of_test_that_the_reference_names() {
    let good = ["*", "header x", "hint mobile", "ua", "claim x"];
    takes("test", &good, &["", "header", "ua = 'x'", "ua ~ x", "esn ~ 'x'"]);
    for kind in ["header x", "hint platform", "ua", "claim x"] {
        for how in ["== 'a'", "contains 'a'", "~ '^a'"] {
            takes("test", &[&format!("{kind} {how}")], &[]);
        }
    }
}

#[test]
fn every_kind_of_failure_that_the_reference_names() {
    takes(
        "condition",
        &["connect", "reset", "timeout", "503", "429"],
        &["", "200", "never", "600"],
    );
}

#[test]
fn hosts_of_claims() {
    takes("host-pattern", &["*", "a", "*.a.b", "A.b"], &["", "*a", "a:1", "a/b", "a..b", "*.*.a"]);
}

#[test]
fn prefixes_of_claims() {
    takes(
        "path-prefix",
        &["/", "/tv/", "/tv"],
        &["", "tv/", "/{x}", "/a//b", "/../", "/a?b", "/%41"],
    );
}

#[test]
fn networks_and_single_addresses() {
    takes("network", &["10.0.0.0/8", "::1", "127.0.0.1"], &["10.0.0.0/33", "localhost"]);
}

#[test]
fn zero_is_a_length_only_where_it_means_something() {
    takes("duration", &["1ms"], &["0s", "1", "-1s", "s"]);
    takes("duration-or-zero", &["0s", "1ms"], &["0"]);
}

#[test]
fn dates_are_those_of_the_calendar() {
    let good = ["1970-01-01T00:00:00Z", "2028-02-29T23:59:59Z", "2027-01-31t00:00:00.5z"];
    let bad = ["2027-02-29T00:00:00Z", "2027-13-01T00:00:00Z", "2027-01-01", "2027-01-01T00:00:00"];
    takes("date", &good, &bad);
}

#[test]
fn dates_read_as_they_are_written() {
    for seconds in [0, 951_782_400, 1_709_164_800, 4_102_444_799] {
        assert_eq!(read_date(&write_date(seconds)), Some(seconds));
    }
}

#[test]
fn last_days_are_days_or_moments() {
    let good = ["2027-03-31", "2028-02-29", "2027-03-31T12:00:00Z"];
    let bad = ["2027-02-29", "2027-3-31", "2027-03-31T", "31.03.2027", "later", "2027-03-31T12:00"];
    takes("last-day", &good, &bad);
    for text in ["2027-03-31", "2027-03-31T12:00:00.000Z"] {
        assert_eq!(LastDay::read(text).unwrap().to_string(), text);
    }
}

#[test]
fn a_day_counts_to_its_end() {
    let (day, moment) = ("2027-03-31", "2027-03-31T12:00:00Z");
    for (text, now, is_over, days) in [
        (day, "2027-03-30T23:59:59Z", false, 2),
        (day, "2027-03-31T00:00:00Z", false, 1),
        (day, "2027-03-31T23:59:59Z", false, 1),
        (day, "2027-04-01T00:00:00Z", true, 0),
        (moment, "2027-03-31T11:59:59Z", false, 1),
        (moment, "2027-03-31T12:00:00Z", true, 0),
    ] {
        let (last, now) = (LastDay::read(text).unwrap(), now.parse().unwrap());
        assert_eq!((last.is_over(now), last.days_left(now)), (is_over, days), "{text} {now}");
    }
}

#[test]
fn a_long_value_is_shortened_in_the_message() {
    let misfit = check("size", &"9".repeat(1_000)).unwrap_err();
    assert!(misfit.message.len() < 200, "{}", misfit.message);
}
