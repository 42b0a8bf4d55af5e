use std::{collections::BTreeMap, path::Path};

use proptest::prelude::*;

use crate::{Faults, Loaded, Memory, Origin, Style, load_from};

mod endpoints;
mod events;
mod idempotency;
mod identity;
mod overload;
mod split;

const PLATFORM: &str = r#"
[identity.accounts]
jwks = "https://id.example/jwks.json"
[[device]]
name = "tv"
when = ["header x-app ~ '^tv/'"]
[team.tv]
claims = [{ host = "*", prefix = "/tv/" }]
ceiling = { priority = "standard", timeout = "3s" }
[team.web]
claims = [{ prefix = "/web/" }]
"#;

const HOME: &str = r#"
team = "tv"
[upstream.home]
endpoints = ["127.0.0.1:7001"]
[route.home]
match = "GET /tv/home/{profile} device=tv"
to = "home"
auth = "accounts"
scopes = ["home"]
require = { plan = "gold", level = 3 }
retry = { max = 2, on = ["connect", "503"], budget = "10%" }
"#;

fn load(files: &[(&str, &str)]) -> Result<Loaded, Faults> {
    load_with(files, &[])
}

fn load_with(files: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<Loaded, Faults> {
    let memory = files.iter().fold(Memory::default(), |all, (path, text)| all.with(path, *text));
    let environment: BTreeMap<_, _> =
        environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    load_from(&memory, Path::new("headgate.toml"), &environment)
}

/// Each fault's place, code and message.
fn faults(files: &[(&str, &str)]) -> Vec<String> {
    load(files).map_or_else(|faults| faults.iter().map(ToString::to_string).collect(), |_| vec![])
}

/// What is wrong with one line of a team's file whose other lines are good.
fn route_fault(line: &str) -> String {
    let text = format!(
        "team = \"tv\"\n[upstream.home]\nendpoints = [\"a:1\"]\n[route.home]\nto = \"home\"\n{line}\n"
    );
    let found = faults(&[("headgate.toml", PLATFORM), ("routes.d/tv/home.toml", &text)]);
    found.join("\n").replace("routes.d/tv/home.toml:", "")
}

/// What is wrong with a platform's file alone.
fn platform_fault(text: &str) -> String {
    faults(&[("headgate.toml", text)]).join("\n").replace("headgate.toml:", "")
}

#[test]
fn good_files_become_settings() {
    let loaded = load(&[("headgate.toml", PLATFORM), ("routes.d/tv/home.toml", HOME)]).unwrap();
    let route = &loaded.settings.routes[0];
    assert_eq!((&*route.team, &*route.name), ("tv", "home"));
    assert_eq!(route.pattern.to_string(), "GET /tv/home/{profile} device=tv");
    assert_eq!(route.retry.max, 2);
    assert_eq!(
        loaded.settings.upstreams[route.upstream.unwrap()].endpoints[0].to_string(),
        "127.0.0.1:7001"
    );
    assert_eq!(loaded.settings.edge.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(loaded.admin_listen, "127.0.0.1:9900".parse().unwrap());
    assert_eq!(loaded.origins[0].at.to_string(), "routes.d/tv/home.toml:6:9");
    assert_eq!(loaded.files, [Path::new("headgate.toml"), Path::new("routes.d/tv/home.toml")]);
    assert!(loaded.warnings.is_empty());
}

#[test]
fn a_route_without_a_timeout_gets_the_teams_ceiling() {
    let loaded = load(&[("headgate.toml", PLATFORM), ("routes.d/tv/home.toml", HOME)]).unwrap();
    assert_eq!(loaded.settings.routes[0].timeout, Some(std::time::Duration::from_secs(3)));
    assert_eq!(loaded.origins[0].timeout, Origin::Ceiling);
}

#[test]
fn a_route_without_a_priority_never_exceeds_the_teams_ceiling() {
    let platform = PLATFORM.replace("priority = \"standard\"", "priority = \"bulk\"");
    let loaded = load(&[("headgate.toml", &platform), ("routes.d/tv/home.toml", HOME)]).unwrap();
    assert_eq!(loaded.settings.routes[0].priority, headgate_types::Class::Bulk);
    assert_eq!(loaded.origins[0].priority, Origin::Ceiling);
}

#[test]
fn faults_of_all_files_are_told_at_once_with_carets() {
    let faults = load(&[
        ("headgate.toml", "[edge]\nmax_bdy = \"1MiB\"\nthreads = 0\n[team.tv]\n"),
        ("routes.d/tv/a.toml", "team = \"tv\"\n[route.a]\nmatch = \"GET /tv/a\"\nto = \"hme\"\n"),
        ("routes.d/tv/b.toml", "team = \"tv\n"),
        ("routes.d/tv/c.toml", "team = \"web\"\n"),
    ])
    .unwrap_err();
    assert_eq!(
        faults.render(Style::Plain),
        r#"HG1003

  x unknown key `max_bdy`
   ,-[headgate.toml:2:1]
 2 | max_bdy = "1MiB"
   : ^^^^^^^
   `----
  help: did you mean `max_body`? keys here are access_log, body_idle, client_address, dns_servers,
        drain, geo, h2_idle, header_timeout, keep_alive, listen, max_body, max_connections,
        max_connections_per_client, max_h2_streams, max_head, max_headers, overload, push,
        stream_idle, threads, timeout, tls, trusted_peers, zone

HG1007

  x 0 is outside 1 to 1024
   ,-[headgate.toml:3:11]
 3 | threads = 0
   :           ^
   `----

HG1010

  x team "tv" has not claimed what this route matches
   ,-[routes.d/tv/a.toml:3:9]
 3 | match = "GET /tv/a"
   :         ^^^^^^^^^^^
   `----
  help: [team.tv] has no claims: add one in headgate.toml
  `->   > what the team has claimed
         ,-[headgate.toml:4:7]
       4 | [team.tv]
         :       ^^
         `----

HG1008

  x team "tv" has no upstream "hme"
   ,-[routes.d/tv/a.toml:4:6]
 4 | to = "hme"
   :      ^^^^^
   `----
  help: declare [upstream.hme] in one of the team's files

HG1002

  x invalid basic string, expected `"`
   ,-[routes.d/tv/b.toml:1:11]
 1 | team = "tv
   :           ^
   `----

HG1008

  x team "web" is not in headgate.toml
   ,-[routes.d/tv/c.toml:1:8]
 1 | team = "web"
   :        ^^^^^
   `----
  help: declare [team.web] there, with what it may route in `claims`

HG1017

  x a file of team "web" belongs in routes.d/web
   ,-[routes.d/tv/c.toml:1:8]
 1 | team = "web"
   :        ^^^^^
   `----
"#
    );
}

#[test]
fn a_tie_shows_both_places() {
    let tie = "team = \"web\"\n[upstream.u]\nendpoints = [\"a:1\"]\n";
    let one = format!("{tie}[route.one]\nmatch = \"GET /web/{{a}}\"\nto = \"u\"\n");
    let other = "team = \"web\"\n[route.other]\nmatch = \"GET /web/{b}\"\nto = \"u\"\n";
    let files = [
        ("headgate.toml", PLATFORM),
        ("routes.d/web/1.toml", one.as_str()),
        ("routes.d/web/2.toml", other),
    ];
    let faults = load(&files).unwrap_err();
    let tie = faults.iter().next().unwrap();
    assert_eq!(tie.code.as_str(), "HG1013");
    assert_eq!(tie.at.to_string(), "routes.d/web/2.toml:3:9");
    assert_eq!(tie.related[0].at.to_string(), "routes.d/web/1.toml:5:9");
}

#[test]
fn faults_of_a_route_name_place_and_code() {
    let cases = [
        (
            "match = \"GET /tv/a\"\ntimeout = \"5\"",
            "7:11: HG1006: expected a duration above zero such as \"250ms\", \"30s\", \"5m\" or \"24h\", found \"5\" (route.home.timeout)",
        ),
        (
            "match = \"GET /tv/a\"\ntimeout = \"5s\"",
            "7:11: HG1011: timeout 5s is above the team's ceiling (route.home.timeout)",
        ),
        (
            "match = \"GET /tv/a\"\npriority = \"critical\"",
            "7:12: HG1011: priority critical is above the team's ceiling (route.home.priority)",
        ),
        (
            "match = \"GET /tv/a\"\npriority = \"high\"",
            "7:12: HG1006: \"high\" is none of critical, standard, best_effort, bulk (route.home.priority)",
        ),
        (
            "match = \"GET /tv/a\"\nauth = \"acounts\"",
            "7:8: HG1008: no identity source \"acounts\" (route.home.auth)",
        ),
        (
            "match = \"GET /tv/a\"\nscopes = [\"x\"]",
            "7:10: HG1019: `scopes` needs an identity source in `auth` (route.home.scopes)",
        ),
        (
            "match = \"GET /tv/a\"\ntry_timeout = \"4s\"",
            "7:15: HG1019: try_timeout 4s is longer than the exchange's 3s (route.home.try_timeout)",
        ),
        (
            "match = \"GET /tv/a\"\nretry = { max = 99 }",
            "7:17: HG1007: 99 is outside 0 to 10 (route.home.retry.max)",
        ),
        (
            "match = \"GET /tv/a device=tb\"",
            "6:9: HG1008: no device class \"tb\" (route.home.match)",
        ),
        (
            "match = \"GET /web/a\"",
            "6:9: HG1010: team \"tv\" has not claimed what this route matches (route.home.match)",
        ),
        (
            "match = \"GET /_headgate/a\"",
            "6:14: HG1012: /_headgate/ belongs to the edge (route.home.match)",
        ),
        ("match = 7", "6:9: HG1004: expected a text, found a whole number (route.home.match)"),
        (
            "macth = \"GET /tv/a\"",
            "4:1: HG1005: missing key `match` (route.home)\n6:1: HG1003: unknown key `macth` (route.home.macth)",
        ),
        (
            "match = \"GET /tv/a\"\ncache = { ttl = \"1s\" }",
            "7:1: HG1003: unknown key `cache` (route.home.cache)",
        ),
        (
            "match = \"GET /tv/a\"\n[route.\"a b\"]\nmatch = \"GET /tv/b\"\nto = \"home\"",
            "7:8: HG1006: expected a name of at most 64 letters, digits, \"-\" and \"_\" that begins with a letter or digit, found \"a b\" (route.\"a b\")",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(route_fault(line), expected, "{line}");
    }
}

#[test]
fn faults_of_listeners_name_place_and_code() {
    let cases = [
        ("edge = 1", "1:8: HG1004: expected a table, found a whole number (edge)"),
        (
            "[edge]\nlisten = [\"localhost\"]",
            "2:11: HG1006: expected an address with its port such as \"127.0.0.1:8080\" or \"[::1]:8080\", found \"localhost\" (edge.listen[0])",
        ),
        ("[edge]\nlisten = []", "2:10: HG1019: the edge listens nowhere (edge.listen)"),
        (
            "[edge]\nlisten = [\"127.0.0.1:9900\"]",
            "2:11: HG1009: address 127.0.0.1:9900 is taken by `admin.listen` (edge.listen[0])",
        ),
        (
            "[edge]\ndrain = { accept_for = \"10s\" }",
            "2:24: HG1019: `accept_for` does not end before `deadline`: nothing would be drained (edge.drain.accept_for)",
        ),
        (
            "[edge]\nmax_headers = 99999999999999999999",
            "2:15: HG1007: 9223372036854775807 is outside 1 to 1000 (edge.max_headers)",
        ),
        (
            "[edge.tls]\nlisten = [\"127.0.0.1:0\"]\ncert = \"edge.pem\"\nkey = \"edge.key\"",
            "3:8: HG1015: file edge.pem can't be read: it does not exist (edge.tls.cert)\n4:7: HG1015: file edge.key can't be read: it does not exist (edge.tls.key)",
        ),
        (
            "[edge.tls]\nlisten = [\"127.0.0.1:0\"]",
            "1:1: HG1005: missing key `cert` (edge.tls)\n1:1: HG1005: missing key `key` (edge.tls)",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(platform_fault(text), expected, "{text}");
    }
}

#[test]
fn faults_of_sources_devices_and_teams_name_place_and_code() {
    let cases = [
        ("[identity.a]", "1:1: HG1005: identity source \"a\" verifies nothing (identity.a)"),
        (
            "[identity.a]\njwks_file = \"jwks.json\"",
            "2:13: HG1016: file jwks.json can't be read: it does not exist (identity.a.jwks_file)",
        ),
        (
            "[identity.a]\njwks = \"ftp://id\"",
            "2:8: HG1006: expected a URL such as \"https://id.example/jwks.json\", found \"ftp://id\" (identity.a.jwks)",
        ),
        (
            "[identity.a]\njwks = \"http://id/\"\napi_keys = []",
            "3:12: HG1019: `api_keys` and `jwks` can't both be set (identity.a.api_keys)",
        ),
        (
            "[identity.a]\napi_keys = []\nissuer = \"x\"",
            "3:10: HG1019: `issuer` has no effect with `api_keys` (identity.a.issuer)",
        ),
        (
            "[identity.none]\napi_keys = []",
            "1:11: HG1009: \"none\" means that a route asks for no identity (identity.none)",
        ),
        (
            "[passport]\nttl = \"2d\"",
            "1:1: HG1019: `rotate_every` is not longer than `ttl`: keys would go before their Passports (passport.rotate_every)",
        ),
        (
            "[[device]]\nname = \"tv\"\nwhen = [\"header x-app ~ '('\"]",
            "3:26: HG1014: unclosed group (device[0].when[0])",
        ),
        (
            "[[device]]\nname = \"tv\"\nwhen = []",
            "3:8: HG1007: 0 entries, at least 1 needed (device[0].when)",
        ),
        (
            "[team.tv]\nclaims = [{ prefix = \"/_headgate/x/\" }]",
            "2:22: HG1018: /_headgate/ belongs to the edge and can't be claimed (team.tv.claims[0].prefix)",
        ),
        (
            "[team.tv]\nclaims = [{ host = \"tv\" }]",
            "2:11: HG1005: missing key `prefix` (team.tv.claims[0])",
        ),
        ("[event]\nlog = \"embedded\"", "1:2: HG1003: unknown key `event` (event)"),
        (
            "a = 1 2\n[edge\nb = ",
            "1:5: HG1002: string values must be quoted, expected literal string\n2:6: HG1002: unclosed table, expected `]`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(platform_fault(text), expected, "{text}");
    }
}

#[test]
fn a_key_of_a_later_version_is_unknown_and_says_so() {
    let file = "team = \"tv\"\n[route.x]\nmatch = \"GET /tv/x\"\nto = \"a\"\ncache = {}\n";
    let faults = load(&[("headgate.toml", PLATFORM), ("routes.d/tv/r.toml", file)]).unwrap_err();
    let fault = faults.iter().find(|fault| fault.message.contains("cache")).unwrap();
    let help = fault.help.clone().unwrap();
    assert!(help.starts_with("`cache` is not in this version; keys here are auth"), "{help}");
}

#[test]
fn a_key_set_that_does_not_parse_is_told_at_its_key() {
    let platform = "[identity.a]\njwks_file = \"jwks.json\"\n";
    let found = faults(&[("headgate.toml", platform), ("jwks.json", "{\"keys\": [1]}")]);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("headgate.toml:2:13: HG1016: file can't be used: "), "{found:?}");
}

#[test]
fn a_certificate_that_is_no_pem_is_told_at_its_key() {
    let platform = "[edge]\ntls = { listen = [\"127.0.0.1:0\"], cert = \"c\", key = \"k\" }\n";
    let found = faults(&[("headgate.toml", platform), ("c", "no"), ("k", "no")]);
    assert_eq!(
        found,
        ["headgate.toml:2:42: HG1015: file c can't be used: no certificate in PEM (edge.tls.cert)"]
    );
}

/// A certificate for a name and its key, both PEM.
fn certificate(name: &str) -> (String, String) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

const TLS: &str = r#"
[edge.tls]
listen = ["127.0.0.1:0"]
cert = "a.pem"
key = "a.key"
certificates = [{ cert = "b.pem", key = "b.key" }]
"#;

#[test]
fn certificates_become_settings_in_their_order() {
    let (a, b) = (certificate("a.example"), certificate("b.example"));
    let files = [
        ("headgate.toml", TLS),
        ("a.pem", a.0.as_str()),
        ("a.key", &a.1),
        ("b.pem", &b.0),
        ("b.key", &b.1),
    ];
    let tls = load(&files).unwrap().settings.edge.tls.unwrap();
    let chains: Vec<_> = tls.certificates.iter().map(|one| one.cert_pem.as_slice()).collect();
    assert_eq!(chains, [a.0.as_bytes(), b.0.as_bytes()]);
}

#[test]
fn a_listener_with_tls_needs_no_other() {
    let (a, b) = (certificate("a.example"), certificate("b.example"));
    let files = [
        ("headgate.toml", TLS),
        ("a.pem", a.0.as_str()),
        ("a.key", &a.1),
        ("b.pem", &b.0),
        ("b.key", &b.1),
    ];
    assert!(load(&files).unwrap().settings.edge.listen.is_empty());
}

#[test]
fn a_key_of_another_certificate_is_told_at_its_key() {
    let (a, b) = (certificate("a.example"), certificate("b.example"));
    let files = [
        ("headgate.toml", TLS),
        ("a.pem", a.0.as_str()),
        ("a.key", &a.1),
        ("b.pem", &b.0),
        ("b.key", &a.1),
    ];
    let found = faults(&files);
    assert_eq!(found.len(), 1, "{found:?}");
    let expected = "headgate.toml:6:41: HG1015: file b.key can't be used: \
                    the key does not fit the certificate";
    assert!(found[0].starts_with(expected), "{found:?}");
    assert!(found[0].ends_with("(edge.tls.certificates[0].key)"), "{found:?}");
}

#[test]
fn faults_of_a_file_of_api_keys_point_into_it() {
    let digest = "ab".repeat(32);
    let keys = format!(
        "[[api_keys]]\nsha256 = \"secret\"\nsubject = \"a\"\n[[api_keys]]\nsha256 = \"{digest}\"\nsubject = \"b\"\n[[api_keys]]\nsha256 = \"{digest}\"\nsubject = \"c\"\n"
    );
    let platform = "[identity.a]\napi_keys_file = \"keys.toml\"\n";
    let found = faults(&[("headgate.toml", platform), ("keys.toml", &keys)]);
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with("keys.toml:2:10: HG1006: expected 64 hexadecimal digits"));
    assert_eq!(found[1], "keys.toml:8:10: HG1009: this key is listed twice (api_keys[2].sha256)");
}

#[test]
fn api_keys_become_settings() {
    let platform = format!(
        "[identity.a]\napi_keys = [{{ sha256 = \"{}\", subject = \"ops\", expires = 2027-01-31T00:00:00Z }}]\n",
        "0F".repeat(32)
    );
    let loaded = load(&[("headgate.toml", &platform)]).unwrap();
    let headgate_gateway::settings::IdentityKind::ApiKeys(keys) = &loaded.settings.identity[0].kind
    else {
        panic!("not API keys");
    };
    assert_eq!(keys.header, "x-api-key");
    assert_eq!(keys.keys[0].sha256, [0x0f; 32]);
    assert_eq!(keys.keys[0].expires_at, Some(1_801_353_600));
}

#[test]
fn names_are_taken_once_in_a_team() {
    let text = "team = \"tv\"\n[upstream.home]\nendpoints = [\"a:1\"]\n";
    let files = [
        ("headgate.toml", PLATFORM),
        ("routes.d/tv/home.toml", HOME),
        ("routes.d/tv/more.toml", text),
        ("routes.d/web/home.toml", &text.replace("tv", "web")),
    ];
    assert_eq!(
        faults(&files),
        [
            "routes.d/tv/more.toml:2:11: HG1009: team \"tv\" already has upstream \"home\" (upstream.home)"
        ]
    );
}

#[test]
fn a_broken_platform_file_raises_no_doubt_about_what_it_may_hold() {
    let files = [("headgate.toml", "[team.tv\n"), ("routes.d/tv/home.toml", HOME)];
    assert_eq!(faults(&files), ["headgate.toml:1:9: HG1002: unclosed table, expected `]`"]);
}

#[test]
fn files_outside_a_teams_folder_are_refused() {
    for path in ["routes.d/home.toml", "routes.d/web/home.toml", "routes.d/tv/old/home.toml"] {
        let found = faults(&[("headgate.toml", PLATFORM), (path, HOME)]);
        let expected =
            format!("{path}:2:8: HG1017: a file of team \"tv\" belongs in routes.d/tv (team)");
        assert_eq!(found, [expected]);
    }
}

#[test]
fn files_that_are_missing_or_no_text_are_told() {
    assert_eq!(faults(&[]), ["headgate.toml:1:1: HG1001: can't be read: it does not exist"]);
    let memory = Memory::default().with("headgate.toml", [0xff, 0xfe]);
    let found = load_from(&memory, Path::new("headgate.toml"), &BTreeMap::new()).unwrap_err();
    assert_eq!(found.to_string(), "headgate.toml:1:1: HG1001: can't be read: it is not UTF-8");
    assert_eq!(
        found.render(Style::Plain),
        "HG1001\n\n  x headgate.toml: can't be read: it is not UTF-8\n"
    );
}

#[test]
fn a_file_larger_than_the_limit_is_refused() {
    let text = "#".repeat(usize::try_from(crate::FILE_BYTES_MAX).unwrap() + 1);
    let found = faults(&[("headgate.toml", &text)]);
    assert_eq!(
        found,
        ["headgate.toml:1:1: HG1001: can't be read: it is larger than 1048576 bytes"]
    );
}

#[test]
fn a_file_of_garbage_is_refused_in_bounded_words() {
    let text = "x\n".repeat(100_000);
    let faults = load(&[("headgate.toml", &text)]).unwrap_err();
    assert_eq!((faults.iter().count(), faults.len()), (crate::FAULTS_MAX, 100_000));
    assert!(faults.render(Style::Plain).ends_with("\nand 99000 more\n"));
}

#[test]
fn a_name_of_any_length_is_refused() {
    let text = format!("{} = 1\n", "x".repeat(500_000));
    assert_eq!(load(&[("headgate.toml", &text)]).unwrap_err().len(), 1);
}

#[test]
fn an_edge_without_routes_is_warned_about() {
    let loaded = load(&[("headgate.toml", "")]).unwrap();
    assert_eq!(
        loaded.warnings.to_string(),
        "headgate.toml:1:1: HG1020: no routes below routes.d (routes.dir)"
    );
}

#[test]
fn the_environment_overrides_the_file() {
    let platform = "[edge]\nmax_body = \"1MiB\"\n";
    let loaded = load_with(
        &[("headgate.toml", platform)],
        &[
            ("HEADGATE_EDGE__MAX_BODY", "2MiB"),
            ("HEADGATE_EDGE__LISTEN", "127.0.0.1:0,[::1]:0"),
            ("HEADGATE_EDGE__THREADS", "3"),
            ("HEADGATE_LOG", "debug"),
        ],
    )
    .unwrap();
    let edge = &loaded.settings.edge;
    assert_eq!(edge.limits.body_bytes_max.as_bytes(), 2 << 20);
    assert_eq!(edge.listen.len(), 2);
    assert_eq!(edge.threads.get(), 3);
}

#[test]
fn faults_of_the_environment_name_the_variable() {
    let environment = [("HEADGATE_EDGE__MAX_BODY", "2MB"), ("HEADGATE_EDGE__MAX_BDY", "2MiB")];
    let faults = load_with(&[("headgate.toml", "")], &environment).unwrap_err();
    let found = faults.iter().map(|fault| (fault.at.file.as_str(), fault.code.as_str()));
    let found: Vec<_> = found.collect();
    assert_eq!(
        found,
        [("HEADGATE_EDGE__MAX_BDY", "HG1003"), ("HEADGATE_EDGE__MAX_BODY", "HG1006")]
    );
}

#[test]
fn the_digest_changes_with_the_meaning_only() {
    let base = load(&[("headgate.toml", PLATFORM), ("routes.d/tv/home.toml", HOME)]).unwrap();
    let spelt = HOME.replace("\"10%\"", "'10%'");
    let same = load(&[("headgate.toml", PLATFORM), ("routes.d/tv/other.toml", &spelt)]).unwrap();
    assert_eq!(base.digest, same.digest);
    let changed = HOME.replace("10%", "11%");
    let other = load(&[("headgate.toml", PLATFORM), ("routes.d/tv/home.toml", &changed)]).unwrap();
    assert_ne!(base.digest, other.digest);
}

fn two_routes() -> [String; 2] {
    let route = |name: &str, path: &str| {
        format!("[route.{name}]\nmatch = \"GET /tv/{path}\"\nto = \"home\"\n")
    };
    [route("a", "a"), route("b", "{x}")]
}

proptest! {
    #[test]
    fn the_names_of_files_never_matter(names in proptest::sample::subsequence(
        vec!["a", "b", "c", "d", "e", "f"], 3)) {
        let upstream = "[upstream.home]\nendpoints = [\"a:1\"]\n".to_owned();
        let [a, b] = two_routes();
        let parts = [upstream, a, b].map(|part| format!("team = \"tv\"\n{part}"));
        let load_as = |order: [usize; 3]| {
            let mut memory = Memory::default().with("headgate.toml", PLATFORM);
            for (name, index) in names.iter().zip(order) {
                memory = memory.with(format!("routes.d/tv/{name}.toml"), parts[index].clone());
            }
            load_from(&memory, Path::new("headgate.toml"), &BTreeMap::new()).unwrap()
        };
        let (one, other) = (load_as([0, 1, 2]), load_as([2, 1, 0]));
        prop_assert_eq!(one.digest, other.digest);
        prop_assert_eq!(
            format!("{:?}", one.settings.routes),
            format!("{:?}", other.settings.routes)
        );
    }

    #[test]
    fn any_bytes_load_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let memory = Memory::default()
            .with("headgate.toml", bytes.clone())
            .with("routes.d/tv/home.toml", bytes);
        if let Err(faults) = load_from(&memory, Path::new("headgate.toml"), &BTreeMap::new()) {
            prop_assert!(!faults.render(Style::Plain).is_empty());
        }
    }

    #[test]
    fn mutated_files_load_or_are_refused(
        at in any::<proptest::sample::Index>(),
        cut in 0_usize..12,
        inserted in "\\PC{0,4}|[\\[\\]{}=\"'.,\n#\\\\]{0,4}",
        in_platform in any::<bool>(),
    ) {
        let mutate = |text: &str| {
            let chars: Vec<char> = text.chars().collect();
            let at = at.index(chars.len());
            let rest = chars.iter().skip(at + cut);
            chars[..at].iter().chain(&inserted.chars().collect::<Vec<_>>()).chain(rest).collect()
        };
        let (platform, home): (String, String) = if in_platform {
            (mutate(PLATFORM), HOME.to_owned())
        } else {
            (PLATFORM.to_owned(), mutate(HOME))
        };
        let files = [("headgate.toml", platform.as_str()), ("routes.d/tv/home.toml", home.as_str())];
        if let Err(faults) = load(&files) {
            prop_assert!(!faults.render(Style::Plain).is_empty());
            prop_assert!(faults.iter().all(|fault| fault.at.line >= 1));
        }
    }
}
