//! What the audit finds, and how it ends.

use headgate_tests::{Bff, Ended, Site, edge, get, route, upstream};
use serde_json::Value;

async fn audit(arguments: &[&str], site: &Site) -> Ended {
    let arguments = [&["audit", "--config", "headgate.toml"][..], arguments].concat();
    edge::run(&arguments, site.write()).await
}

/// The rules that found something.
fn rules(ended: &Ended) -> Vec<String> {
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    let findings = json["findings"].as_array().unwrap();
    findings.iter().map(|one| one["rule"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn route_past_its_end_is_served_and_reported() {
    let bff = Bff::ok().await;
    let site = |ends: &str| Site::with_route(&bff, "", &format!("ends = {ends}"));

    let over = site("\"2020-01-01\"");
    assert!(rules(&audit(&["--json"], &over).await).contains(&"HGA003".to_owned()));
    let edge = over.start().await;
    assert_eq!(edge.send(get("/x")).await.status, 200);
    let later = site("\"2999-01-01\"");
    assert!(!rules(&audit(&["--json"], &later).await).contains(&"HGA003".to_owned()));
}

#[tokio::test]
async fn threshold_decides_and_what_is_ignored_does_not_count() {
    let bff = Bff::ok().await;
    let site = Site::to(&bff).platform("[edge.overload]\nmode = \"enforce\"");

    let ended = audit(&[], &site).await;
    assert_eq!(ended.code(), 1, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("HGA001 public-route"), "{}", ended.stdout);
    for arguments in [
        &["--fail-on", "critical"][..],
        &["--ignore", "public-route"],
        &["--ignore", "HGA001:tv/all"],
    ] {
        let ended = audit(arguments, &site).await;
        assert_eq!(ended.code(), 0, "{arguments:?}: {}{}", ended.stdout, ended.stderr);
    }
    assert_eq!(audit(&["--ignore", "HGA999"], &site).await.code(), 2);
    assert_eq!(audit(&["--fail-on", "never"], &site).await.code(), 2);
}

#[tokio::test]
async fn running_edge_tells_which_claims_are_used() {
    let bff = Bff::ok().await;
    let claims = "[team.tv]\nclaims = [{ prefix = \"/a/\" }, { prefix = \"/b/\" }]";
    let site = Site::new().platform(claims).team(
        "tv",
        &[
            upstream("home", &[&bff.endpoint()], ""),
            route("a", "GET /a/{x}", "home", ""),
            route("b", "GET /b/{x}", "home", ""),
        ],
    );
    let edge = site.start().await;
    let unused = async || {
        let admin = format!("http://{}", edge.admin());
        let arguments = ["audit", "--config", "headgate.toml", "--json", "--admin", &admin];
        let ended = edge::run(&arguments, edge.folder()).await;
        rules(&ended).into_iter().filter(|rule| rule == "HGA005").count()
    };

    assert_eq!(unused().await, 2);
    edge.send(get("/a/1")).await;
    assert_eq!(unused().await, 1);
    edge.send(get("/b/1")).await;
    assert_eq!(unused().await, 0);

    let gone = headgate_tests::bff::refusing();
    let arguments = ["audit", "--config", "headgate.toml", "--admin", &format!("http://{gone}")];
    assert_eq!(edge::run(&arguments, edge.folder()).await.code(), 3);
}
