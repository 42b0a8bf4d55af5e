//! What a BFF learns of the caller, and can verify.

use headgate_tests::{
    Bff, Edge, Seen, Site, get,
    identity::{ACCOUNTS, Key, claims_with, jwks, now, verify_passport, verify_passport_of},
    route, upstream,
};
use serde_json::{Value, json};

async fn edge(bff: &Bff, key: &Key, platform: &str) -> Edge {
    Site::with_route(bff, "", "auth = \"accounts\"")
        .file("jwks.json", jwks(&[key]))
        .platform(ACCOUNTS)
        .platform("[[device]]\nname = \"web\"\nwhen = [\"*\"]")
        .platform(platform)
        .start()
        .await
}

async fn key_set(edge: &Edge) -> Value {
    let reply = edge.ask("/.well-known/jwks.json").await;
    assert_eq!(reply.status, 200);
    reply.json()
}

fn passport(seen: &Seen) -> &str {
    seen.header("headgate-passport").expect("a Passport")
}

#[tokio::test]
async fn bff_verifies_the_passport_by_the_admin_key_set() {
    let (bff, key) = (Bff::ok().await, Key::p256("1"));
    let edge = edge(&bff, &key, "").await;
    let token = key.sign(&claims_with("scope", json!("a b")));

    let reply = edge.send(get("/tv/x").bearer(&token)).await;

    assert_eq!(reply.status, 200);
    let claims = verify_passport(passport(&bff.first().await), &key_set(&edge).await, "tv/home");
    assert_eq!(claims["sub"], "user-1");
    assert_eq!(claims["device_id"], "user-1");
    assert_eq!(claims["device"], "web");
    assert_eq!(claims["source"], "accounts");
    assert_eq!(claims["scopes"], json!(["a", "b"]));
    assert_eq!(claims["route"], "tv/all");
    assert_eq!(claims["trace"], reply.trace_id());
    assert!(claims["strength"].is_string());
    let (issued, ends) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
    assert!(issued <= now() && ends > now() && ends - issued <= 60, "{claims}");
}

#[tokio::test]
async fn passport_never_outlasts_the_token() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = edge(&bff, &key, "").await;
    let end = now() + 20;

    edge.send(get("/tv/x").bearer(&key.sign(&claims_with("exp", json!(end))))).await;

    let claims = verify_passport(passport(&bff.first().await), &key_set(&edge).await, "tv/home");
    assert!(claims["exp"].as_u64().unwrap() <= end, "{claims}");
}

#[tokio::test]
async fn passport_is_signed_once_while_it_is_fresh() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = edge(&bff, &key, "").await;
    let token = key.token();

    for _ in 0..3 {
        edge.send(get("/tv/x").bearer(&token)).await;
    }

    let seen = bff.saw(3).await;
    assert_eq!(passport(&seen[0]), passport(&seen[1]));
    assert_eq!(passport(&seen[0]), passport(&seen[2]));
    assert!(edge.metrics().await.sum("headgate_gateway_signed_passports_total", &[]) >= 1);
    assert!(edge.metrics().await.sum("headgate_gateway_signed_passports_total", &[]) < 3);
}

#[tokio::test]
async fn each_upstream_has_a_passport_of_its_own() {
    let (one, two, key) = (Bff::ok().await, Bff::ok().await, Key::ed25519("1"));
    let edge = Site::new()
        .team(
            "tv",
            &[
                upstream("one", &[&one.endpoint()], ""),
                upstream("two", &[&two.endpoint()], ""),
                route("one", "GET /one", "one", "auth = \"accounts\""),
                route("two", "GET /two", "two", "auth = \"accounts\""),
            ],
        )
        .file("jwks.json", jwks(&[&key]))
        .platform(ACCOUNTS)
        .start()
        .await;
    let token = key.token();

    edge.send(get("/one").bearer(&token)).await;
    edge.send(get("/two").bearer(&token)).await;

    let keys = key_set(&edge).await;
    verify_passport(passport(&one.first().await), &keys, "tv/one");
    verify_passport(passport(&two.first().await), &keys, "tv/two");
}

#[tokio::test]
async fn other_claim_names_the_device() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = Site::with_route(&bff, "", "auth = \"accounts\"")
        .file("jwks.json", jwks(&[&key]))
        .platform(&format!("{ACCOUNTS}device_id = \"did\""))
        .start()
        .await;

    edge.send(get("/tv/x").bearer(&key.sign(&claims_with("did", json!("tv-9"))))).await;

    let claims = verify_passport(passport(&bff.first().await), &key_set(&edge).await, "tv/home");
    assert_eq!((&claims["sub"], &claims["device_id"]), (&json!("user-1"), &json!("tv-9")));
}

#[tokio::test]
async fn issuer_and_length_are_configured() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = edge(&bff, &key, "[passport]\nissuer = \"edge-7\"\nttl = \"20s\"").await;

    edge.send(get("/tv/x").bearer(&key.token())).await;

    let seen = bff.first().await;
    let keys = key_set(&edge).await;
    let claims = verify_passport_of("edge-7", passport(&seen), &keys, "tv/home");
    let (issued, ends) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
    assert_eq!(ends - issued, 20);
}

#[tokio::test]
async fn clients_cannot_speak_for_the_edge() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;
    let mut spoofed = get("/tv/x");
    for name in
        ["headgate-passport", "Headgate-Device", "headgate-geo", "headgate-attempt", "headgate-x"]
    {
        spoofed = spoofed.header(name, "spoofed");
    }

    let reply = edge.send(spoofed).await;
    assert_eq!(reply.status, 200);

    let seen = bff.first().await;
    assert!(!seen.head.contains("spoofed"), "{}", seen.head);
    assert_eq!(seen.header("headgate-passport"), None);
    assert_eq!(seen.header("headgate-geo"), None);
}

#[tokio::test]
async fn bffs_cannot_speak_for_the_edge() {
    let bff = Bff::raw(|mut connection| async move {
        while connection.request().await.is_some() {
            let headers = [("headgate-trace-id", "spoofed"), ("headgate-x", "spoofed")];
            connection.answer(200, &headers, "ok").await;
        }
    })
    .await;
    let edge = Site::to(&bff).start().await;

    let reply = edge.send(get("/tv/x")).await;

    reply.trace_id();
    assert_eq!(reply.headers.get_all("headgate-trace-id").iter().count(), 1);
    assert_eq!(reply.header("headgate-x"), "");
}

#[tokio::test]
async fn underscores_do_not_smuggle_a_passport() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\nHEADGATE_PASSPORT: spoofed\r\n\r\n").await;
    raw.answer().await;

    // Some frameworks read `_` in a header's name as `-`.
    assert!(!bff.first().await.head.contains("spoofed"), "{}", bff.first().await.head);
}
