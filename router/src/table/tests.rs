use std::{
    cmp::{Ordering, Reverse},
    collections::BTreeSet,
};

use headgate_types::Version;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::{prelude::*, sample::subsequence};
use serde_json::{Map, Value};

use super::*;

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn table(patterns: &[&str]) -> Table {
    let numbered = || patterns.iter().map(|text| pattern(text)).enumerate();
    let table = Table::build(numbered()).unwrap_or_else(|ties| panic!("{ties:?}"));
    let order = Table::order(numbered()).unwrap_or_else(|ties| panic!("{ties:?}"));
    assert_eq!(table.ids().collect::<Vec<_>>(), order, "the order alone is the table's");
    table
}

/// A request in the words `METHOD host/path?query name:value@device/version`, in which the headers
/// named `claim-NAME` are claims.
#[derive(Clone, Debug)]
struct Request {
    method: Method,
    host: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    device: String,
    version: Option<Version>,
    claims: Map<String, Value>,
}

impl Request {
    fn new(text: &str) -> Self {
        let (text, device) = text.split_once('@').unwrap_or((text, ""));
        let (device, version) = device.split_once('/').unwrap_or((device, ""));
        let mut words = text.split(' ');
        let method = words.next().unwrap().parse().unwrap();
        let target = words.next().unwrap();
        let (host, path) = target.split_at(target.find('/').unwrap());
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (path, None),
        };
        let headers = words.map(|header| {
            let (name, value) = header.split_once(':').unwrap();
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        });
        let (mut plain, mut claims) = (HeaderMap::new(), Map::new());
        for (name, value) in headers {
            match name.as_str().strip_prefix("claim-") {
                Some(name) => {
                    claims.insert(name.to_owned(), value.to_str().unwrap().into());
                }
                None => {
                    plain.append(name, value);
                }
            }
        }
        Self {
            version: Version::parse(version),
            claims,
            method,
            host: host.to_owned(),
            path: path.to_owned(),
            query,
            headers: plain,
            device: device.to_owned(),
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            claims: Some(&self.claims),
            device: &self.device,
            version: self.version,
        }
    }
}

/// The pattern that a request finds, in either order of the files.
#[track_caller]
fn check(patterns: &[&str], request: &str, expected: &str) {
    let request = Request::new(request);
    let reversed: Vec<_> = patterns.iter().rev().copied().collect();
    for patterns in [patterns, &reversed] {
        let found = table(patterns).find(&request.facts()).map_or("none", |id| patterns[id]);
        assert_eq!(found, expected, "{request:?}");
    }
}

/// The more specific pattern first; the request matches both.
#[track_caller]
fn goes_before(first: &str, second: &str, request: &str) {
    for one in [first, second] {
        assert!(pattern(one).matches(&Request::new(request).facts()), "{one} {request}");
    }
    check(&[first, second], request, first);
}

#[test]
fn the_closer_host_goes_first_and_hides_nothing_that_it_does_not_take() {
    goes_before("GET a.example.com/{*x}", "GET *.example.com/y", "GET a.example.com/y");
    goes_before("GET *.a.example.com/{*x}", "GET *.example.com/y", "GET b.a.example.com/y");
    goes_before("GET *.example.com/{*x}", "GET /y", "GET a.example.com/y");
    let patterns = ["GET a.example.com/z", "GET *.example.com/y", "GET /x"];
    check(&patterns, "GET a.example.com/x", "GET /x");
    check(&patterns, "GET a.example.com/y", "GET *.example.com/y");
    check(&patterns, "GET a.example.com./z", "GET a.example.com/z");
    check(&patterns, "GET example.com/y", "none");
    check(&patterns, "GET .example.com/y", "none");
}

#[test]
fn closer_bounds_of_the_version_go_first() {
    goes_before("GET /a ver>=8", "GET /a ver>=7.2", "GET x/a@tv/8.1");
    goes_before("GET /a ver>7.2", "GET /a ver>=7.2", "GET x/a@tv/7.3");
    goes_before("GET /a ver<7", "GET /a ver<=7", "GET x/a@tv/6");
    goes_before("GET /a ver>=7 ver<8", "GET /a ver>=7", "GET x/a@tv/7.5");
    goes_before("GET /a ver=7.5", "GET /a ver>=7", "GET x/a@tv/7.5");
    goes_before("GET /a ver>=7", "GET /a", "GET x/a@tv/7");
    let patterns = ["GET /a ver>=8", "GET /a ver>=7.2", "GET /a"];
    check(&patterns, "GET x/a@tv/7.2", "GET /a ver>=7.2");
    check(&patterns, "GET x/a@tv/7.1.9", "GET /a");
    check(&patterns, "GET x/a@tv", "GET /a");
}

#[test]
fn bounds_on_other_sides_tie_where_they_overlap() {
    let ties = |one: &str, other: &str| {
        Table::build([pattern(one), pattern(other)].into_iter().enumerate()).err()
    };
    let tie = ties("GET /a ver>=7", "GET /a ver<9").unwrap().remove(0);
    assert_eq!(tie.witness.to_string(), "GET any.example/a of version 7");
    assert!(ties("GET /a ver>=7", "GET /a ver<7").is_none());
    assert!(ties("GET /a ver>7", "GET /a ver<=7").is_none());
    assert!(ties("GET /a ver=7", "GET /a ver=8").is_none());
}

#[test]
fn claims_choose_a_route() {
    let patterns = ["GET /a claim.tier=gold", "GET /a claim.tier", "GET /a"];
    check(&patterns, "GET x/a claim-tier:gold", "GET /a claim.tier=gold");
    check(&patterns, "GET x/a claim-tier:silver", "GET /a claim.tier");
    check(&patterns, "GET x/a tier:gold", "GET /a");
    assert!(table(&patterns).needs_claims());
    assert!(!table(&["GET /a header.claim"]).needs_claims());
    let tied = ["GET /a claim.tier=gold", "GET /a claim.plan=family"].map(pattern);
    let tie = Table::build(tied.into_iter().enumerate()).unwrap_err().remove(0);
    let witness = tie.witness.to_string();
    assert_eq!(witness, "GET any.example/a with claim plan: \"family\" with claim tier: \"gold\"");
}

#[test]
fn the_closer_path_goes_before_methods_and_predicates() {
    goes_before("* /tv/home", "GET /tv/{x} device=tv", "GET /tv/home@tv");
    goes_before("GET /tv/{x}", "GET /tv/{*x}", "GET /tv/a");
    goes_before("GET /tv/a/{*x}", "GET /tv/{y}/{z}", "GET /tv/a/b");
    goes_before("GET /{a}/b/c", "GET /{a}/b/{z}", "GET /x/b/c");
    goes_before("GET /{a}/{b}/c/d", "GET /{a}/b/{y}/{z}", "GET /x/b/c/d");
    goes_before("GET /{a}/b/{y}/d", "GET /{a}/{b}/c/d", "GET /x/b/c/d");
    goes_before("GET /{a}/{*x}", "GET /{*x}", "GET /tv/a");
    goes_before("GET /tv/", "GET /tv/{*x}", "GET /tv/");
}

#[test]
fn parameters_of_a_segment_do_not_lead_past_its_route() {
    let patterns = ["GET /tv/admin", "GET /tv/{page}"];
    check(&patterns, "GET /tv/admin;x=1", "GET /tv/admin");
    check(&patterns, "GET /tv;y/admin%3Bx", "GET /tv/admin");
    check(&patterns, "GET /tv/home;x", "GET /tv/{page}");
}

#[test]
fn fewer_methods_go_first() {
    goes_before("GET /x", "GET|POST /x", "GET /x");
    goes_before("GET|POST /x", "* /x device=tv", "GET /x@tv");
    goes_before("HEAD /x", "GET /x", "HEAD /x");
    check(&["GET /x", "* /x"], "HEAD /x", "GET /x");
    check(&["GET /x", "* /x"], "PUT /x", "* /x");
}

#[test]
fn more_predicates_go_first_then_values_then_expressions_then_fewer_devices() {
    goes_before("GET /x device=tv header.b", "GET /x device=tv", "GET /x b:1@tv");
    goes_before("GET /x header.a=1", "GET /x header.a~'1'", "GET /x a:1");
    goes_before("GET /x header.a=1", "GET /x header.b", "GET /x a:1 b:1");
    goes_before("GET /x header.a~'1'", "GET /x header.b", "GET /x a:1 b:1");
    goes_before("GET /x device=tv", "GET /x header.b", "GET /x b:1@tv");
    goes_before("GET /x device=tv", "GET /x device=tv|ios", "GET /x@tv");
    goes_before(
        "GET /x device=tv header.a=1",
        "GET /x device=tv|ios header.b=1",
        "GET /x a:1 b:1@tv",
    );
    goes_before("GET /x header.a~'^tv/7'", "GET /x header.a~'^tv'", "GET /x a:tv/7");
}

#[test]
fn different_values_of_one_predicate_lie_side_by_side() {
    let patterns = ["GET /x device=tv", "GET /x device=ios", "GET /x device=web|android", "GET /x"];
    check(&patterns, "GET /x@ios", "GET /x device=ios");
    check(&patterns, "GET /x@android", "GET /x device=web|android");
    check(&patterns, "GET /x@toaster", "GET /x");
}

#[test]
fn predicates_read_the_first_value() {
    let patterns =
        ["GET /x header.a=1", "GET /x header.a=2", "GET /x query.lang=en", "GET /x cookie.arm=b"];
    // The second value of a name can't be used to choose another route.
    let mut request = Request::new("GET /x a:2");
    request.headers.append("a", HeaderValue::from_static("1"));
    assert_eq!(table(&patterns[..2]).find(&request.facts()), Some(1));
    check(&patterns[2..3], "GET /x?lang=e%6e", "GET /x query.lang=en");
    check(&patterns[2..3], "GET /x?lang=de&lang=en", "none");
    check(&patterns[3..], "GET /x cookie:arm=b", "GET /x cookie.arm=b");
}

#[test]
fn the_edges_own_paths_have_no_route() {
    check(&["* /{*rest}"], "GET /_headgate/whoami", "none");
    check(&["* /{*rest}"], "GET /_headgate", "none");
    check(&["* /{*rest}"], "GET /_headgates", "* /{*rest}");
}

#[track_caller]
fn ties(one: &str, other: &str, witness: &str) {
    let ties = Table::build([(7, pattern(one)), (3, pattern(other))]).expect_err(one);
    let [tie] = ties.as_slice() else { panic!("{ties:?}") };
    assert_eq!((tie.first, tie.second, tie.witness.to_string().as_str()), (3, 7, witness));
    for text in [one, other] {
        assert!(pattern(text).matches(&tie.witness.facts()), "{text} {witness}");
    }
}

#[test]
fn a_tie_comes_with_a_request_that_proves_it() {
    ties("GET /x", "GET /x", "GET any.example/x");
    ties("GET a.b/{x}", "GET A.b/{y}", "GET a.b/x");
    ties("GET *.b/x/{*y}", "GET *.b/x/{*z}", "GET x.b/x/x");
    ties("GET|POST /x", "POST|PATCH|PUT /x", "POST any.example/x");
    ties("GET /x", "HEAD|PUT /x", "HEAD any.example/x");
    ties("GET /x device=tv|ios", "GET /x device=web|ios", "GET any.example/x from device ios");
    ties("GET /x header.a=1", "GET /x header.b=2", "GET any.example/x with a: 1 with b: 2");
    ties("GET /x device=tv", "GET /x header.a=1", "GET any.example/x from device tv with a: 1");
    ties("GET /x header.a", "GET /x query.q", "GET any.example/x?q=x with a: x");
    ties(
        "GET /x header.a~'^v[0-9]{2}$' query.q='a b'",
        "GET /x header.a~'^v[0-9]{2}$' cookie.c=1",
        "GET any.example/x?q=a%20b with a: v00 with cookie: c=1",
    );
    ties(
        "GET /x header.a header.b=1",
        "GET /x header.a=1 header.b",
        "GET any.example/x with a: 1 with b: 1",
    );
}

#[test]
fn what_parts_two_routes_or_chooses_is_no_tie() {
    for (one, other) in [
        ("GET /x", "POST /x"),
        ("GET /x", "GET /y"),
        ("GET a.b/x", "GET c.b/x"),
        ("GET *.a.b/x", "GET *.c.b/x"),
        ("GET /x device=tv", "GET /x device=ios"),
        ("GET /x header.a=1 header.b=1", "GET /x header.a=2 header.c=1"),
        ("GET /x header.a=1 header.b~'x'", "GET /x header.a~'2' header.b=x"),
        ("GET /x header.a~'1'", "GET /x header.a~'2'"),
        ("GET /x header.a~'^tv'", "GET /x header.a~'tv'"),
        ("GET /x device=tv header.a=1", "GET /x device=tv|ios header.b=1"),
    ] {
        assert!(Table::build([(0, pattern(one)), (1, pattern(other))]).is_ok(), "{one} {other}");
    }
}

#[test]
fn all_ties_are_told_at_once() {
    let texts = ["GET /x", "GET /x", "GET /y", "GET /y", "GET /x"];
    let ties = Table::build(texts.map(pattern).into_iter().enumerate()).unwrap_err();
    let pairs: Vec<_> = ties.iter().map(|tie| (tie.first, tie.second)).collect();
    assert_eq!(pairs, [(0, 1), (0, 4), (1, 4), (2, 3)]);
}

#[test]
fn an_explanation_says_of_each_candidate_why() {
    let texts =
        ["GET /tv/home", "GET /tv/{x}", "POST /tv/home", "GET /tv/home device=ios", "GET /y"];
    let explanation = table(&texts).explain(&Request::new("GET /tv/home@tv").facts());
    assert_eq!(explanation.route, Some(0));
    assert_eq!(
        explanation.reason,
        "of those that match, it has more literal segments before its first parameter"
    );
    let told: Vec<_> = explanation
        .candidates
        .iter()
        .map(|one| (one.pattern.as_str(), one.verdict, one.reason.as_str()))
        .collect();
    let less =
        "matches, but the route that won has more literal segments before its first parameter";
    assert_eq!(
        told,
        [
            ("POST /tv/home", Verdict::OtherMethod, "takes POST, not GET"),
            ("GET /tv/home device=ios", Verdict::FailedPredicate, "device=ios does not hold"),
            ("GET /tv/home", Verdict::Won, "everything matches"),
            ("GET /tv/{x}", Verdict::LessSpecific, less),
        ]
    );
}

#[test]
fn an_explanation_says_why_there_is_no_route() {
    let several = table(&["GET /x", "PUT /x device=tv", "* /{*rest} device=tv"]);
    for (request, reason) in [
        ("POST /x", "routes match this path, but each fails in its method or a predicate"),
        ("DELETE a/_headgate/x", "the path belongs to the edge itself"),
    ] {
        let explanation = several.explain(&Request::new(request).facts());
        assert_eq!((explanation.route, explanation.reason.as_str()), (None, reason));
    }
    let small = table(&["GET /x", "PUT /x"]);
    for (request, reason) in [
        ("POST /x", "no route for this path takes POST"),
        ("GET /y", "no route matches this host and path"),
    ] {
        assert_eq!(small.explain(&Request::new(request).facts()).reason, reason);
    }
}

#[test]
fn an_explanation_is_data() {
    let explanation = table(&["GET /x"]).explain(&Request::new("GET /x").facts());
    let json = serde_json::to_value(explanation).unwrap();
    let expected = serde_json::json!({
        "route": 0,
        "reason": "the only route that matches",
        "candidates": [{
            "route": 0, "pattern": "GET /x", "verdict": "won", "reason": "everything matches",
        }],
    });
    assert_eq!(json, expected);
}

/// Patterns from few words, so that they overlap in many ways.
fn some_patterns() -> impl Strategy<Value = Vec<String>> {
    let method = prop::sample::select(vec!["GET", "GET", "GET|POST", "HEAD", "*", "PUT|GET"]);
    let host = prop::sample::select(vec!["", "", "", "a.b.c", "*.b.c", "*.c", "b.c"]);
    let segment = prop::sample::select(vec!["x", "y", "{p}", "{q}"]);
    let path = (prop::collection::vec(segment, 0..3), prop::sample::select(vec!["", "/", "/{*r}"]))
        .prop_map(|(segments, end)| {
            let path: String = segments
                .iter()
                .enumerate()
                .map(|(at, segment)| match segment.strip_prefix('{') {
                    Some(name) => format!("/{{{at}{name}"),
                    None => format!("/{segment}"),
                })
                .collect();
            if path.is_empty() && end.is_empty() { "/".to_owned() } else { path + end }
        });
    let predicates = subsequence(
        vec![
            "header.a=1",
            "header.b",
            "header.c~'^1'",
            "query.q=1",
            "cookie.k",
            "device=tv",
            "device=ios|web",
        ],
        0..3,
    )
    .prop_filter("one device", |all| {
        all.iter().filter(|one| one.starts_with("device")).count() < 2
    });
    let one = (method, host, path, predicates).prop_map(|(method, host, path, predicates)| {
        format!("{method} {host}{path} {}", predicates.join(" "))
    });
    prop::collection::vec(one, 0..12)
}

fn some_request() -> impl Strategy<Value = Request> {
    let method = prop::sample::select(vec!["GET", "POST", "HEAD", "PUT", "DELETE"]);
    let host = prop::sample::select(vec!["", "a.b.c", "b.c", "z.b.c", "a.b.c.", ".b.c", "other"]);
    let path = "(/(x|y|z|x;p|y%3B)){0,3}/?"
        .prop_map(|path| if path.is_empty() { "/".to_owned() } else { path });
    let query = prop::sample::select(vec!["", "?q=1", "?q=2", "?r=1&q=%31"]);
    let headers = subsequence(vec!["a:1", "b:1", "c:12", "c:2", "cookie:k=1"], 0..4);
    let device = prop::sample::select(vec!["tv", "ios", "web", "toaster"]);
    (method, host, path, query, headers, device).prop_map(
        |(method, host, path, query, headers, device)| {
            let target = format!("{host}{path}{query}");
            let words = [&[method, target.as_str()], headers.as_slice()].concat();
            Request::new(&format!("{}@{device}", words.join(" ")))
        },
    )
}

/// Compares two patterns by what the module's documentation says, word for word.
fn documented_order(one: &Pattern, other: &Pattern) -> Ordering {
    let host = |pattern: &Pattern| match pattern.host() {
        None => (2, Reverse(0)),
        Some(host) if host.starts_with('*') => (1, Reverse(host.len())),
        Some(_) => (0, Reverse(0)),
    };
    let segments = |pattern: &Pattern| -> Vec<String> {
        let text = pattern.to_string();
        let target = text.split(' ').nth(1).unwrap().to_owned();
        target.split('/').skip(1).map(str::to_owned).collect()
    };
    let rank = |segment: &String| match segment.get(..2) {
        Some("{*") => 2,
        Some(start) if start.starts_with('{') => 1,
        _ => 0,
    };
    let front = |pattern: &Pattern| {
        Reverse(segments(pattern).iter().take_while(|one| rank(one) == 0).count())
    };
    let literals =
        |pattern: &Pattern| Reverse(segments(pattern).iter().filter(|one| rank(one) == 0).count());
    let shape = |pattern: &Pattern| segments(pattern).iter().map(rank).collect::<Vec<_>>();
    let methods = |pattern: &Pattern| {
        let known = ["GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS"];
        known.iter().filter(|name| pattern.takes_method(&name.parse().unwrap())).count()
    };
    let text = |pattern: &Pattern| pattern.to_string();
    let predicates = |pattern: &Pattern| Reverse(text(pattern).split(' ').skip(2).count());
    let with = |pattern: &Pattern, sign: char| {
        Reverse(text(pattern).split(' ').skip(2).filter(|one| one.contains(sign)).count())
    };
    let key = |pattern: &Pattern| {
        (
            (host(pattern), front(pattern), literals(pattern), shape(pattern), methods(pattern)),
            (predicates(pattern), with(pattern, '='), with(pattern, '~')),
        )
    };
    let (ours, theirs) = (one.devices().len(), other.devices().len());
    let devices = if ours > 0 && theirs > 0 { ours.cmp(&theirs) } else { Ordering::Equal };
    key(one).cmp(&key(other)).then(devices)
}

/// Looks at every pattern and compares every two that match.
fn oracle(patterns: &[(usize, Pattern)], request: &Request) -> Option<usize> {
    if path::is_reserved(&request.path) {
        return None;
    }
    let matching = patterns.iter().filter(|(_, pattern)| pattern.matches(&request.facts()));
    let best = matching.min_by(|(_, one), (_, other)| documented_order(one, other));
    best.map(|(id, _)| *id)
}

/// Leaves out what ties, so that a table can be built.
fn without_ties(texts: &[String]) -> Vec<(usize, Pattern)> {
    let mut patterns: Vec<_> = texts.iter().map(|text| pattern(text)).enumerate().collect();
    if let Err(ties) = Table::build(patterns.clone()) {
        let tied: BTreeSet<usize> = ties.iter().map(|tie| tie.second).collect();
        patterns.retain(|(id, _)| !tied.contains(id));
    }
    patterns
}

proptest! {
    #[test]
    fn the_search_finds_what_looking_at_every_pattern_finds(
        texts in some_patterns(),
        requests in prop::collection::vec(some_request(), 8),
    ) {
        let patterns = without_ties(&texts);
        let table = Table::build(patterns.clone()).unwrap();
        for request in requests {
            prop_assert_eq!(table.find(&request.facts()), oracle(&patterns, &request), "{:?}", request);
        }
    }

    #[test]
    fn the_order_of_routes_never_matters(
        (texts, shuffled) in some_patterns().prop_flat_map(|texts| {
            let numbered: Vec<_> = texts.into_iter().enumerate().collect();
            (Just(numbered.clone()), Just(numbered).prop_shuffle())
        }),
        requests in prop::collection::vec(some_request(), 4),
    ) {
        let build = |texts: &[(usize, String)]| {
            Table::build(texts.iter().map(|(id, text)| (*id, pattern(text))))
        };
        match (build(&texts), build(&shuffled)) {
            (Ok(one), Ok(other)) => for request in requests {
                prop_assert_eq!(one.find(&request.facts()), other.find(&request.facts()));
                prop_assert_eq!(one.explain(&request.facts()), other.explain(&request.facts()));
            },
            (Err(one), Err(other)) => {
                let pairs = |ties: &[Tie]| ties.iter().map(|tie| (tie.first, tie.second)).collect::<Vec<_>>();
                prop_assert_eq!(pairs(&one), pairs(&other));
            }
            (one, other) => prop_assert!(false, "{:?} {:?}", one.err(), other.err()),
        }
    }

    #[test]
    fn explain_has_the_winner_that_find_has(
        texts in some_patterns(),
        requests in prop::collection::vec(some_request(), 8),
    ) {
        let patterns = without_ties(&texts);
        let table = Table::build(patterns.clone()).unwrap();
        for request in requests {
            let explanation = table.explain(&request.facts());
            prop_assert_eq!(explanation.route, table.find(&request.facts()));
            let won: Vec<_> = explanation
                .candidates
                .iter()
                .filter(|one| one.verdict == Verdict::Won)
                .map(|one| one.route)
                .collect();
            prop_assert_eq!(won.as_slice(), explanation.route.as_slice());
            let near = patterns.iter().filter(|(_, pattern)| {
                pattern.host.takes(crate::pattern::without_root(&request.host)) && pattern.takes_path(&request.path)
            });
            prop_assert_eq!(explanation.candidates.len(), near.count());
            let told: Vec<_> = explanation.candidates.iter().map(|one| pattern(&one.pattern)).collect();
            prop_assert!(told.is_sorted_by(|one, other| documented_order(one, other).is_le()));
        }
    }

    #[test]
    fn a_tie_has_a_true_witness_and_no_order(texts in some_patterns()) {
        let patterns: Vec<_> = texts.iter().map(|text| pattern(text)).collect();
        let Err(ties) = Table::build(patterns.iter().cloned().enumerate()) else { return Ok(()) };
        for tie in ties {
            let (one, other) = (&patterns[tie.first], &patterns[tie.second]);
            prop_assert!(tie.first < tie.second);
            prop_assert!(one.matches(&tie.witness.facts()) && other.matches(&tie.witness.facts()));
            prop_assert_eq!(documented_order(one, other), Ordering::Equal);
        }
    }

    /// The other way round: where no tie was told, one request never matches two equals.
    #[test]
    fn what_is_no_tie_is_chosen_between(
        texts in some_patterns(),
        requests in prop::collection::vec(some_request(), 8),
    ) {
        let patterns = without_ties(&texts);
        for request in requests {
            let matching: Vec<_> =
                patterns.iter().filter(|(_, pattern)| pattern.matches(&request.facts())).collect();
            for (at, (_, one)) in matching.iter().enumerate() {
                for (_, other) in &matching[at + 1..] {
                    prop_assert!(documented_order(one, other).is_ne(), "{} / {}", one, other);
                }
            }
        }
    }
}
