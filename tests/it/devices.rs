//! The kind of device is told from the request, and the reason is kept.

use headgate_tests::{
    Bff, Site, get,
    identity::{ACCOUNTS, Key, claims_with, jwks},
    route, upstream,
};
use serde_json::json;

const DEVICES: &str = r#"
[[device]]
name = "tv"
when = ["header x-app ~ '^tv/'", "ua ~ 'Tizen'"]
[[device]]
name = "ios"
when = ["hint platform == 'iOS'"]
[[device]]
name = "web"
when = ["*"]
"#;

#[tokio::test]
async fn three_devices_reach_their_bffs_on_one_path() {
    let bffs = [Bff::saying("tv").await, Bff::saying("ios").await, Bff::saying("web").await];
    let mut site = Site::new().platform(DEVICES);
    for (bff, device) in bffs.iter().zip(["tv", "ios", "web"]) {
        let claims = format!("claims = [{{ prefix = \"/\", devices = [{device:?}] }}]");
        site = site.platform(&format!("[team.{device}]\n{claims}")).team(
            device,
            &[
                upstream("home", &[&bff.endpoint()], ""),
                route("home", &format!("GET /home device={device}"), "home", ""),
            ],
        );
    }
    let edge = site.start().await;

    for (name, value, expected) in [
        ("x-app", "tv/7.3", "tv"),
        ("user-agent", "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0)", "tv"),
        ("sec-ch-ua-platform", "\"iOS\"", "ios"),
        ("x-app", "other/1", "web"),
    ] {
        let reply = edge.send(get("/home").header(name, value)).await;
        assert_eq!(reply.text(), expected, "{name}: {value}");
    }
    let seen = bffs[0].saw(2).await;
    assert_eq!(seen[0].header("headgate-device"), Some("tv"));
}

#[tokio::test]
async fn reason_for_the_device_is_in_the_access_line() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).platform(DEVICES).start().await;

    let reply = edge.send(get("/tv/x").header("x-app", "tv/7.3")).await;

    let line = edge.access_line(reply.trace_id()).await;
    assert_eq!(line["device"], "tv");
    assert!(line["device_reason"].as_str().unwrap().contains("x-app"), "{line}");
}

#[tokio::test]
async fn claim_of_a_verified_token_tells_the_device() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = Site::with_route(&bff, "", "auth = \"accounts\"")
        .file("jwks.json", jwks(&[&key]))
        .platform(ACCOUNTS)
        .platform("[[device]]\nname = \"ps\"\nwhen = [\"claim device_type == 'playstation'\"]")
        .platform("[[device]]\nname = \"web\"\nwhen = [\"*\"]")
        .start()
        .await;

    let console = key.sign(&claims_with("device_type", json!("playstation")));
    assert_eq!(edge.send(get("/tv/x").bearer(&console)).await.status, 200);
    let other = key.sign(&claims_with("device_type", json!("fridge")));
    assert_eq!(edge.send(get("/tv/x").bearer(&other)).await.status, 200);

    let seen = bff.saw(2).await;
    assert_eq!(seen[0].header("headgate-device"), Some("ps"));
    assert_eq!(seen[1].header("headgate-device"), Some("web"));
}
