use headgate_gateway::{Demand, DeviceRule, Routing};
use headgate_types::Class;

use super::*;

fn route(name: &str, pattern: &str, to: &str, source: Option<&str>) -> RouteRule {
    RouteRule {
        team: "tv".to_owned(),
        name: name.to_owned(),
        pattern: pattern.to_owned(),
        to: to.to_owned(),
        auth: source.map(|source| Demand {
            source: source.to_owned(),
            scopes: Vec::new(),
            claims: Vec::new(),
        }),
        priority: Class::Standard,
    }
}

fn replay(class: &str, routes: Vec<RouteRule>) -> Replay {
    let devices = vec![DeviceRule { name: class.to_owned(), when: vec!["*".to_owned()] }];
    Replay::new(Routing { devices, routes }).unwrap()
}

fn fact(path: &str, weight: u64) -> Fact {
    Fact {
        method: "GET".to_owned(),
        host: "edge".to_owned(),
        path: path.to_owned(),
        weight,
        route: Some("tv/home".to_owned()),
        ..Fact::default()
    }
}

/// Replays one request to `/home` for each weight.
fn tally(before: &Replay, after: &Replay, weights: &[u64]) -> Tally {
    let mut tally = Tally::new(Duration::from_mins(15));
    tally.kept_for = Some("15m".to_owned());
    for weight in weights {
        tally.add(&fact("/home", *weight), before, after);
    }
    tally.finish();
    tally
}

#[track_caller]
fn check(before: RouteRule, after: Vec<RouteRule>, expected: &str) {
    let tally = tally(&replay("tv", vec![before]), &replay("tv", after), &[1]);
    assert_eq!(tally.headline(), format!("replay of 15m: {expected}\n"));
}

#[test]
fn each_kind_of_change_is_named() {
    let home = || route("home", "GET /home", "home", Some("accounts"));
    check(home(), vec![home()], "0 of 1 requests change; 0 lose authentication");
    check(
        home(),
        vec![RouteRule { to: "next".to_owned(), ..home() }],
        "1 of 1 requests change: 1 tv/home: upstream home → next; 0 lose authentication",
    );
    check(
        home(),
        vec![RouteRule { name: "house".to_owned(), ..home() }],
        "1 of 1 requests change: 1 tv/home → tv/house; 0 lose authentication",
    );
    check(
        home(),
        vec![RouteRule { auth: None, ..home() }],
        "1 of 1 requests change: 1 tv/home: authentication accounts → none; 1 lose authentication",
    );
    check(
        RouteRule { auth: None, ..home() },
        vec![home()],
        "1 of 1 requests change: 1 tv/home: authentication none → accounts; 0 lose authentication, \
         1 are newly asked to authenticate",
    );
    check(
        home(),
        vec![RouteRule { priority: Class::Bulk, ..home() }],
        "1 of 1 requests change: 1 tv/home: priority standard → bulk; 0 lose authentication",
    );
    check(
        home(),
        Vec::new(),
        "1 of 1 requests change: 1 tv/home → no route; 0 lose authentication, 1 lose their route",
    );
    let scoped = Demand {
        source: "accounts".to_owned(),
        scopes: vec!["read".to_owned()],
        claims: Vec::new(),
    };
    check(
        home(),
        vec![RouteRule { auth: Some(scoped), ..home() }],
        "1 of 1 requests change: 1 tv/home: other demands on accounts; 0 lose authentication, 1 are \
         asked for other credentials",
    );
}

#[test]
fn device_that_is_told_otherwise_is_a_change() {
    let home = || vec![route("home", "GET /home", "home", None)];
    let tally = tally(&replay("tv", home()), &replay("web", home()), &[1]);
    assert_eq!(tally.groups[0].what, "tv/home: device tv → web");
}

#[test]
fn weights_are_counted_and_the_largest_comes_first() {
    let before = replay(
        "tv",
        vec![route("home", "GET /home", "home", None), route("list", "GET /list", "home", None)],
    );
    let after = replay(
        "tv",
        vec![route("home", "GET /home", "next", None), route("list", "GET /list", "next", None)],
    );
    let mut tally = Tally::new(Duration::from_mins(15));
    tally.kept_for = Some("15m".to_owned());
    for _ in 0..5 {
        tally.add(&fact("/home", 1), &before, &after);
    }
    tally.add(&fact("/list", 1_000), &before, &after);
    tally.finish();
    assert_eq!((tally.requests, tally.facts, tally.changed), (1_005, 6, 1_005));
    let groups: Vec<_> =
        tally.groups.iter().map(|group| (group.what.as_str(), group.requests)).collect();
    let (list, home) = ("tv/list: upstream home → next", "tv/home: upstream home → next");
    assert_eq!(groups, [(list, 1_000), (home, 5)]);
    assert_eq!(tally.groups[1].examples, ["GET edge/home"], "an example is told once");
    assert_eq!(tally.routed_otherwise, 1_000);
    assert!(tally.headline().contains("1,005 of 1,005 requests, of which 6 were kept, change"));
}

#[test]
fn kinds_of_change_are_bounded() {
    let mut tally = tally(
        &replay("tv", vec![route("home", "GET /home", "home", None)]),
        &replay("tv", vec![route("home", "GET /home", "next", None)]),
        &[1],
    );
    tally.by_what = (0..GROUPS_MAX).map(|n| (n.to_string(), Group::default())).collect();
    let after = replay("tv", Vec::new());
    let before = replay("tv", vec![route("home", "GET /home", "home", None)]);
    tally.add(&fact("/home", 7), &before, &after);
    assert_eq!(tally.by_what.len(), GROUPS_MAX + 1);
    assert_eq!(tally.by_what[OTHER_CHANGES].requests, 7);
}

#[test]
fn what_cannot_be_told_is_told() {
    let before = replay("tv", vec![route("home", "GET /home", "home", None)]);
    let after = replay("tv", vec![route("home", "GET /home header.x-new", "home", None)]);
    let tally = tally(&before, &after, &[3]);
    assert_eq!(tally.unknown, BTreeMap::from([("header x-new".to_owned(), 3)]));
    assert!(tally.text().contains("3 can't be told"), "{}", tally.text());
}

#[test]
fn numbers_are_grouped() {
    for (number, text) in
        [(0, "0"), (999, "999"), (1_000, "1,000"), (310_552, "310,552"), (1_000_000, "1,000,000")]
    {
        assert_eq!(grouped(number), text);
    }
}
