//! Keys come, go, and are out of reach, and callers with good tokens do not notice.

use std::sync::{Arc, Mutex};

use headgate_tests::{
    Bff, Edge, PATIENCE, Site, edge, get,
    identity::{ACCOUNTS, Key, jwks, verify_passport},
};
use tokio::time::{Duration, Instant};

/// An issuer whose key set can be changed.
async fn issuer(keys: &[&Key]) -> (Bff, Arc<Mutex<String>>) {
    let text = Arc::new(Mutex::new(jwks(keys)));
    let served = Arc::clone(&text);
    let issuer = Bff::raw(move |mut connection| {
        let served = Arc::clone(&served);
        async move {
            while connection.request().await.is_some() {
                let text = served.lock().unwrap().clone();
                connection.answer(200, &[("content-type", "application/json")], &text).await;
            }
        }
    })
    .await;
    (issuer, text)
}

async fn edge(bff: &Bff, issuer: &Bff, lines: &str) -> Edge {
    let url = format!("http://{}/jwks.json", issuer.endpoint());
    Site::with_route(bff, "", "auth = \"accounts\"")
        .platform(&format!("[identity.accounts]\njwks = \"{url}\"\n{lines}"))
        .start()
        .await
}

/// Asks until the answer has that status.
async fn until_status(edge: &Edge, token: &str, status: u16) {
    let ends = Instant::now() + PATIENCE;
    let mut client = edge.h1().await;
    loop {
        let reply = client.send(get("/tv/x").bearer(token)).await;
        if reply.status == status {
            return;
        }
        assert!(Instant::now() < ends, "still {}: {}", reply.status, reply.text());
    }
}

#[tokio::test]
async fn keys_come_from_a_url() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let (issuer, _) = issuer(&[&key]).await;
    let edge = edge(&bff, &issuer, "").await;

    until_status(&edge, &key.token(), 200).await;
    assert_eq!(edge.send(get("/tv/x").bearer(&Key::ed25519("1").token())).await.status, 401);
}

#[tokio::test]
async fn keys_out_of_reach_from_the_start_are_no_fault_of_the_token() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let issuer = Bff::failing(500).await;
    let edge = edge(&bff, &issuer, "").await;

    let reply = edge.send(get("/tv/x").bearer(&key.token())).await;

    assert_eq!(reply.status, 503);
    let problem = reply.problem();
    assert_eq!(
        (&problem["outcome"], &problem["code"]),
        (&"origin_unhealthy".into(), &"HG0004".into())
    );
    assert!(problem["retry_after_ms"].as_u64().unwrap() >= 1000, "{problem}");
}

#[tokio::test]
async fn unknown_key_id_fetches_the_keys_again() {
    let (bff, old, new) = (Bff::ok().await, Key::ed25519("old"), Key::ed25519("new"));
    let (issuer, text) = issuer(&[&old]).await;
    let edge = edge(&bff, &issuer, "refetch = \"100ms\"").await;
    until_status(&edge, &old.token(), 200).await;

    *text.lock().unwrap() = jwks(&[&old, &new]);

    until_status(&edge, &new.token(), 200).await;
    until_status(&edge, &old.token(), 200).await;
}

#[tokio::test]
async fn unknown_key_ids_fetch_within_a_budget() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let (issuer, _) = issuer(&[&key]).await;
    let edge = edge(&bff, &issuer, "refetch = \"1h\"").await;
    until_status(&edge, &key.token(), 200).await;
    let before = issuer.requests().len();

    let mut client = edge.h1().await;
    for kid in 0..20 {
        let stranger = Key::ed25519(&format!("stranger-{kid}"));
        assert_eq!(client.send(get("/tv/x").bearer(&stranger.token())).await.status, 401);
    }

    assert!(issuer.requests().len() <= before + 1, "{} fetches", issuer.requests().len());
}

#[tokio::test]
async fn withdrawn_key_ends_what_was_remembered() {
    let (bff, old, new) = (Bff::ok().await, Key::ed25519("old"), Key::ed25519("new"));
    let (issuer, text) = issuer(&[&old, &new]).await;
    let edge = edge(&bff, &issuer, "refetch = \"100ms\"\nrefresh = \"200ms\"").await;
    until_status(&edge, &old.token(), 200).await;
    let token = old.token();
    until_status(&edge, &token, 200).await;

    *text.lock().unwrap() = jwks(&[&new]);

    until_status(&edge, &token, 401).await;
    until_status(&edge, &new.token(), 200).await;
}

#[tokio::test]
async fn keys_stay_good_while_the_issuer_is_away() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let (issuer, _) = issuer(&[&key]).await;
    let edge =
        edge(&bff, &issuer, "refresh = \"100ms\"\nrefetch = \"100ms\"\nkeep_on_outage = \"1h\"")
            .await;
    until_status(&edge, &key.token(), 200).await;

    drop(issuer);
    edge.metrics_show("a failed fetch", |metrics| {
        metrics.sum("headgate_gateway_identity_key_fetches_total", &[("result", "failed")]) >= 1
    })
    .await;

    assert_eq!(edge.send(get("/tv/x").bearer(&key.token())).await.status, 200);
}

#[tokio::test]
async fn keys_end_when_the_outage_outlasts_their_time() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let (issuer, _) = issuer(&[&key]).await;
    let lines = "refresh = \"100ms\"\nrefetch = \"100ms\"\nkeep_on_outage = \"500ms\"";
    let edge = edge(&bff, &issuer, lines).await;
    until_status(&edge, &key.token(), 200).await;

    drop(issuer);

    until_status(&edge, &key.token(), 503).await;
}

#[tokio::test]
async fn passport_keys_rotate_without_a_gap() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = Site::with_route(&bff, "", "auth = \"accounts\"")
        .file("jwks.json", jwks(&[&key]))
        .platform(ACCOUNTS)
        .platform("[passport]\nttl = \"1s\"\nrotate_every = \"2s\"")
        .start()
        .await;
    let token = key.token();
    let mut kids = std::collections::BTreeSet::new();
    let mut client = edge.h1().await;
    let ends = Instant::now() + PATIENCE;
    let mut pause = tokio::time::interval(Duration::from_millis(50));
    while kids.len() < 3 {
        assert!(Instant::now() < ends, "keys in use: {kids:?}");
        // The keys as a BFF has them that fetched them before the request came.
        let keys = edge.ask("/.well-known/jwks.json").await.json();
        pause.tick().await;
        assert_eq!(client.send(get("/tv/x").bearer(&token)).await.status, 200);
        let seen = bff.requests().pop().unwrap();
        let passport = seen.header("headgate-passport").unwrap();
        verify_passport(passport, &keys, "tv/home");
        kids.insert(jsonwebtoken::decode_header(passport).unwrap().kid);
    }
}

#[tokio::test]
async fn passport_keys_outlast_the_process() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let data = headgate_tests::Folder::default();
    let platform = format!("{ACCOUNTS}[data]\ndir = {:?}", data.path().to_str().unwrap());
    let token = key.token();
    let mut sets = Vec::new();
    for _ in 0..2 {
        let edge = Site::with_route(&bff, "", "auth = \"accounts\"")
            .file("jwks.json", jwks(&[&key]))
            .platform(&platform)
            .start()
            .await;
        edge.send(get("/tv/x").bearer(&token)).await;
        sets.push(edge.ask("/.well-known/jwks.json").await.json());
    }

    let seen = bff.saw(2).await;
    verify_passport(seen[0].header("headgate-passport").unwrap(), &sets[1], "tv/home");
}

#[tokio::test]
async fn private_keys_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let bff = Bff::ok().await;
    let data = headgate_tests::Folder::default();
    let _edge = Site::to(&bff)
        .platform(&format!("[data]\ndir = {:?}", data.path().to_str().unwrap()))
        .start()
        .await;

    let mut folders = vec![data.path().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                files += 1;
                let mode = metadata.permissions().mode() & 0o777;
                assert_eq!(mode & 0o077, 0, "{:?} is {mode:o}", entry.path());
            }
        }
    }
    assert!(files > 0);
}

#[tokio::test]
async fn passport_keys_turn_by_command_without_a_gap() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = Site::with_route(&bff, "", "auth = \"accounts\"")
        .file("jwks.json", jwks(&[&key]))
        .platform(ACCOUNTS)
        .start()
        .await;
    let admin = format!("http://{}", edge.admin());
    let rotate = async |force: &[&str]| {
        let arguments = ["--json", "passport", "rotate", "--admin", &admin];
        edge::run(&[&arguments[..], force].concat(), edge.folder()).await
    };
    let ask = async |path: &str| {
        assert_eq!(edge.send(get(path).bearer(&key.token())).await.status, 200);
    };
    ask("/tv/before").await;

    let too_soon = rotate(&[]).await;
    assert_eq!(too_soon.status.code(), Some(2), "{too_soon:?}");
    assert!(format!("{too_soon:?}").contains("HG1250"), "{too_soon:?}");
    let rotated = rotate(&["--force"]).await;
    assert_eq!(rotated.status.code(), Some(0), "{rotated:?}");
    let rotated: serde_json::Value = serde_json::from_str(&rotated.stdout).unwrap();
    ask("/tv/after").await;

    let keys = edge.ask("/.well-known/jwks.json").await.json();
    for seen in bff.saw(2).await {
        let passport = seen.header("headgate-passport").unwrap();
        verify_passport(passport, &keys, "tv/home");
        let header = jsonwebtoken::decode_header(passport).unwrap();
        let is_after = seen.target == "/tv/after";
        assert_eq!(header.kid.as_deref() == rotated["signs"].as_str(), is_after, "{}", seen.target);
    }
}
