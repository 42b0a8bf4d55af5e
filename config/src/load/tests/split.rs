use headgate_gateway::settings::{Arm, Split, SplitKind, Sticky};
use headgate_router::split::Weight;
use headgate_types::UnixTime;

use super::load;
use crate::{Faults, Loaded};

/// A site of three upstreams with a route `home`, whose other lines are given, and more tables.
fn site(lines: &str, more: &str) -> Result<Loaded, Faults> {
    let platform = "[team.tv]\nclaims = [{ prefix = \"/tv/\" }]\n[identity.keys]\n\
         api_keys = [{ sha256 = \
         \"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\", subject = \"a\" }]\n";
    let upstream = |name| format!("[upstream.{name}]\nendpoints = [\"a:1\"]\n");
    let upstreams = ["home", "legacy", "next"].map(upstream).concat();
    let team = format!(
        "team = \"tv\"\n{upstreams}[route.home]\nmatch = \"GET /tv/home\"\nto = \"home\"\n\
         auth = \"keys\"\n{lines}\n{more}"
    );
    load(&[("headgate.toml", platform), ("routes.d/tv/a.toml", &team)])
}

/// What is wrong, with the help beside it.
fn faults(lines: &str) -> Vec<(String, String)> {
    let Err(faults) = site(lines, "") else { return Vec::new() };
    let told = |fault: &crate::Fault| {
        let at = format!("{}: {}: {}", fault.key, fault.code, fault.message);
        (at, fault.help.clone().unwrap_or_default())
    };
    faults.iter().map(told).collect()
}

fn arm(name: &str, upstream: usize, weight: &str) -> Arm {
    Arm { name: name.into(), upstream, weight: weight.parse().unwrap() }
}

fn split(lines: &str) -> Split {
    site(lines, "").unwrap().settings.routes[0].split.clone().unwrap()
}

#[test]
fn canary_is_one_arm_beside_the_stable_one() {
    let expected = Split {
        kind: SplitKind::Canary,
        sticky: Sticky::DeviceId,
        salt: "tv/home".into(),
        arms: vec![arm("canary", 2, "5%")],
        rest: arm("stable", 0, "95%"),
    };
    assert_eq!(split("canary = { to = \"next\", weight = \"5%\" }"), expected);
    let written =
        "canary = { to = \"next\", weight = \"0.5%\", sticky = \"user\", salt = \"v42\" }";
    let expected = Split {
        sticky: Sticky::User,
        salt: "v42".into(),
        arms: vec![arm("canary", 2, "0.5%")],
        rest: arm("stable", 0, "99.5%"),
        ..expected
    };
    assert_eq!(split(written), expected);
}

#[test]
fn experiment_has_arms_in_the_order_of_their_names() {
    let arms = "b = { to = \"next\", weight = \"50%\" }, a = { to = \"home\", weight = \"1%\" }";
    let found = split(&format!("experiment = {{ arms = {{ {arms} }}, sticky = \"trace\" }}"));
    assert_eq!(found.arms, [arm("a", 0, "1%"), arm("b", 2, "50%")]);
    assert_eq!(found.rest, arm("control", 0, "49%"));
    assert_eq!((found.kind, found.sticky), (SplitKind::Experiment, Sticky::Trace));
}

#[test]
fn strangle_moves_what_is_weighed_from_the_old_one() {
    let found =
        split("strangle = { old = \"legacy\", weight = \"25%\", ends = \"2027-03-31T00:00:00Z\" }");
    assert_eq!(found.arms, [arm("new", 0, "25%")]);
    assert_eq!(found.rest, arm("old", 1, "75%"));
    let ends = Some(UnixTime::from_secs(1_806_451_200));
    assert_eq!(found.kind, SplitKind::Strangle { ends });
}

#[test]
fn every_route_to_a_legacy_service_is_followed() {
    let strangle = "strangle = { old = \"legacy\", weight = \"25%\" }";
    let others = "[route.old]\nmatch = \"GET /tv/old\"\nto = \"legacy\"\n\
                  [route.new]\nmatch = \"GET /tv/new\"\nto = \"next\"\n";
    let loaded = site(strangle, others).unwrap();
    let of = |name: &str| {
        let route = loaded.settings.routes.iter().find(|route| *route.name == *name).unwrap();
        route.split.clone()
    };
    let old = of("old").unwrap();
    assert_eq!((old.arms.len(), &old.rest), (0, &arm("old", 1, "100%")));
    assert_eq!(old.rest.weight, Weight::ALL);
    assert_eq!(of("new"), None);
    assert_eq!(site("", others).unwrap().settings.routes[1].split, None);
}

#[test]
fn upstream_that_is_not_there_is_named_with_its_key() {
    for (lines, key) in [
        ("canary = { to = \"nxt\", weight = \"5%\" }", "canary.to"),
        ("strangle = { old = \"nxt\", weight = \"5%\" }", "strangle.old"),
        (
            "experiment = { arms = { a = { to = \"nxt\", weight = \"5%\" } } }",
            "experiment.arms.a.to",
        ),
    ] {
        let expected = format!("route.home.{key}: HG1008: team \"tv\" has no upstream \"nxt\"");
        assert_eq!(faults(lines), [(expected, "did you mean \"next\"?".to_owned())]);
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let first = |lines: &str| faults(lines).first().cloned().unwrap_or_default().0;
    assert_eq!(
        first("canary = { to = \"home\", weight = \"5%\" }"),
        "route.home.canary.to: HG1019: upstream \"home\" is the route's own `to`"
    );
    assert_eq!(
        first("strangle = { old = \"home\", weight = \"5%\" }"),
        "route.home.strangle.old: HG1019: upstream \"home\" is the route's own `to`"
    );
    assert_eq!(
        first("experiment = { arms = { control = { to = \"next\", weight = \"5%\" } } }"),
        "route.home.experiment.arms.control: HG1009: arm \"control\" is the route's own `to`"
    );
    let arms = "a = { to = \"next\", weight = \"50.01%\" }, b = { to = \"home\", weight = \"0%\" }";
    assert_eq!(
        faults(&format!("experiment = {{ arms = {{ {arms} }} }}"))[0],
        (
            "route.home.experiment.arms.a.weight: HG1007: weight 50.01% is above an even share of \
             2 arms"
                .to_owned(),
            "at most 50%: only so far can each grow beside the others".to_owned()
        )
    );
    assert_eq!(
        first("canary = { to = \"next\", weight = \"101%\" }"),
        "route.home.canary.weight: HG1006: expected a weight from \"0%\" to \"100%\" in steps of \
         \"0.01%\", found \"101%\""
    );
    assert_eq!(first("experiment = { arms = {} }").split(": ").nth(1), Some("HG1007"));
}

#[test]
fn nobody_is_drawn_where_nobody_is_known() {
    let lines = "canary = { to = \"next\", weight = \"5%\" }";
    let anybody = lines.replace("canary", "auth = \"none\"\ncanary");
    // The site's own `auth` comes first; a second one would be a fault of its own.
    let platform = "[team.tv]\nclaims = [{ prefix = \"/tv/\" }]\n";
    let team = format!(
        "team = \"tv\"\n[upstream.home]\nendpoints = [\"a:1\"]\n[upstream.next]\n\
         endpoints = [\"a:1\"]\n[route.home]\nmatch = \"GET /tv/home\"\nto = \"home\"\n{anybody}\n"
    );
    let faults = load(&[("headgate.toml", platform), ("routes.d/tv/a.toml", &team)]).unwrap_err();
    let told = faults.iter().next().unwrap();
    assert_eq!(told.key, "route.home.canary.sticky");
    assert!(told.message.contains("knows no device_id"), "{}", told.message);
    let drawn = team.replace("\"5%\" }", "\"5%\", sticky = \"trace\" }");
    load(&[("headgate.toml", platform), ("routes.d/tv/a.toml", &drawn)]).unwrap();
}
