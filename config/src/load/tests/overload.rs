use headgate_gateway::settings::{Fallback, Per};
use headgate_router::overload::mode::Mode;

use super::*;

/// What is wrong with lines of an upstream and of a route of a team's file.
fn fault(upstream: &str, route: &str) -> String {
    let text = format!(
        "team = \"tv\"\n[upstream.home]\nendpoints = [\"a:1\"]\n{upstream}\n\
         [route.home]\nmatch = \"GET /tv/a\"\nto = \"home\"\n{route}\n"
    );
    let found = faults(&[("headgate.toml", PLATFORM), ("routes.d/tv/home.toml", &text)]);
    found.join("\n").replace("routes.d/tv/home.toml:", "")
}

#[test]
fn modes_and_rates_have_a_form() {
    assert_eq!(
        fault("", "throttle = { mode = \"on\" }"),
        "8:22: HG1006: no mode (route.home.throttle.mode)"
    );
    assert_eq!(
        fault("", "rate = [{ rate = \"5\" }]"),
        "8:18: HG1006: expected a rate such as \"5/s\", \"100/m\" or \"1000/h\", at most a \
         million, found \"5\" (route.home.rate[0].rate)"
    );
    assert_eq!(fault("", "rate = [{ rate = \"1000000/h\" }]"), "");
    assert!(fault("", "rate = [{ rate = \"1000001/h\" }]").contains("HG1006"));
    assert!(fault("", "rate = [{ rate = \"0/s\" }]").contains("HG1006"));
    assert!(fault("", "rate = [{}]").contains("HG1005"));
}

#[test]
fn bounds_of_a_limit_do_not_cross() {
    assert_eq!(
        fault("concurrency = { min = 30, max = 20 }", ""),
        "4:23: HG1019: `min` 30 is above `max` 20 (upstream.home.concurrency.min)"
    );
    assert!(fault("", "concurrency = { min = 5, max = 4 }").contains("HG1019"));
}

#[test]
fn fallback_is_an_upstream_or_an_answer() {
    assert!(fault("", "fallback = {}").contains("HG1019"));
    assert!(fault("", "fallback = { to = \"home\", body = \"\" }").contains("HG1019"));
    assert_eq!(
        fault("", "fallback = { to = \"hone\" }"),
        "8:19: HG1008: team \"tv\" has no upstream \"hone\"; did you mean \"home\"? \
         (route.home.fallback.to)"
    );
    assert!(fault("", "fallback = { body = \"\", type = \"a\\nb\" }").contains("HG1006"));
}

#[test]
fn everything_comes_to_settings() {
    let platform = format!(
        "{PLATFORM}\n[edge.overload]\nmode = \"enforce:25%\"\nexempt = [\"tv/home\", \"web/home\"]\n\
         cut = {{ bulk = \"5%\" }}\n"
    );
    let home = format!(
        "{HOME}rate = [{{ rate = \"5/s\", burst = 20 }}, {{ per = \"route\", rate = \"9/m\", \
         mode = \"observe\" }}]\nfallback = {{ to = \"home\" }}\n"
    );
    let loaded =
        load(&[("headgate.toml", platform.as_str()), ("routes.d/tv/home.toml", &home)]).unwrap();
    let overload = &loaded.settings.edge.overload;
    assert_eq!(overload.mode.to_string(), "enforce:25%");
    assert_eq!(overload.cut.map(|share| share.to_string()), ["0%", "0%", "0%", "5%"]);
    let route = &loaded.settings.routes[0].overload;
    assert!(route.is_exempt);
    assert_eq!((route.throttle, route.retry), (Mode::default(), Mode::default()));
    let rates: Vec<_> = route
        .rates
        .iter()
        .map(|it| (it.per, it.rate.requests.get(), it.rate.burst.get(), it.mode))
        .collect();
    let expected = [(Per::DeviceId, 5, 20, Mode::default()), (Per::Route, 9, 9, Mode::Observe)];
    assert_eq!(rates, expected);
    assert_eq!(route.fallback, Some(Fallback::Upstream(0)));
}
