use headgate_admin::FaultStatus;

use super::*;

fn config() -> ConfigStatus {
    let fault = FaultStatus {
        code: Some("HG1003".to_owned()),
        at: "routes.d/tv/home.toml:3:1".to_owned(),
        key: "route.home.to".to_owned(),
        message: "no such upstream".to_owned(),
    };
    ConfigStatus {
        digest: "c0ffee".to_owned(),
        since: "2026-11-18T11:06:40.000Z".to_owned(),
        version: 7,
        loaded_at: "2026-11-18T11:07:40.000Z".to_owned(),
        loaded: "degraded".to_owned(),
        parts: vec![
            PartStatus {
                name: "tv".to_owned(),
                state: "last_good".to_owned(),
                faults: vec![fault],
            },
            PartStatus { name: "web".to_owned(), state: "current".to_owned(), faults: Vec::new() },
        ],
        waits_for_hand_over: vec!["edge.listen".to_owned()],
        waits_for_restart: vec!["data.dir".to_owned()],
        watching: "events".to_owned(),
        is_kept: true,
        overlays: vec![OverlayStatus {
            id: 7,
            key: "edge.timeout".to_owned(),
            value: "2s".into(),
            actor: "ada".to_owned(),
            reason: "slow BFF".to_owned(),
            since: "2026-11-18T11:06:40.000Z".to_owned(),
            expires: "2026-11-18T12:06:40.000Z".to_owned(),
            is_in_force: true,
            faults: Vec::new(),
        }],
    }
}

fn status() -> Status {
    let config = config();
    Status {
        version: "0.1.0".to_owned(),
        started_at: config.since.clone(),
        uptime_seconds: 60,
        readiness: "ready".to_owned(),
        config_digest: config.digest.clone(),
        config,
        listeners: Vec::new(),
        teams: vec!["tv".to_owned()],
        routes_count: 1,
        upstreams: Vec::new(),
        identity: Vec::new(),
        in_flight: 0,
        connections: 0,
        access_lines_dropped: 0,
    }
}

#[test]
fn overlays_come_first_and_then_what_is_wrong() {
    let text = text(&status());
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("overlay 7"), "{text}");
    assert!(lines[0].ends_with("\"2s\" until 2026-11-18T12:06:40.000Z by ada: slow BFF"), "{text}");
    assert!(lines[1].starts_with("part tv") && lines[1].ends_with("last_good"), "{text}");
    assert!(lines[2].ends_with("HG1003: no such upstream (route.home.to)"), "{text}");
    assert!(!text.contains("part web"), "{text}");
    assert!(text.contains("waits for an upgrade  edge.listen\n"), "{text}");
    assert!(text.contains("waits for a restart   data.dir\n"), "{text}");
}
