//! Several ways to be known on one route, none at all, and what claims and versions decide.

use headgate_tests::{
    Bff, Site, get,
    identity::{ACCOUNTS, Key, claims_with, jwks, sha256, verify_passport},
    route, upstream,
};
use serde_json::{Value, json};

const PARTNER: &str = "k-3f7a1c9e5b2d";

/// Tokens by `accounts`, keys by `partners`.
fn sources() -> String {
    let sha256 = sha256(PARTNER);
    let keys = format!("[{{ sha256 = \"{sha256}\", subject = \"partner-1\" }}]");
    format!("{ACCOUNTS}[identity.partners]\nheader = \"x-api-key\"\napi_keys = {keys}\n")
}

#[tokio::test]
async fn first_source_that_knows_the_caller_decides() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = Site::with_route(&bff, "", "auth = \"accounts|partners\"")
        .platform(&sources())
        .file("jwks.json", jwks(&[&key]))
        .start()
        .await;
    let forged = Key::ed25519("1").token();

    let by_token = edge.send(get("/tv/x").bearer(&key.token())).await;
    let by_key = edge.send(get("/tv/x").header("x-api-key", PARTNER)).await;
    let both = get("/tv/x").bearer(&key.token()).header("x-api-key", PARTNER);
    let by_both = edge.send(both).await;
    // A source that refuses leaves it to the next one.
    let despite = get("/tv/x").bearer(&forged).header("x-api-key", PARTNER);
    let despite = edge.send(despite).await;
    for (reply, source) in
        [(by_token, "accounts"), (by_key, "partners"), (by_both, "accounts"), (despite, "partners")]
    {
        assert_eq!(reply.status, 200, "{source}: {}", reply.text());
        assert_eq!(edge.access_line(reply.trace_id()).await["identity"], source);
    }

    let none = edge.send(get("/tv/x")).await;
    assert_eq!((none.status, none.problem()["code"].as_str()), (401, Some("HG0002")));
    let bad = edge.send(get("/tv/x").bearer(&forged)).await;
    assert_eq!((bad.status, bad.problem()["code"].as_str()), (401, Some("HG0003")));
}

#[tokio::test]
async fn caller_that_shows_nothing_is_anonymous_where_it_may_be() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = Site::with_route(&bff, "", "auth = \"accounts|anonymous\"")
        .platform(&sources())
        .file("jwks.json", jwks(&[&key]))
        .start()
        .await;

    assert_eq!(edge.send(get("/tv/x")).await.status, 200);
    assert_eq!(edge.send(get("/tv/x")).await.status, 200);
    assert_eq!(edge.send(get("/tv/x").bearer(&key.token())).await.status, 200);
    // Whoever shows a credential means to be known by it.
    let bad = edge.send(get("/tv/x").bearer(&Key::ed25519("1").token())).await;
    assert_eq!((bad.status, bad.problem()["code"].as_str()), (401, Some("HG0003")));

    let seen = bff.saw(3).await;
    let keys = edge.ask("/.well-known/jwks.json").await.json();
    let told: Vec<Value> = seen
        .iter()
        .map(|seen| verify_passport(seen.header("headgate-passport").unwrap(), &keys, "tv/home"))
        .collect();
    assert_eq!(
        (&told[0]["source"], &told[0]["strength"]),
        (&json!("anonymous"), &json!("anonymous"))
    );
    let subject = told[0]["sub"].as_str().unwrap();
    assert!(subject.starts_with("anonymous-") && !subject.contains("127"), "{subject}");
    assert_eq!(told[0]["sub"], told[1]["sub"], "one address is one caller");
    assert_eq!(told[2]["sub"], "user-1");
}

#[tokio::test]
async fn anonymous_callers_have_limits_of_their_own() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let rate = "rate = [{ callers = \"anonymous\", per = \"user\", rate = \"1/h\", burst = 2 }]";
    let edge = Site::with_route(&bff, "", &format!("auth = \"accounts|anonymous\"\n{rate}"))
        .platform(&sources())
        .file("jwks.json", jwks(&[&key]))
        .start()
        .await;

    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(edge.send(get("/tv/x")).await.status);
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
    for _ in 0..4 {
        assert_eq!(edge.send(get("/tv/x").bearer(&key.token())).await.status, 200);
    }
}

#[tokio::test]
async fn claims_choose_the_route() {
    let (gold, all, key) = (Bff::saying("gold").await, Bff::saying("all").await, Key::ed25519("1"));
    let edge = Site::new()
        .platform(&sources())
        .file("jwks.json", jwks(&[&key]))
        .team(
            "tv",
            &[
                upstream("gold", &[&gold.endpoint()], ""),
                upstream("all", &[&all.endpoint()], ""),
                route("gold", "GET /home claim.tier=gold", "gold", "auth = \"accounts\""),
                route("all", "GET /home", "all", ""),
            ],
        )
        .start()
        .await;

    for (tier, expected) in [
        (json!("gold"), "gold"),
        (json!(["silver", "gold"]), "gold"),
        (json!("silver"), "all"),
        (Value::Null, "all"),
    ] {
        let token = key.sign(&claims_with("tier", tier.clone()));
        assert_eq!(edge.send(get("/home").bearer(&token)).await.text(), expected, "{tier}");
    }
    let mut forged = claims_with("tier", json!("gold"));
    forged["sub"] = json!("user-2");
    let forged = Key::ed25519("1").sign(&forged);
    assert_eq!(edge.send(get("/home").bearer(&forged)).await.text(), "all");
    assert_eq!(edge.send(get("/home")).await.text(), "all");
}

#[tokio::test]
async fn versions_of_the_app_choose_the_route() {
    let (new, old, rest) =
        (Bff::saying("new").await, Bff::saying("old").await, Bff::saying("rest").await);
    let device = "[[device]]\nname = \"tv\"\n\
        when = [\"header x-app ~ '^tv/(?<ver>[0-9.]+)'\", \"claim app ~ '^tv (?<ver>.*)'\"]\n";
    let key = Key::ed25519("1");
    let edge = Site::new()
        .platform(&format!("{device}{}", sources()))
        .file("jwks.json", jwks(&[&key]))
        .team(
            "tv",
            &[
                upstream("new", &[&new.endpoint()], ""),
                upstream("old", &[&old.endpoint()], ""),
                upstream("rest", &[&rest.endpoint()], ""),
                route("new", "GET /home device=tv ver>=7.2", "new", ""),
                route("old", "GET /home device=tv ver>=7 ver<7.2", "old", ""),
                route("rest", "GET /home", "rest", ""),
            ],
        )
        .start()
        .await;

    for (app, expected) in [
        ("tv/7.2", "new"),
        ("tv/7.10.1-beta", "new"),
        ("tv/7.1.9", "old"),
        ("tv/6.9", "rest"),
        ("tv/x", "rest"),
        ("web/9", "rest"),
    ] {
        assert_eq!(edge.send(get("/home").header("x-app", app)).await.text(), expected, "{app}");
    }
    let token = key.sign(&claims_with("app", json!("tv 7.3")));
    assert_eq!(edge.send(get("/home").bearer(&token)).await.text(), "new");
}
