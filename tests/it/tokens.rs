//! Bearer tokens: good ones pass, bad ones learn nothing.

use headgate_tests::{
    Bff, Edge, Site, eventually, get,
    identity::{ACCOUNTS, Key, claims, claims_with, forge, jwks, now},
};
use serde_json::{Value, json};

async fn edge(bff: &Bff, keys: &[&Key], route: &str) -> Edge {
    Site::with_route(bff, "", &format!("auth = \"accounts\"\n{route}"))
        .file("jwks.json", jwks(keys))
        .platform(ACCOUNTS)
        .start()
        .await
}

#[tokio::test]
async fn tokens_of_all_three_algorithms_pass() {
    let bff = Bff::ok().await;
    let keys = [Key::ed25519("ed"), Key::p256("ec"), Key::rsa("rsa")];
    let edge = edge(&bff, &keys.each_ref(), "").await;

    for key in &keys {
        let reply = edge.send(get("/tv/x").bearer(&key.token())).await;
        assert_eq!(reply.status, 200, "{key:?}: {}", reply.text());
        // The second time from memory.
        assert_eq!(edge.send(get("/tv/x").bearer(&key.token())).await.status, 200);
    }
}

#[tokio::test]
async fn audience_may_be_one_of_several() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = edge(&bff, &[&key], "").await;

    let token = key.sign(&claims_with("aud", json!(["other", "edge"])));

    assert_eq!(edge.send(get("/tv/x").bearer(&token)).await.status, 200);
}

#[tokio::test]
async fn no_token_is_asked_for_one() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = edge(&bff, &[&key], "").await;

    for call in [get("/tv/x"), get("/tv/x").header("authorization", "Basic dTpw")] {
        let reply = edge.send(call).await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.outcome(), "denied_auth");
        assert_eq!(reply.problem()["code"], "HG0002");
        assert_eq!(reply.header("www-authenticate"), "Bearer");
    }
    assert!(bff.requests().is_empty());
}

fn bad_tokens(key: &Key) -> Vec<(&'static str, String)> {
    let good = key.token();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let stranger = Key::ed25519(&key.kid);
    let other_algorithm = Key::p256(&key.kid);
    let header = |algorithm: &str| json!({ "alg": algorithm, "typ": "JWT", "kid": key.kid });
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    vec![
        ("expired", key.sign(&claims_with("exp", json!(now() - 3600)))),
        ("not yet valid", key.sign(&claims_with("nbf", json!(now() + 3600)))),
        ("foreign issuer", key.sign(&claims_with("iss", json!("https://other.example")))),
        ("foreign audience", key.sign(&claims_with("aud", json!("other")))),
        ("no issuer", key.sign(&claims_with("iss", Value::Null))),
        ("no audience", key.sign(&claims_with("aud", Value::Null))),
        ("no subject", key.sign(&claims_with("sub", Value::Null))),
        ("no end", key.sign(&claims_with("exp", Value::Null))),
        ("end is text", key.sign(&claims_with("exp", json!("tomorrow")))),
        ("unknown key", Key::ed25519("other").token()),
        ("wrong key", stranger.token()),
        ("other algorithm than the key's", other_algorithm.token()),
        ("no algorithm", forge(&header("none"), &claims(), b"")),
        ("unknown algorithm", forge(&header("XYZ"), &claims(), b"signature")),
        ("symmetric algorithm", forge(&header("HS256"), &claims(), &[7; 32])),
        ("no signature", format!("{head}.")),
        ("two parts", head.to_owned()),
        ("changed signature", format!("{head}.{flipped}{}", signature.split_at(1).1)),
        ("changed claims", {
            let raised = forge(&header("EdDSA"), &claims_with("sub", json!("admin")), b"");
            format!("{raised}{signature}")
        }),
        ("no Base64", "a!.b!.c!".to_owned()),
        ("word", "hunter2".to_owned()),
        ("dots", "...".to_owned()),
        ("too long", "a".repeat(9_000)),
    ]
}

#[tokio::test]
async fn every_bad_token_gets_the_same_401() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = edge(&bff, &[&key], "").await;

    let mut client = edge.h1().await;
    for (what, token) in bad_tokens(&key) {
        let reply = client.send(get("/tv/x").bearer(&token)).await;
        assert_eq!(reply.status, 401, "{what}: {}", reply.text());
        assert_eq!(reply.header("www-authenticate"), "Bearer", "{what}");
        let mut problem = reply.problem();
        problem["trace_id"].take();
        let same = json!({
            "type": problem["type"],
            "title": "The credential is not valid",
            "status": 401,
            "code": "HG0003",
            "outcome": "denied_auth",
            "trace_id": null,
            "retryable": false,
        });
        assert_eq!(problem, same, "{what}: nothing more is told");
    }
    assert!(bff.requests().is_empty());
}

#[tokio::test]
async fn two_tokens_are_none() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = edge(&bff, &[&key], "").await;

    let call = get("/tv/x").bearer(&key.token()).bearer(&key.token());

    assert_eq!(edge.send(call).await.status, 401);
}

#[tokio::test]
async fn token_without_key_id_is_checked_against_all_keys() {
    let (bff, ed, ec) = (Bff::ok().await, Key::ed25519("ed"), Key::p256("ec"));
    let edge = edge(&bff, &[&ec, &ed], "").await;

    let good = ed.sign_without_kid(&claims());
    assert_eq!(edge.send(get("/tv/x").bearer(&good)).await.status, 200);
    let bad = Key::ed25519("ed").sign_without_kid(&claims());
    assert_eq!(edge.send(get("/tv/x").bearer(&bad)).await.status, 401);
}

#[tokio::test]
async fn missing_scope_is_403() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = edge(&bff, &[&key], "scopes = [\"profile:read\", \"profile:write\"]").await;

    let reply = edge.send(get("/tv/x").bearer(&key.token())).await;
    assert_eq!(reply.status, 403);
    assert_eq!(reply.outcome(), "denied_policy");
    assert_eq!(reply.problem()["code"], "HG0005");
    assert!(!reply.text().contains("profile"), "{}", reply.text());

    let both = key.sign(&claims_with("scope", json!("profile:read profile:write")));
    assert_eq!(edge.send(get("/tv/x").bearer(&both)).await.status, 200);
    assert_eq!(bff.requests().len(), 1);
}

#[tokio::test]
async fn missing_claim_is_403() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = edge(&bff, &[&key], "require = { tier = \"gold\" }").await;

    for (tier, status) in [
        (json!("gold"), 200),
        (json!("silver"), 403),
        (json!(["silver", "gold"]), 200),
        (Value::Null, 403),
    ] {
        let token = key.sign(&claims_with("tier", tier.clone()));
        assert_eq!(edge.send(get("/tv/x").bearer(&token)).await.status, status, "{tier}");
    }
}

#[tokio::test]
async fn verified_token_is_not_good_beyond_its_end() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = Site::with_route(&bff, "", "auth = \"accounts\"")
        .file("jwks.json", jwks(&[&key]))
        .platform(&format!("{ACCOUNTS}leeway = \"0s\""))
        .start()
        .await;
    let end = now() + 2;
    let token = key.sign(&claims_with("exp", json!(end)));
    assert_eq!(edge.send(get("/tv/x").bearer(&token)).await.status, 200);

    eventually("the token's end", || (now() > end).then_some(())).await;

    assert_eq!(edge.send(get("/tv/x").bearer(&token)).await.status, 401);
}

#[tokio::test]
async fn public_route_asks_nobody() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    assert_eq!(edge.send(get("/tv/x")).await.status, 200);
    // A credential that nobody asked for is nobody's business.
    assert_eq!(edge.send(get("/tv/x").bearer("nonsense")).await.status, 200);
}

#[tokio::test]
async fn no_part_of_a_token_is_written_down() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = edge(&bff, &[&key], "").await;
    let good = key.token();
    let mut tokens = bad_tokens(&key);
    tokens.push(("good", good.clone()));

    for (_, token) in &tokens {
        let path = format!("/tv/x?access_token={good}");
        let reply = edge.send(get(&path).bearer(token)).await;
        edge.access_line(reply.trace_id()).await;
    }

    let told = edge.told();
    for (what, token) in &tokens {
        for part in token.split('.').filter(|part| part.len() > 6) {
            assert!(!told.contains(part), "{what}: {part} in\n{told}");
        }
    }
    assert!(!told.contains("user-1"), "the subject is only written as a pseudonym:\n{told}");
}
