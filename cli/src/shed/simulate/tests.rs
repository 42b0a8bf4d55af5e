use std::path::Path;

use headgate_admin::RouteLimits;
use headgate_config::Memory;

use super::*;

const PLATFORM: &str = "[team.tv]\nclaims = [{ prefix = '/tv/' }]\n\
    ceiling = { priority = 'critical', public = true }\n";
const ROUTE: &str = "[route.home]\nmatch = 'GET /tv/home'\nto = 'u'\npriority = 'critical'\n";

/// A configuration whose upstream takes so many at once, with these further lines of the platform.
fn loaded(limit: u32, platform: &str) -> Loaded {
    let concurrency =
        format!("concurrency = {{ initial = {limit}, min = {limit}, max = {limit} }}");
    let team = format!("team = 'tv'\n[upstream.u]\nendpoints = ['a:1']\n{concurrency}\n{ROUTE}");
    let files = Memory::default()
        .with("headgate.toml", format!("{PLATFORM}{platform}"))
        .with("routes.d/tv/r.toml", team);
    headgate_config::load_from(&files, Path::new("headgate.toml"), &BTreeMap::new()).unwrap()
}

fn running() -> LimitsStatus {
    let route = RouteLimits {
        team: "tv".to_owned(),
        name: "home".to_owned(),
        priority: "critical".to_owned(),
        ..RouteLimits::default()
    };
    LimitsStatus { routes: vec![route], ..LimitsStatus::default() }
}

/// A hundred requests a second, each of which takes 80 milliseconds; every other is bulk.
fn facts(route: &str, count: u64) -> Vec<Fact> {
    let fact = |number: u64| {
        let time = Duration::from_secs(1_795_000_000) + Duration::from_millis(10 * number);
        Fact {
            time: UnixTime::from_duration(time).to_string(),
            route: Some(route.to_owned()),
            device: Some("tv".to_owned()),
            weight: 1,
            outcome: "ok".to_owned(),
            priority: Some(if number.is_multiple_of(2) { "critical" } else { "bulk" }.to_owned()),
            service_us: Some(80_000),
            ..Fact::default()
        }
    };
    (0..count).map(fact).collect()
}

fn refused(answer: &Answer, class: &str) -> u64 {
    let row = answer.rows.iter().find(|row| row.stream.class == class);
    row.map_or(0, |row| row.counts.refused_new)
}

#[test]
fn smaller_limit_would_refuse_bulk_first() {
    let facts = facts("tv/home", 1_000);
    let enough = answer(&loaded(20, ""), &running(), &facts).unwrap();
    assert_eq!(
        (enough.requests, refused(&enough, "bulk"), refused(&enough, "critical")),
        (1_000, 0, 0)
    );
    let small = answer(&loaded(4, ""), &running(), &facts).unwrap();
    assert!(refused(&small, "bulk") > 300, "{small:?}");
    assert!(refused(&small, "critical") < 60, "{small:?}");
}

#[test]
fn cut_refuses_its_share_of_the_class() {
    let cut = "[edge.overload]\ncut = { bulk = '100%' }\n";
    let answer = answer(&loaded(20, cut), &running(), &facts("tv/home", 200)).unwrap();
    assert_eq!((refused(&answer, "bulk"), refused(&answer, "critical")), (100, 0));
}

#[test]
fn rate_of_a_route_refuses_what_comes_too_often() {
    let loaded = |mode: &str| {
        let rate =
            format!("rate = [{{ rate = '10/s', burst = 1, per = 'route', mode = '{mode}' }}]");
        let team = format!("team = 'tv'\n[upstream.u]\nendpoints = ['a:1']\n{ROUTE}{rate}\n");
        let files =
            Memory::default().with("headgate.toml", PLATFORM).with("routes.d/tv/r.toml", team);
        headgate_config::load_from(&files, Path::new("headgate.toml"), &BTreeMap::new()).unwrap()
    };
    let refused = |mode: &str| {
        let answer = answer(&loaded(mode), &running(), &facts("tv/home", 1_000)).unwrap();
        answer.rows.iter().map(|row| row.counts.refused_new).sum::<u64>()
    };
    // A hundred a second for ten seconds, of which ten a second may pass.
    assert!((895..=900).contains(&refused("enforce")), "{}", refused("enforce"));
    assert_eq!((refused("observe"), refused("off")), (0, 0));
}

/// A configuration with an upstream that takes all, and this key of its route.
fn routed(platform: &str, key: &str) -> Loaded {
    let team = format!(
        "team = 'tv'\n[upstream.u]\nendpoints = ['a:1']\nbreaker = {{ mode = 'off' }}\n\
         concurrency = {{ mode = 'off' }}\n{ROUTE}{key}\n"
    );
    let files = Memory::default()
        .with("headgate.toml", format!("{PLATFORM}{platform}"))
        .with("routes.d/tv/r.toml", team);
    headgate_config::load_from(&files, Path::new("headgate.toml"), &BTreeMap::new()).unwrap()
}

#[test]
fn throttle_refuses_of_a_route_whose_service_fails() {
    // The share of requests that the service answers well, and how many a throttle may refuse.
    let table = [
        ("throttle = { mode = 'enforce' }", 10, 0..=0),
        // Of ten requests one succeeds: bulk is refused with (10 - 1.2) / 11 of the probability,
        // critical requests with (10 - 3) / 11, after the first 150 requests.
        ("throttle = { mode = 'enforce' }", 1, 580..=760),
        ("throttle = { mode = 'observe' }", 1, 0..=0),
        ("throttle = { mode = 'off' }", 1, 0..=0),
    ];
    for (key, good_of_ten, wanted) in table {
        let mut facts = facts("tv/home", 1_000);
        for (number, fact) in facts.iter_mut().enumerate() {
            let is_good = number / 2 % 10 < good_of_ten;
            fact.outcome = if is_good { "ok" } else { "origin_5xx" }.to_owned();
        }
        let answer = answer(&routed("", key), &running(), &facts).unwrap();
        let refused = refused(&answer, "bulk") + refused(&answer, "critical");
        assert!(wanted.contains(&refused), "{key}, {good_of_ten} of ten: {refused}");
    }
}

#[test]
fn rate_counts_the_callers_that_it_is_for() {
    let mut facts = facts("tv/home", 1_000);
    for fact in facts.iter_mut().step_by(2) {
        fact.caller = "verified".to_owned();
    }
    for (callers, wanted) in [("all", 890..=900), ("known", 390..=400), ("anonymous", 390..=400)] {
        let rate = format!(
            "rate = [{{ rate = '10/s', burst = 1, per = 'route', callers = '{callers}' }}]"
        );
        let answer = answer(&routed("", &rate), &running(), &facts).unwrap();
        let refused = refused(&answer, "bulk") + refused(&answer, "critical");
        assert!(wanted.contains(&refused), "{callers}: {refused}");
    }
}

#[test]
fn what_facts_do_not_tell_is_said() {
    let quiet = "[edge.overload]\nmode = 'off'\n";
    let device = "rate = [{ rate = '10/s', burst = 1, per = 'device_id' }]";
    let table = [
        (quiet, "", vec![]),
        ("", "", vec!["the edge's own overload"]),
        (quiet, device, vec!["rates of devices and users"]),
    ];
    for (platform, key, wanted) in table {
        let facts = facts("tv/home", 3);
        let answer = answer(&routed(platform, key), &running(), &facts).unwrap();
        let told: Vec<_> =
            answer.not_simulated.iter().filter_map(|what| what.split(':').next()).collect();
        assert_eq!(told, wanted, "{platform}{key}");
        let lines =
            text(&answer).lines().filter(|line| line.starts_with("not simulated: ")).count();
        assert_eq!(lines, wanted.len());
    }
    let with_breaker = answer(&loaded(20, quiet), &running(), &facts("tv/home", 3)).unwrap();
    assert!(text(&with_breaker).contains("not simulated: breakers and retries"));
}

#[test]
fn requests_stand_for_those_that_were_passed_over() {
    let mut facts = facts("tv/home", 100);
    for fact in &mut facts {
        fact.weight = 10;
    }
    let answer = answer(&loaded(20, ""), &running(), &facts).unwrap();
    assert_eq!(answer.requests, 1_000);
    assert!(refused(&answer, "bulk") > 0, "ten times as many do not fit: {answer:?}");
}

#[test]
fn refusals_of_then_stand_beside_those_to_come() {
    let mut facts = facts("tv/home", 100);
    for fact in facts.iter_mut().take(10) {
        fact.outcome = "limited_concurrency".to_owned();
        fact.service_us = None;
    }
    let answer = answer(&loaded(20, ""), &running(), &facts).unwrap();
    let then: u64 = answer.rows.iter().map(|row| row.counts.refused_then).sum();
    assert_eq!(then, 10);
    assert!(text(&answer).contains("5 (10.0 %)"), "{}", text(&answer));
}

#[test]
fn requests_of_routes_that_are_gone_are_told_apart() {
    let answer = answer(&loaded(20, ""), &running(), &facts("tv/gone", 7)).unwrap();
    assert_eq!((answer.requests, answer.left_out), (0, 7));
}

#[test]
fn without_one_served_request_nothing_can_be_told() {
    let mut facts = facts("tv/home", 3);
    for fact in &mut facts {
        fact.service_us = None;
    }
    let error = answer(&loaded(20, ""), &running(), &facts).unwrap_err();
    assert!(error.to_string().contains("none of the requests was served"));
}
