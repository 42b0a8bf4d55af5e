use headgate_gateway::settings::{Auth, IdentityKind};

use super::load;
use crate::{Faults, Loaded};

/// Sources `accounts` (opaque tokens) and `partners`, and a route whose other lines are given.
fn site(platform: &str, route: &str) -> Result<Loaded, Faults> {
    let platform = format!(
        "{platform}\n[team.tv]\nclaims = [{{ prefix = \"/tv/\" }}]\nceiling = {{ public = false }}\n\
         [identity.accounts]\nintrospect = \"http://id.example/introspect\"\n\
         [identity.partners]\napi_keys = []\n"
    );
    let team = format!(
        "team = \"tv\"\n[upstream.home]\nendpoints = [\"a:1\"]\n[route.home]\nto = \"home\"\n{route}\n"
    );
    load(&[("headgate.toml", &platform), ("routes.d/tv/a.toml", &team)])
}

const MATCH: &str = "match = \"GET /tv/home\"";

#[track_caller]
fn fault(platform: &str, route: &str, expected: &str) {
    let faults = site(platform, route).expect_err(expected);
    let told: Vec<_> = faults
        .iter()
        .map(|fault| format!("{}: {}: {}", fault.key, fault.code, fault.message))
        .collect();
    assert_eq!(told, [expected]);
}

#[test]
fn sources_of_a_route_are_in_its_own_order() {
    let loaded = site("", &format!("{MATCH}\nauth = \"partners|accounts\"")).unwrap();
    let auth = &loaded.settings.routes[0].auth;
    let Auth::Source { sources, is_open, .. } = auth else { panic!("{auth:?}") };
    assert_eq!((sources.as_slice(), *is_open), (&[1, 0][..], false));
    assert_eq!(loaded.settings.sources_of(auth).as_deref(), Some("partners|accounts"));
}

#[test]
fn lists_of_sources_that_make_no_sense_are_refused() {
    let auth = |auth: &str| format!("{MATCH}\nauth = {auth:?}");
    fault(
        "",
        &auth("accounts|accounts"),
        "route.home.auth: HG1019: identity source \"accounts\" is named twice",
    );
    fault("", &auth("accounts|other"), "route.home.auth: HG1008: no identity source \"other\"");
    fault(
        "",
        &auth("anonymous|accounts"),
        "route.home.auth: HG1019: \"anonymous\" comes last: nobody is asked after it",
    );
    // Whoever may call anonymously is anybody.
    fault(
        "",
        &auth("accounts|anonymous"),
        "route.home.auth: HG1011: anybody may call this route, which the team's ceiling does not allow",
    );
}

#[test]
fn demands_on_anonymous_callers_are_refused() {
    let route = format!("{MATCH}\nauth = \"accounts|anonymous\"\nscopes = [\"a\"]");
    let faults = site("", &route).unwrap_err();
    assert!(faults.iter().any(|fault| {
        fault.key == "route.home.scopes" && fault.message.contains("every anonymous caller")
    }));
}

#[test]
fn keys_of_one_kind_mean_nothing_for_another() {
    let route = format!("{MATCH}\nauth = \"accounts\"");
    let source = |lines: &str| format!("[identity.more]\n{lines}");
    fault(
        &source("api_keys = []\nremember = \"1s\""),
        &route,
        "identity.more.remember: HG1019: `remember` has no effect with `api_keys`",
    );
    fault(
        &source("client_cert = \"subject\""),
        &route,
        "identity.more.client_cert: HG1019: nobody is asked for a certificate: `edge.tls` has no `client_ca`",
    );
    fault(
        "[identity.anonymous]\napi_keys = []",
        &route,
        "identity.anonymous: HG1009: \"anonymous\" means callers whom no source knows",
    );
    fault(
        "[edge]\nclient_address = \"forwarded\"",
        &route,
        "edge.client_address: HG1019: nobody is trusted to tell an address: `trusted_peers` is empty",
    );
    fault(
        "[whoami]\nauth = \"nobody\"",
        &route,
        "whoami.auth: HG1008: no identity source \"nobody\"",
    );
}

#[test]
fn versions_are_compared_where_a_rule_finds_them() {
    let route = "match = \"GET /tv/home ver>=7\"\nauth = \"accounts\"";
    fault("", route, "route.home.match: HG1008: no device rule finds the version of an app");
    let device = "[[device]]\nname = \"tv\"\nwhen = [\"header x-app ~ '(?<ver>.*)'\"]";
    assert!(site(device, route).is_ok());
}

#[test]
fn secret_counts_and_is_not_kept() {
    let platform = "[identity.more]\nintrospect = \"http://id.example/\"\nclient_id = \"edge\"\n\
        client_secret_file = \"secret\"\n";
    let with = |secret: &str| {
        let team = "team = \"tv\"\n[upstream.home]\nendpoints = [\"a:1\"]\n[route.home]\n\
            match = \"GET /tv/home\"\nto = \"home\"\n";
        let platform = format!("{platform}[team.tv]\nclaims = [{{ prefix = \"/tv/\" }}]\n");
        let files =
            [("headgate.toml", &*platform), ("routes.d/tv/a.toml", team), ("secret", secret)];
        load(&files).unwrap()
    };
    let (one, other) = (with("hunter2\n"), with("hunter3\n"));
    assert_ne!(one.digest, other.digest);
    let IdentityKind::Introspection(own) = &one.settings.identity[0].kind else { panic!() };
    assert_eq!(own.client_secret.as_ref().unwrap().reveal(), "hunter2");
    assert!(!format!("{:?}", one.settings).contains("hunter2"));
}
