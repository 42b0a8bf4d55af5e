//! `headgate token`: for whoever develops against an edge.

use headgate_tests::{Bff, Site, edge, get, identity::verify_passport};
use serde_json::{Value, json};

const PLATFORM: &str =
    "[identity.accounts]\njwks_file = \"dev-keys/jwks.json\"\naudience = \"edge\"\n";

/// Mints a token into a file: no process of these tests may print one.
async fn mint(site: &Site, arguments: &[&str]) -> (edge::Ended, String) {
    let all = ["token", "mint", "--dev", "--sub", "ada", "--out", "token"];
    let ended = edge::run(&[&all, arguments].concat(), site.write()).await;
    let token = std::fs::read_to_string(site.write().path().join("token")).unwrap_or_default();
    (ended, token.trim().to_owned())
}

#[tokio::test]
async fn minted_token_is_one_that_the_edge_takes() {
    let bff = Bff::ok().await;
    let site = Site::with_route(&bff, "", "auth = \"accounts\"\nscopes = [\"read\"]");
    let site = site.platform(PLATFORM);
    let arguments = ["--aud", "edge", "--scope", "read write", "--claim", "tier=gold"];
    let (minted, token) = mint(&site, &arguments).await;
    assert_eq!(minted.status.code(), Some(0), "{minted:?}");

    let decoded = edge::run(&["--json", "token", "decode", &token], site.write()).await;
    let decoded: Value = serde_json::from_str(&decoded.stdout).unwrap();
    assert_eq!((&decoded["verified"], &decoded["claims"]["tier"]), (&json!(false), &json!("gold")));

    let verify = ["--json", "token", "verify", &token];
    let verified = edge::run(&verify, site.write()).await;
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
    let said: Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!((&said[0]["source"], &said[0]["subject"]), (&json!("accounts"), &json!("ada")));
    assert_eq!(said[0]["scopes"], json!(["read", "write"]));

    let edge = site.start().await;
    assert_eq!(edge.send(get("/tv/x").bearer(&token)).await.status, 200);
    let passport = bff.first().await.header("headgate-passport").unwrap().to_owned();
    let keys = edge.ask("/.well-known/jwks.json").await.json();
    assert_eq!(verify_passport(&passport, &keys, "tv/home")["sub"], "ada");
}

#[tokio::test]
async fn token_that_nobody_vouches_for_says_why() {
    let bff = Bff::ok().await;
    let site = Site::with_route(&bff, "", "auth = \"accounts\"").platform(PLATFORM);
    let (_, token) = mint(&site, &["--aud", "other"]).await;

    let verified = edge::run(&["token", "verify", &token], site.write()).await;
    assert_eq!(verified.status.code(), Some(1), "{verified:?}");
    assert!(verified.stdout.contains("audience"), "{verified:?}");
    let unknown = edge::run(&["token", "verify", &token, "--source", "x"], site.write()).await;
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
    let none = edge::run(&["token", "decode", "hunter2"], site.write()).await;
    assert_eq!(none.status.code(), Some(2), "{none:?}");
}

#[tokio::test]
async fn key_of_minted_tokens_is_its_owners_alone_and_stays() {
    use std::os::unix::fs::PermissionsExt as _;

    let bff = Bff::ok().await;
    let site = Site::to(&bff);
    mint(&site, &[]).await;
    let folder = site.write().path().join("dev-keys");
    let key = std::fs::read(folder.join("private.pkcs8")).unwrap();
    let mode = std::fs::metadata(folder.join("private.pkcs8")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let (again, _) = mint(&site, &["--for", "2h"]).await;
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert_eq!(std::fs::read(folder.join("private.pkcs8")).unwrap(), key);
    let (too_long, _) = mint(&site, &["--for", "25h"]).await;
    assert_eq!(too_long.status.code(), Some(2), "{too_long:?}");
}
