//! Routes move off a legacy service, and operators see what is left of it.

use headgate_tests::{
    Bff, Edge, Site, edge, get,
    identity::{ACCOUNTS, Key, claims_with, jwks},
    route, upstream,
};
use serde_json::{Value, json};

struct Services {
    old: Bff,
    new: Bff,
    key: Key,
}

impl Services {
    async fn new() -> Self {
        let (old, new) = (Bff::saying("old").await, Bff::saying("new").await);
        Self { old, new, key: Key::ed25519("1") }
    }

    /// A site whose route `home` is on its way, and whose route `rest` has not begun.
    fn site(&self, strangle: &str) -> Site {
        let home = format!("auth = \"accounts\"\nstrangle = {{ old = \"legacy\", {strangle} }}");
        Site::new().file("jwks.json", jwks(&[&self.key])).platform(ACCOUNTS).team(
            "tv",
            &[
                upstream("legacy", &[&self.old.endpoint()], ""),
                upstream("home", &[&self.new.endpoint()], ""),
                route("home", "GET /tv/home", "home", &home),
                route("rest", "GET /tv/{*rest}", "legacy", ""),
            ],
        )
    }

    /// What 60 users get.
    async fn answers(&self, edge: &Edge) -> Vec<String> {
        let mut client = edge.h1().await;
        let mut answers = Vec::new();
        for user in 0..60 {
            let token = self.key.sign(&claims_with("sub", json!(format!("user-{user}"))));
            answers.push(client.send(get("/tv/home").bearer(&token)).await.text().to_owned());
        }
        answers
    }
}

fn count(answers: &[String], answer: &str) -> usize {
    answers.iter().filter(|one| *one == answer).count()
}

/// What `strangle status` tells, and its exit code.
async fn status(edge: &Edge) -> (Vec<Value>, i32) {
    let admin = format!("http://{}", edge.admin());
    let ended =
        edge::run(&["strangle", "status", "--admin", &admin, "--json"], edge.folder()).await;
    (serde_json::from_str(&ended.stdout).unwrap(), ended.code())
}

fn of<'s>(rows: &'s [Value], route: &str) -> &'s Value {
    rows.iter().find(|row| row["route"] == route).unwrap()
}

#[tokio::test]
async fn users_move_off_and_none_comes_back() {
    let services = Services::new().await;
    let mut before = vec!["old".to_owned(); 60];
    for weight in ["0%", "20%", "60%", "100%"] {
        let site = services.site(&format!("weight = \"{weight}\", sticky = \"user\""));
        let edge = site.start().await;

        let after = services.answers(&edge).await;

        for (was, is) in before.iter().zip(&after) {
            assert!(was == is || is == "new", "{was} to {is} at {weight}");
        }
        before = after;
    }
    assert_eq!(count(&before, "new"), 60);
}

#[tokio::test]
async fn salt_and_what_is_sticky_decide_who_moves() {
    let services = Services::new().await;
    let edge = services.site("weight = \"50%\", sticky = \"user\", salt = \"a\"").start().await;
    let first = services.answers(&edge).await;
    assert_eq!(first, services.answers(&edge).await);
    let edge = services.site("weight = \"50%\", sticky = \"user\", salt = \"b\"").start().await;
    let second = services.answers(&edge).await;
    let edge = services.site("weight = \"50%\", sticky = \"trace\", salt = \"a\"").start().await;
    let third = services.answers(&edge).await;

    // Alike once in 2^60 runs at most: the first two are the same in every run.
    assert_ne!(first, second);
    assert_ne!(third, services.answers(&edge).await);
}

#[tokio::test]
async fn status_tells_the_share_that_is_left() {
    let services = Services::new().await;
    let edge = services.site("weight = \"40%\"").start().await;
    let answers = services.answers(&edge).await;
    edge.send(get("/tv/other")).await;
    edge.send(get("/tv/other")).await;

    let (rows, code) = status(&edge).await;

    assert_eq!(code, 0);
    let home = of(&rows, "home");
    assert_eq!(home["old_requests"], count(&answers, "old"));
    assert_eq!(home["new_requests"], count(&answers, "new"));
    for (key, value) in [
        ("team", "tv"),
        ("match", "GET /tv/home"),
        ("old", "legacy"),
        ("new", "home"),
        ("weight", "40%"),
        ("stage", "moving"),
    ] {
        assert_eq!(home[key], value, "{home}");
    }
    assert!(home["old_seen"].is_string() && home["since"].is_string(), "{home}");
    let rest = of(&rows, "rest");
    assert_eq!((&rest["old_requests"], &rest["stage"]), (&json!(2), &json!("not_begun")));
    assert_eq!(rest["new"], Value::Null);
    assert_eq!(edge.ask("/v1/strangle").await.json()["routes"], json!(rows));

    let admin = format!("http://{}", edge.admin());
    let told = edge::run(&["strangle", "status", "--admin", &admin], edge.folder()).await.stdout;
    assert!(told.contains("tv/legacy: 2 of 2 routes not off it"), "{told}");
}

#[tokio::test]
async fn service_without_requests_is_to_be_deleted() {
    let services = Services::new().await;
    let home = "auth = \"accounts\"\nstrangle = { old = \"legacy\", weight = \"100%\" }";
    let edge = Site::new()
        .file("jwks.json", jwks(&[&services.key]))
        .platform(ACCOUNTS)
        .team(
            "tv",
            &[
                upstream("legacy", &[&services.old.endpoint()], ""),
                upstream("home", &[&services.new.endpoint()], ""),
                route("home", "GET /tv/home", "home", home),
            ],
        )
        .start()
        .await;
    let (rows, _) = status(&edge).await;
    assert_eq!(of(&rows, "home")["stage"], "idle");

    services.answers(&edge).await;

    let (rows, _) = status(&edge).await;
    assert_eq!(of(&rows, "home")["stage"], "nothing_left", "{rows:?}");
    let admin = format!("http://{}", edge.admin());
    let told = edge::run(&["strangle", "status", "--admin", &admin], edge.folder()).await.stdout;
    assert!(told.contains("tv/legacy: nothing left, delete [upstream.legacy]"), "{told}");
    assert!(services.old.requests().is_empty());
}

#[tokio::test]
async fn route_past_its_end_is_a_finding() {
    let services = Services::new().await;
    let edge = services.site("weight = \"40%\", ends = \"2020-01-01T00:00:00Z\"").start().await;
    let (rows, code) = status(&edge).await;
    assert_eq!((of(&rows, "home")["is_overdue"].as_bool(), code), (Some(true), 1));
    assert_eq!(of(&rows, "rest")["is_overdue"], false);

    let edge = services.site("weight = \"40%\", ends = \"9999-01-01T00:00:00Z\"").start().await;
    let (rows, code) = status(&edge).await;
    assert_eq!((of(&rows, "home")["is_overdue"].as_bool(), code), (Some(false), 0));
}

#[tokio::test]
async fn legacy_service_is_told_in_lines() {
    let services = Services::new().await;
    let edge = services.site("weight = \"40%\"").start().await;

    let reply = edge.send(get("/tv/other")).await;

    let line = edge.access_line(reply.trace_id()).await;
    assert_eq!((&line["arm"], &line["upstream"]), (&json!("old"), &json!("legacy")), "{line}");
}
