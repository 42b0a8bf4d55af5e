use serde_json::json;

use super::*;

fn asked(at: &str) -> Option<String> {
    let now = "2026-11-21T14:30:00Z".parse().unwrap();
    query(at, now).map(|query| query.replace("%3A", ":"))
}

#[test]
fn version_and_time_are_told_apart() {
    for (at, expected) in [
        ("7", "version=7"),
        ("14:03", "time=2026-11-21T14:03:00.000Z"),
        ("14:03:20", "time=2026-11-21T14:03:20.000Z"),
        ("23:59", "time=2026-11-20T23:59:00.000Z"),
        ("15m", "time=2026-11-21T14:15:00.000Z"),
        ("2026-11-19T08:00:00Z", "time=2026-11-19T08:00:00.000Z"),
    ] {
        assert_eq!(asked(at).as_deref(), Some(expected), "{at}");
    }
    for at in ["25:00", "noon", "", "-1", "14:03:20:1"] {
        assert_eq!(asked(at), None, "{at}");
    }
}

#[test]
fn values_are_listed_by_key() {
    let found = ConfigAt {
        since: "S".to_owned(),
        version: 3,
        digest: "c0ffee".to_owned(),
        effective: json!({
            "files": {},
            "platform": { "edge": { "timeout": "2s", "listen": [] } },
            "teams": { "tv": { "route": { "home": { "timeout": "1s" } } } },
        }),
        ..ConfigAt::default()
    };
    let whole = text(&found, "");
    assert!(whole.starts_with("version 3, in force from S until now\n"), "{whole}");
    assert!(whole.contains("team.tv.route.home.timeout  \"1s\""), "{whole}");
    assert!(whole.ends_with("digest c0ffee\n"), "{whole}");
    let one = text(&found, "edge.timeout");
    assert_eq!(one.lines().nth(1), Some("edge.timeout  \"2s\""));
    assert_eq!(one.lines().count(), 3, "{one}");
}
