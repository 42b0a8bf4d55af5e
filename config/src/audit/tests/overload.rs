//! Rules on what protects from overload.

use super::*;

const HOME: &str = "[route.home]\nmatch = 'GET /tv/home'\nto = 'u'\n";

/// A file of team `tv` with these lines of its upstream, and these tables.
fn found_with(rule: &str, upstream: &str, tables: &str) -> Vec<String> {
    let text = format!("team = 'tv'\n[upstream.u]\nendpoints = ['a:1']\n{upstream}\n{tables}");
    found(rule, &[("headgate.toml", PLATFORM), ("routes.d/tv/r.toml", &text)])
}

#[test]
fn limit_of_a_route_that_its_upstream_never_grants_is_found() {
    let upstream = "concurrency = { initial = 20, min = 4, max = 50 }";
    let route = |min: u32| format!("{HOME}concurrency = {{ initial = 60, min = {min}, max = 90 }}");
    assert_eq!(
        found_with("HGA018", upstream, &route(60)),
        ["routes.d/tv/r.toml:8:15 tv/home: the route's limit is never below 60, its upstream's \
          never above 50"]
    );
    assert_eq!(found_with("HGA018", upstream, &route(40)), nothing());
}

#[test]
fn upstream_whose_routes_are_all_critical_is_found() {
    let platform =
        "[team.tv]\nclaims = [{ prefix = '/tv/' }]\nceiling = { priority = 'critical' }\n";
    let routes = |second: &str| {
        format!(
            "{HOME}priority = 'critical'\n[route.list]\nmatch = 'GET /tv/list'\nto = 'u'\n\
             priority = '{second}'\n"
        )
    };
    let of = |second: &str| {
        let text = team(&routes(second));
        found("HGA019", &[("headgate.toml", platform), ("routes.d/tv/r.toml", &text)])
    };
    assert_eq!(of("critical"), ["routes.d/tv/r.toml:2:11 tv/u: all 2 routes to it are critical"]);
    assert_eq!(of("bulk"), nothing());
}

#[test]
fn layers_that_refuse_nobody_are_found() {
    let edge = "[edge.overload]\nmode = 'observe'\n[team.tv]\nclaims = [{ prefix = '/tv/' }]\n";
    let text = team(HOME);
    assert_eq!(
        found("HGA020", &[("headgate.toml", edge), ("routes.d/tv/r.toml", &text)]),
        ["headgate.toml:2:8 edge: the edge's own protection is at `observe`, and refuses nobody"]
    );
    let breaker = "breaker = { mode = 'off' }";
    assert_eq!(
        found_with("HGA020", breaker, HOME),
        ["routes.d/tv/r.toml:4:11 tv/u: its breaker is at `off`, and refuses nobody"]
    );
    assert_eq!(found_with("HGA020", "breaker = { mode = 'enforce:10%' }", HOME), nothing());
}

#[test]
fn fallback_on_the_same_endpoint_is_found() {
    let tables = |endpoint: &str| {
        format!("[upstream.other]\nendpoints = ['{endpoint}']\n{HOME}fallback = {{ to = 'other' }}")
    };
    let found = found_with("HGA021", "", &tables("a:1"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("tv/home: a:1 is an endpoint of u and of other"), "{found:?}");
    assert_eq!(found_with("HGA021", "", &tables("b:1")), nothing());
}

#[test]
fn limit_above_the_connections_is_found() {
    let found = found_with("HGA022", "max_connections = 10", HOME);
    assert_eq!(
        found,
        ["routes.d/tv/r.toml:2:11 tv/u: 1000 requests at once may be let in, for 10 connections"]
    );
    let fits = "max_connections = 10\nconcurrency = { initial = 8, min = 4, max = 10 }";
    assert_eq!(found_with("HGA022", fits, HOME), nothing());
    let h2c = "max_connections = 10\nprotocol = 'h2c'";
    assert_eq!(found_with("HGA022", h2c, HOME), nothing());
}

#[test]
fn upstream_that_is_not_verified_is_found() {
    let found = found_with("HGA023", "tls = { verify = false }", HOME);
    assert_eq!(
        found,
        ["routes.d/tv/r.toml:4:7 tv/u: its endpoints' certificates are not verified"]
    );
    assert_eq!(found_with("HGA023", "", HOME), nothing());
}
