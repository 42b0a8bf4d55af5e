use headgate_gateway::settings::{Question, Upstream};

use super::*;

const FILE: &str = r#"[
    { "address": "10.0.1.1:7001", "zone": "north", "weight": 2 },
    { "address": "10.0.2.1:7001" }
]"#;

/// An upstream of these lines, beside a file of endpoints.
fn site(lines: &str, file: &str) -> Result<Upstream, Faults> {
    let team = format!(
        "team = \"tv\"\n[upstream.home]\n{lines}\n[route.home]\nmatch = \"GET /tv/{{x}}\"\nto = \"home\"\n"
    );
    let platform = format!("{PLATFORM}[edge]\nzone = \"north\"\n");
    let files = [
        ("headgate.toml", platform.as_str()),
        ("routes.d/tv/home.toml", &team),
        ("routes.d/tv/endpoints.json", file),
    ];
    load(&files).map(|mut loaded| loaded.settings.upstreams.remove(0))
}

fn fault(lines: &str, file: &str) -> String {
    let told = |fault: &crate::Fault| format!("{} {}: {}", fault.code, fault.key, fault.message);
    let faults = site(lines, file).map_or_else(|faults| faults, |_| Faults::default());
    faults.iter().map(told).collect::<Vec<_>>().join("\n").replace("upstream.home", "*")
}

#[test]
fn endpoints_come_from_a_list_a_file_or_dns() {
    let listed = site("endpoints = [\"a:1\"]", FILE).unwrap();
    assert_eq!((listed.endpoints[0].weight.get(), &listed.endpoints[0].zone), (1, &None));
    assert_eq!(listed.zone.as_deref(), Some("north"));

    let in_file = site("endpoints_file = \"endpoints.json\"", FILE).unwrap();
    let told = in_file.endpoints.iter();
    let told: Vec<_> =
        told.map(|one| (one.to_string(), one.weight.get(), one.zone.as_deref())).collect();
    assert_eq!(
        told,
        [("10.0.1.1:7001".into(), 2, Some("north")), ("10.0.2.1:7001".into(), 1, None)]
    );

    let by_name = site("dns = { name = \"Home.internal.\", port = 7001 }", FILE).unwrap();
    let question = Question::Addresses { name: "home.internal".into(), port: 7001 };
    assert_eq!((by_name.endpoints.len(), by_name.dns.unwrap().question), (0, question));
    let service = site("dns = { srv = \"_http._tcp.home.internal\" }", FILE).unwrap();
    let question = Question::Service { name: "_http._tcp.home.internal".into() };
    assert_eq!(service.dns.unwrap().question, question);
}

#[test]
fn what_names_no_endpoints_is_told() {
    for (lines, expected) in [
        ("", "HG1005 *: missing key `endpoints`"),
        (
            "endpoints = [\"a:1\"]\ndns = { name = \"a.example\", port = 7 }",
            "HG1019 *.dns: `dns` beside `endpoints`",
        ),
        (
            "dns = { name = \"a.example\" }",
            "HG1019 *.dns: neither a name with its port nor a service",
        ),
        (
            "dns = { srv = \"_http._tcp.a.example\" }\ntls = true",
            "HG1019 *.dns.srv: no name that certificates of a service must be for",
        ),
        (
            "dns = { name = \"a.example\", port = 7, refresh_min = \"2m\" }",
            "HG1019 *.dns.refresh_min: `refresh_min` is above `refresh_max`",
        ),
        (
            "endpoints_file = \"../endpoints.json\"",
            "HG1061 *.endpoints_file: file ../endpoints.json lies outside the folder routes.d/tv",
        ),
    ] {
        assert_eq!(fault(lines, FILE), expected, "{lines}");
    }
    let of_address = fault("dns = { name = \"10.0.0.1\", port = 7 }", FILE);
    assert!(of_address.starts_with("HG1006 *.dns.name: expected a name"), "{of_address}");
    assert_eq!(of_address.lines().count(), 1, "{of_address}");
}

#[test]
fn file_that_lists_no_endpoints_is_told() {
    let lines = "endpoints_file = \"endpoints.json\"";
    let one = r#"{ "address": "a:1" }"#;
    let many: Vec<_> = (0..257).map(|at| format!(r#"{{ "address": "a{at}:1" }}"#)).collect();
    for (file, expected) in [
        ("[]".to_owned(), "it lists no endpoint"),
        (format!("[{one}, {one}]"), "a:1 is listed twice"),
        (format!("[{}]", many.join(",")), "257 endpoints, at most 256 allowed"),
        (format!("[{one}"), "EOF while parsing a list"),
        (r#"[{ "adress": "a:1" }]"#.to_owned(), "unknown field `adress`"),
        (r#"[{ "address": "a:1", "weight": 0 }]"#.to_owned(), "expected a nonzero u16"),
        (r#"[{ "address": "nowhere" }]"#.to_owned(), "expected \"host:port\""),
    ] {
        let told = fault(lines, &file);
        assert!(told.starts_with("HG1061 *.endpoints_file: file "), "{told}");
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn key_that_no_request_can_have_is_told() {
    let of = |lines: &str| route_fault(&format!("match = \"GET /tv/{{x}}\"\n{lines}"));
    assert_eq!(of("hash_by = \"path.x\""), "");
    assert!(of("hash_by = \"path.y\"").contains("HG1008: no segment of the match"));
    assert!(of("hash_by = \"user\"").contains("HG1019: a route without `auth` knows no user"));
    assert_eq!(of("hash_by = \"user\"\nauth = \"accounts\""), "");
    assert!(of("hash_by = \"cookie.y\"").contains("HG1041: no place of a key"));
}
