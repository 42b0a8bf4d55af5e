use std::collections::BTreeMap;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;
use crate::Memory;

mod overload;

const PLATFORM: &str = "[team.tv]\nclaims = [{ prefix = '/tv/' }]\n";
const NOW: &str = "2027-01-15T12:00:00Z";

/// A file of team `tv` with an upstream and these lines.
fn team(lines: &str) -> String {
    format!("team = 'tv'\n[upstream.u]\nendpoints = ['a:1']\n{lines}")
}

fn audit_of(files: &[(&str, &str)], traffic: Option<&Traffic>) -> Vec<Finding> {
    let memory = files.iter().fold(Memory::default(), |all, (path, text)| all.with(path, *text));
    let now = NOW.parse().unwrap();
    let path = Path::new("headgate.toml");
    audit_from(&memory, path, &BTreeMap::new(), (now, traffic)).unwrap().findings
}

/// What one rule finds: place, subject and message.
fn found(rule: &str, files: &[(&str, &str)]) -> Vec<String> {
    told(rule, audit_of(files, None))
}

fn told(rule: &str, findings: Vec<Finding>) -> Vec<String> {
    let of_rule = findings.into_iter().filter(|finding| finding.rule.id == rule);
    of_rule.map(|one| format!("{} {}: {}", one.at, one.subject, one.message)).collect()
}

/// What one rule finds in the routes of team `tv`.
fn found_in_routes(rule: &str, lines: &str) -> Vec<String> {
    found(rule, &[("headgate.toml", PLATFORM), ("routes.d/tv/r.toml", &team(lines))])
}

/// What one rule finds in a platform's file.
fn found_in_platform(rule: &str, text: &str) -> Vec<String> {
    found(rule, &[("headgate.toml", text)])
}

fn nothing() -> Vec<String> {
    Vec::new()
}

#[test]
fn numbers_and_names_are_given_once_and_in_order() {
    for (index, rule) in RULES.iter().enumerate() {
        assert_eq!(rule.id, format!("HGA{:03}", index + 1));
        assert_eq!(RULES.iter().filter(|other| other.name == rule.name).count(), 1);
        assert_eq!(Rule::named(rule.name), Some(rule));
        assert_eq!(Rule::named(&rule.id.to_lowercase()), Some(rule));
    }
}

#[test]
fn the_page_has_a_line_for_each_rule() {
    let page = markdown();
    for rule in RULES {
        assert!(page.contains(&format!("| {} | `{}` |", rule.id, rule.name)), "{}", rule.id);
    }
}

#[test]
fn the_gravest_comes_first() {
    let platform = format!("{PLATFORM}[admin]\nlisten = '0.0.0.0:1'\n");
    let routes =
        team("[route.r]\nmatch = 'GET /tv/a'\nto = 'u'\n[upstream.v]\nendpoints = ['a:1']\n");
    let files = [("headgate.toml", platform.as_str()), ("routes.d/tv/r.toml", &routes)];
    let order: Vec<_> = audit_of(&files, None).iter().map(|finding| finding.rule.id).collect();
    assert_eq!(order, ["HGA012", "HGA001", "HGA009"]);
}

#[test]
fn what_does_not_load_is_not_audited() {
    let memory = Memory::default().with("headgate.toml", "nonsense = 1\n");
    let now = NOW.parse().unwrap();
    let path = Path::new("headgate.toml");
    let faults = audit_from(&memory, path, &BTreeMap::new(), (now, None)).unwrap_err();
    assert_eq!(faults.len(), 1);
}

#[test]
fn public_routes() {
    let platform = format!("{PLATFORM}[identity.keys]\napi_keys = []\n");
    let routes = team(
        "[route.a]\nmatch = 'GET /tv/a'\nto = 'u'\n\
         [route.b]\nmatch = 'GET /tv/b'\nto = 'u'\nauth = 'none'\n\
         [route.c]\nmatch = 'GET /tv/c'\nto = 'u'\nauth = 'keys'\n",
    );
    let files = [("headgate.toml", platform.as_str()), ("routes.d/tv/r.toml", &routes)];
    assert_eq!(
        found("HGA001", &files),
        [
            "routes.d/tv/r.toml:5:9 tv/a: anybody may call `GET /tv/a`",
            "routes.d/tv/r.toml:10:8 tv/b: anybody may call `GET /tv/b`",
        ]
    );
}

#[test]
fn tries_that_do_not_fit() {
    let route = |more: &str| format!("[route.r]\nmatch = 'GET /tv/a'\nto = 'u'\n{more}\n");
    let found = |more: &str| found_in_routes("HGA002", &route(more));
    assert_eq!(
        found("timeout = '5s'\ntry_timeout = '2s'\nretry = { max = 2, on = ['503'] }"),
        ["routes.d/tv/r.toml:8:15 tv/r: 3 tries may take 6s, of 5s in all"]
    );
    for more in [
        "timeout = '6s'\ntry_timeout = '2s'\nretry = { max = 2, on = ['503'] }",
        "timeout = '5s'\ntry_timeout = '5s'\nretry = { max = 0, on = ['503'] }",
        "timeout = '5s'\nretry = { max = 2, on = ['503'] }",
        // A connection that fails takes 1.5 s and no longer.
        "timeout = '5s'\ntry_timeout = '2s'\nretry = { max = 2, on = ['connect'] }",
    ] {
        assert_eq!(found(more), nothing(), "{more}");
    }
    let late = "timeout = '4s'\ntry_timeout = '2s'\nretry = { max = 2, on = ['connect'] }";
    assert_eq!(found(late).len(), 1);
}

#[test]
fn routes_past_their_end() {
    let route = |ends: &str| format!("[route.r]\nmatch = 'GET /tv/a'\nto = 'u'\nends = {ends}\n");
    let found = |ends: &str| found_in_routes("HGA003", &route(ends));
    assert_eq!(found("'2027-01-14'"), ["routes.d/tv/r.toml:7:8 tv/r: served after 2027-01-14"]);
    assert_eq!(found("2027-01-14").len(), 1);
    assert_eq!(found("2027-01-15T11:59:59Z").len(), 1);
    assert_eq!(found("'2027-01-15'"), nothing());
    assert_eq!(found("'2027-01-16'"), nothing());
}

#[test]
fn legacy_services_past_their_end() {
    let routes = |ends: &str| {
        let strangle =
            format!("strangle = {{ old = 'v', weight = '50%', sticky = 'trace', ends = {ends} }}");
        format!(
            "[route.r]\nmatch = 'GET /tv/a'\nto = 'u'\n{strangle}\n[upstream.v]\nendpoints = ['b:1']\n"
        )
    };
    let over = routes("2027-01-15T11:59:59Z");
    assert_eq!(
        found_in_routes("HGA003", &over),
        ["routes.d/tv/r.toml:7:12 tv/r: the legacy service was to go by 2027-01-15"]
    );
    assert_eq!(found_in_routes("HGA003", &routes("2027-01-15T12:00:01Z")), nothing());
    // Both upstreams have a way to them.
    assert_eq!(found_in_routes("HGA009", &over), nothing());
}

#[test]
fn claims_without_routes() {
    let platform = "[[device]]\nname = 'web'\nwhen = ['ua']\n[[device]]\nname = 'tv'\nwhen = ['*']\n\
        [team.tv]\nclaims = [{ prefix = '/tv/' }, { prefix = '/old/' }, \
        { prefix = '/d/', devices = ['tv'] }, { prefix = '/d/', devices = ['web'] }]\n";
    let routes = team(
        "[route.a]\nmatch = 'GET /tv/a'\nto = 'u'\n[route.d]\nmatch = 'GET /d/ device=tv'\nto = 'u'\n",
    );
    let files = [("headgate.toml", platform), ("routes.d/tv/r.toml", &routes)];
    assert_eq!(
        found("HGA004", &files),
        [
            "headgate.toml:8:43 tv: team \"tv\" claims /old/ on any host and has no route there",
            "headgate.toml:8:103 tv: team \"tv\" claims /d/ on any host and has no route there",
        ]
    );
}

#[test]
fn claims_without_traffic() {
    let platform = "[team.tv]\nclaims = [{ prefix = '/tv/' }, { prefix = '/old/' }]\n";
    let routes = team(
        "[route.a]\nmatch = 'GET /tv/a'\nto = 'u'\n[route.b]\nmatch = 'GET /tv/b'\nto = 'u'\n\
         [route.c]\nmatch = 'GET /old/c'\nto = 'u'\n",
    );
    let files = [("headgate.toml", platform), ("routes.d/tv/r.toml", &routes)];
    let traffic = |counts: &[(&str, u64)]| {
        let counts = counts.iter().map(|(route, count)| (("tv".into(), (*route).into()), *count));
        Traffic { arrived: counts.collect(), since: "Monday".to_owned(), ..Traffic::default() }
    };
    let found = |counts: &[(&str, u64)]| told("HGA005", audit_of(&files, Some(&traffic(counts))));
    assert_eq!(
        found(&[("a", 0), ("b", 1)]),
        ["headgate.toml:2:43 tv: nobody has asked for /old/ on any host since Monday"]
    );
    assert_eq!(found(&[("c", 1)]).len(), 1);
    assert_eq!(found(&[("a", 1), ("c", 1)]), nothing());
    assert_eq!(told("HGA005", audit_of(&files, None)), nothing());
}

#[test]
fn routes_that_are_never_preferred() {
    let routes = team(
        "[route.a]\nmatch = 'GET /tv/{x}'\nto = 'u'\n[route.b]\nmatch = 'GET /tv/{*y}'\nto = 'u'\n",
    );
    let files = [("headgate.toml", PLATFORM), ("routes.d/tv/r.toml", &routes)];
    let by = ["tv/a".to_owned(), "tv/c".to_owned()].into();
    let taken = [(("tv".to_owned(), "b".to_owned()), Taken { requests: 12, by })].into();
    let traffic = Traffic { since: "Monday".to_owned(), taken, ..Traffic::default() };
    assert_eq!(
        told("HGA024", audit_of(&files, Some(&traffic))),
        [
            "routes.d/tv/r.toml:8:9 tv/b: it matches 12 requests since Monday, and each goes to tv/a or tv/c"
        ]
    );
    assert_eq!(told("HGA024", audit_of(&files, None)), nothing());
}

#[test]
fn unreachable_routes() {
    let devices = "[[device]]\nname = 'tv'\nwhen = ['header x-app']\n";
    let rest =
        "[[device]]\nname = 'web'\nwhen = ['*']\n[[device]]\nname = 'never'\nwhen = ['ua']\n";
    for (rules, patterns, expected) in [
        // All classes are taken, one by one.
        (devices, &["GET /tv/a", "GET /tv/a device=tv", "GET /tv/a device=unknown"][..], "r0"),
        (devices, &["GET /tv/a", "GET /tv/a device=tv|unknown"], "r0"),
        (devices, &["GET /tv/a", "GET /tv/a device=tv"], ""),
        (rest, &["GET /tv/a", "GET /tv/a device=web"], "r0"),
        // Nobody is of the class.
        (rest, &["GET /tv/a device=never"], "r0"),
        (rest, &["GET /tv/a device=unknown"], "r0"),
        (rest, &["GET /tv/a device=web|never"], ""),
        // All methods are taken, one by one.
        ("", &["GET|POST /tv/a", "GET /tv/a", "POST /tv/a"], "r0"),
        ("", &["GET|POST /tv/a", "GET /tv/a"], ""),
        ("", &["GET /tv/a", "HEAD /tv/a"], ""),
        ("", &["* /tv/a", "GET /tv/a", "POST /tv/a"], ""),
        (devices, &["* /tv/a", "* /tv/a device=tv|unknown"], "r0"),
        (devices, &["* /tv/a", "GET|POST /tv/a device=tv|unknown"], ""),
        // One more condition lets others through.
        (devices, &["GET /tv/a", "GET /tv/a device=tv|unknown header.x"], ""),
        (devices, &["GET /tv/a header.x=1", "GET /tv/a header.x device=tv|unknown"], "r0"),
        (devices, &["GET /tv/a header.x header.y", "GET /tv/a device=tv|unknown"], ""),
        // A closer path goes first, and leaves the rest.
        ("", &["GET /tv/{*rest}", "GET /tv/{x}"], ""),
        (devices, &["GET /tv/{x}", "GET /tv/{y} device=tv|unknown"], "r0"),
    ] {
        let platform = format!("{PLATFORM}{rules}");
        let route = |(index, pattern): (usize, &&str)| {
            format!("[route.r{index}]\nmatch = {pattern:?}\nto = 'u'\n")
        };
        let lines: Vec<_> = patterns.iter().enumerate().map(route).collect();
        let routes = team(&lines.concat());
        let files = [("headgate.toml", platform.as_str()), ("routes.d/tv/r.toml", &routes)];
        let findings = audit_of(&files, None);
        let of_rule = findings.iter().filter(|finding| finding.rule.id == "HGA006");
        let found: Vec<_> = of_rule.map(|finding| finding.subject.as_str()).collect();
        let expected: Vec<_> = Some(expected)
            .filter(|name| !name.is_empty())
            .map(|name| format!("tv/{name}"))
            .into_iter()
            .collect();
        assert_eq!(found, expected, "{patterns:?}");
    }
}

#[test]
fn those_that_go_before_are_named() {
    let routes = "[route.both]\nmatch = 'GET|POST /tv/a'\nto = 'u'\n\
        [route.get]\nmatch = 'GET /tv/a'\nto = 'u'\n[route.post]\nmatch = 'POST /tv/a'\nto = 'u'\n";
    assert_eq!(
        found_in_routes("HGA006", routes),
        ["routes.d/tv/r.toml:5:9 tv/both: every request goes to tv/get or tv/post"]
    );
}

/// A certificate that ends at the beginning of a day of January 2027, and its key.
fn certificate(day: u8) -> (String, String) {
    let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
    params.not_after = date_time_ymd(2027, 1, day);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn certificates_that_end() {
    let platform = "[edge.tls]\nlisten = ['127.0.0.1:0']\ncert = 'a.pem'\nkey = 'a.key'\n\
        certificates = [{ cert = 'b.pem', key = 'b.key' }]\n";
    let (a, b) = (certificate(15), certificate(16));
    let files = [
        ("headgate.toml", platform),
        ("a.pem", a.0.as_str()),
        ("a.key", &a.1),
        ("b.pem", &b.0),
        ("b.key", &b.1),
    ];
    assert_eq!(
        found("HGA007", &files),
        ["headgate.toml:3:8 a.pem: the certificate ended on 2027-01-15"]
    );
    assert_eq!(
        found("HGA008", &files),
        ["headgate.toml:5:26 b.pem: the certificate ends on 2027-01-16, in 1 day"]
    );
}

#[test]
fn certificates_of_upstreams_that_end() {
    let (old, new, shown) = (certificate(10), certificate(16), certificate(15));
    let routes = "team = 'tv'\n[upstream.u]\nendpoints = ['a.example:1']\n\
        tls = { ca = 'ca.pem', cert = 'c.pem', key = 'c.key' }\n\
        [route.r]\nmatch = 'GET /tv/a'\nto = 'u'\n";
    let authorities = old.0 + &new.0;
    let files = [
        ("headgate.toml", "[team.tv]\nclaims = [{ host = '*', prefix = '/tv/' }]\n"),
        ("routes.d/tv/r.toml", routes),
        ("routes.d/tv/ca.pem", authorities.as_str()),
        ("routes.d/tv/c.pem", &shown.0),
        ("routes.d/tv/c.key", &shown.1),
    ];
    let place = "routes.d/tv/r.toml:4:7 tv/u:";
    assert_eq!(
        found("HGA007", &files),
        [format!("{place} the certificate that the edge shows ended on 2027-01-15")]
    );
    // Of two authorities one is over; the other is trusted on.
    assert_eq!(
        found("HGA008", &files),
        [format!("{place} the last authority ends on 2027-01-16, in 1 day")]
    );
}

#[test]
fn the_first_of_a_chain_to_end_counts() {
    let platform = "[edge.tls]\nlisten = ['127.0.0.1:0']\ncert = 'a.pem'\nkey = 'a.key'\n";
    let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
    params.not_after = date_time_ymd(2037, 1, 1);
    let key = KeyPair::generate().unwrap();
    let chain = params.self_signed(&key).unwrap().pem() + &certificate(1).0;
    let files = [("headgate.toml", platform), ("a.pem", &chain), ("a.key", &key.serialize_pem())];
    assert_eq!(found("HGA007", &files).len(), 1);
}

#[test]
fn upstreams_without_routes() {
    let routes =
        "[route.r]\nmatch = 'GET /tv/a'\nto = 'u'\n[upstream.spare]\nendpoints = ['a:1']\n";
    assert_eq!(
        found_in_routes("HGA009", routes),
        ["routes.d/tv/r.toml:7:11 tv/spare: no route and no handler leads here"]
    );
}

#[test]
fn retries_that_are_never_made() {
    let found = |method: &str, on: &str| {
        let route = format!(
            "[route.r]\nmatch = '{method} /tv/a'\nto = 'u'\nretry = {{ max = 1, on = [{on}] }}\n"
        );
        found_in_routes("HGA010", &route)
    };
    assert_eq!(
        found("POST|PATCH", "'connect', '503'"),
        ["routes.d/tv/r.toml:7:9 tv/r: PATCH or POST is never sent twice"]
    );
    assert_eq!(found("POST", "'connect'"), nothing());
    assert_eq!(found("PUT|POST", "'503'"), nothing());
    assert_eq!(found("*", "'503'"), nothing());
}

#[test]
fn keys_from_elsewhere_in_plain() {
    let found = |url: &str| found_in_platform("HGA011", &format!("[identity.a]\njwks = '{url}'\n"));
    assert_eq!(
        found("http://id.example/jwks.json"),
        ["headgate.toml:2:8 a: keys are fetched from id.example without TLS"]
    );
    for url in ["https://id.example/", "http://127.0.0.1:1/", "http://[::1]/", "http://localhost/"]
    {
        assert_eq!(found(url), nothing(), "{url}");
    }
}

#[test]
fn listeners_that_others_reach() {
    let admin =
        |address: &str| found_in_platform("HGA012", &format!("[admin]\nlisten = '{address}'\n"));
    assert_eq!(
        admin("[::]:9900"),
        ["headgate.toml:2:10 admin.listen: [::]:9900 can be reached from elsewhere"]
    );
    assert_eq!(admin("[::1]:9900"), nothing());
    let plain = |list: &str| found_in_platform("HGA015", &format!("[edge]\nlisten = {list}\n"));
    assert_eq!(
        plain("['127.0.0.1:80', '10.0.0.1:80']"),
        ["headgate.toml:2:27 edge.listen: 10.0.0.1:80 can be reached from elsewhere without TLS"]
    );
    assert_eq!(found_in_platform("HGA015", ""), nothing());
}

#[test]
fn api_keys_that_end() {
    let key = |digit: &str, subject: &str, expires: &str| {
        let sha256 = digit.repeat(64);
        format!("[[api_keys]]\nsha256 = '{sha256}'\nsubject = '{subject}'\n{expires}\n")
    };
    let keys = [
        key("1", "over", "expires = 2027-01-15T12:00:00Z"),
        key("2", "soon", "expires = 2027-02-14T12:00:00Z"),
        key("3", "later", "expires = 2027-02-14T12:00:01Z"),
        key("4", "never", ""),
    ];
    let platform = format!(
        "[identity.a]\napi_keys_file = 'keys.toml'\n[identity.b]\napi_keys = [{{ sha256 = '{}', \
         subject = 'own', expires = 2027-01-01T00:00:00Z }}]\n",
        "5".repeat(64)
    );
    let keys = keys.concat();
    let files = [("headgate.toml", platform.as_str()), ("keys.toml", &keys)];
    assert_eq!(
        found("HGA013", &files),
        [
            "headgate.toml:4:119 own: the API key ended on 2027-01-01",
            "keys.toml:4:11 over: the API key ended on 2027-01-15",
        ]
    );
    assert_eq!(
        found("HGA014", &files),
        ["keys.toml:8:11 soon: the API key ends on 2027-02-14, in 30 days"]
    );
}

#[test]
fn delegations_that_end_soon_or_never() {
    let platform = "[team.tv]\nclaims = [{ prefix = '/tv/' }, { host = 'a', prefix = '/' }]\n\
        delegate = [{ prefix = '/tv/a/', to = 'ads', until = '2027-02-13' },\n\
        { prefix = '/tv/b/', to = 'ads', until = '2027-02-14' },\n\
        { prefix = '/tv/c/', to = 'ads' }]\n[team.ads]\n";
    // The second claim is inside the first's paths, on one host: both delegate at once.
    assert_eq!(
        found_in_platform("HGA016", platform),
        ["headgate.toml:3:24 tv: the delegation to team \"ads\" ends after 2027-02-13, in 30 days"]
    );
    assert_eq!(
        found_in_platform("HGA017", platform),
        ["headgate.toml:5:12 tv: the delegation to team \"ads\" does not end"]
    );
}
