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
fn file_of_an_answer_is_read_and_checked() {
    let of = |lines: &str, body: &str| {
        let team = format!(
            "team = \"tv\"\n[upstream.home]\nendpoints = [\"a:1\"]\n[route.home]\nto = \"home\"\n\
             match = \"GET /tv/{{x}}\"\nfallback = {{ {lines} }}\n"
        );
        let files = [
            ("headgate.toml", PLATFORM),
            ("routes.d/tv/home.toml", &team),
            ("routes.d/tv/rows.json", body),
        ];
        let told = |fault: &crate::Fault| format!("{}: {}", fault.code, fault.message);
        load(&files)
            .map(|mut loaded| loaded.settings.routes.remove(0).overload.fallback)
            .map_err(|faults| faults.iter().map(told).collect::<Vec<_>>().join("\n"))
    };
    let answer = of("file = \"rows.json\"", "[]").unwrap();
    assert!(matches!(answer, Some(Fallback::Answer(answer)) if answer.body == "[]"));
    let big = "x".repeat((256 << 10) + 1);
    for (lines, body, expected) in [
        ("file = \"gone.json\"", "[]", "HG1063: file routes.d/tv/gone.json can't be read"),
        ("file = \"../rows.json\"", "[]", "HG1063: file ../rows.json lies outside the folder"),
        ("file = \"rows.json\"", "", "HG1063: file routes.d/tv/rows.json can't be used: it is"),
        ("file = \"rows.json\"", &big, "262145 bytes, at most 262144 allowed"),
        ("file = \"rows.json\", body = \"\"", "[]", "HG1019: a file stands here beside `body`"),
        ("file = \"rows.json\", to = \"home\"", "[]", "HG1019: another upstream stands here"),
    ] {
        let told = of(lines, body).unwrap_err();
        assert!(told.contains(expected), "{lines}: {told}");
    }
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
