//! API keys, of which the edge knows only the hashes.

use headgate_tests::{
    Bff, Edge, Site, get,
    identity::{sha256, verify_passport},
};

const KEY: &str = "k-3f7a1c9e5b2d";

async fn edge(bff: &Bff, route: &str) -> Edge {
    let platform = "[identity.partners]\nheader = \"x-api-key\"\napi_keys_file = \"keys.toml\"\n\
         [passport]\nttl = \"30s\"\n";
    let keys = format!(
        "[[api_keys]]\nsha256 = \"{}\"\nsubject = \"partner-1\"\nscopes = [\"read\"]\n\
         [[api_keys]]\nsha256 = \"{}\"\nsubject = \"partner-2\"\nexpires = \"2020-01-01T00:00:00Z\"\n",
        sha256(KEY),
        sha256("old"),
    );
    Site::with_route(bff, "", &format!("auth = \"partners\"\n{route}"))
        .platform(platform)
        .file("keys.toml", keys)
        .start()
        .await
}

#[tokio::test]
async fn known_key_passes_and_is_not_written_down() {
    let bff = Bff::ok().await;
    let edge = edge(&bff, "scopes = [\"read\"]").await;

    let reply = edge.send(get("/tv/x").header("x-api-key", KEY)).await;

    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(bff.first().await.header("headgate-passport").is_some());
    let line = edge.access_line(reply.trace_id()).await;
    assert_eq!(line["identity"], "partners");
    assert!(!edge.told().contains(KEY));
}

#[tokio::test]
async fn keys_stand_in_the_platforms_own_file() {
    let bff = Bff::ok().await;
    let platform = format!(
        "[identity.partners]\nheader = \"x-key\"\n\
         [[identity.partners.api_keys]]\nsha256 = \"{}\"\nsubject = \"one\"\nscopes = [\"read\"]\n\
         [[identity.partners.api_keys]]\nsha256 = \"{}\"\nsubject = \"two\"\n\
         [[identity.partners.api_keys]]\nsha256 = \"{}\"\nsubject = \"old\"\nscopes = [\"read\"]\n\
         expires = \"2020-01-01T00:00:00Z\"\n",
        sha256("key-one"),
        sha256("key-two"),
        sha256("key-old"),
    );
    let edge = Site::with_route(&bff, "", "auth = \"partners\"\nscopes = [\"read\"]")
        .platform(&platform)
        .start()
        .await;

    for (key, status) in [("key-one", 200), ("key-two", 403), ("key-old", 401)] {
        assert_eq!(edge.send(get("/tv/x").header("x-key", key)).await.status, status, "{key}");
    }
    let keys = edge.ask("/.well-known/jwks.json").await.json();
    let seen = bff.first().await;
    let claims = verify_passport(seen.header("headgate-passport").unwrap(), &keys, "tv/home");
    assert_eq!(claims["sub"], "one");
}

#[tokio::test]
async fn unknown_expired_missing_and_doubled_keys_are_401() {
    let bff = Bff::ok().await;
    let edge = edge(&bff, "").await;

    for call in [
        get("/tv/x"),
        get("/tv/x").header("x-api-key", "guess"),
        get("/tv/x").header("x-api-key", "old"),
        get("/tv/x").header("x-api-key", ""),
        get("/tv/x").header("x-api-key", sha256(KEY)),
        get("/tv/x").header("x-api-key", KEY).header("x-api-key", KEY),
        get("/tv/x").bearer(KEY),
    ] {
        let reply = edge.send(call).await;
        assert_eq!((reply.status, reply.outcome().as_str()), (401, "denied_auth"));
    }
    assert!(bff.requests().is_empty());
}

#[tokio::test]
async fn key_without_the_scope_is_403() {
    let bff = Bff::ok().await;
    let edge = edge(&bff, "scopes = [\"write\"]").await;

    let reply = edge.send(get("/tv/x").header("x-api-key", KEY)).await;

    assert_eq!((reply.status, reply.outcome().as_str()), (403, "denied_policy"));
}
