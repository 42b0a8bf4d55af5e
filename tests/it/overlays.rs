//! Values that operators put over the files for a while: set, won, ended, and kept over a kill.

use headgate_tests::{Bff, Edge, Ended, Site, edge, post};
use serde_json::{Value, json};

fn site(bff: &Bff) -> Site {
    Site::to(bff).edge("max_body = \"8KiB\"").platform("[data]\ndir = \"data\"")
}

async fn verb(edge: &Edge, arguments: &[&str]) -> Ended {
    let admin = format!("http://{}", edge.admin());
    let arguments = [&["config"][..], arguments, &["--admin", admin.as_str()]].concat();
    edge::run(&arguments, edge.folder()).await
}

/// Sets `edge.max_body`, and tells the overlay's number.
async fn set(edge: &Edge, value: &str, lifetime: &str) -> String {
    let arguments = ["set", "edge.max_body", value, "--for", lifetime, "--reason", "a trial"];
    let ended = verb(edge, &[&arguments[..], &["--actor", "ada", "--json"]].concat()).await;
    assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);
    let overlay: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&overlay["value"], &overlay["actor"]), (&json!(value), &json!("ada")));
    overlay["id"].to_string()
}

/// What a body of six thousand bytes is answered.
async fn large_body(edge: &Edge) -> u16 {
    edge.send(post("/tv/x", vec![0; 6_000])).await.status
}

#[tokio::test]
async fn overlay_wins_over_the_file_until_it_is_unset() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    assert_eq!(large_body(&edge).await, 200);

    let id = set(&edge, "4KiB", "1h").await;
    assert_eq!(large_body(&edge).await, 413, "it is in force when the verb ends");
    let admin = format!("http://{}", edge.admin());
    let status = edge::run(&["status", "--admin", &admin], edge.folder()).await.stdout;
    let first = status.lines().next().unwrap();
    assert!(first.contains("edge.max_body") && first.contains("by ada: a trial"), "{status}");
    let listed = verb(&edge, &["overlays"]).await.stdout;
    assert!(listed.contains("edge.max_body"), "{listed}");

    assert_eq!(verb(&edge, &["unset", &id]).await.code(), 0);
    assert_eq!(large_body(&edge).await, 200);
    assert_eq!(verb(&edge, &["unset", &id]).await.code(), 2);
}

#[tokio::test]
async fn overlay_ends_by_itself() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    set(&edge, "4KiB", "1s").await;

    edge.config_shows("no overlay", |config| config["overlays"] == json!([])).await;

    assert_eq!(large_body(&edge).await, 200);
    edge.metrics_show("no overlay", |metrics| {
        metrics.has("headgate_config_active_overlays")
            && metrics.sum("headgate_config_active_overlays", &[]) == 0
    })
    .await;
}

#[tokio::test]
async fn overlay_outlasts_a_kill_and_its_number_is_not_given_again() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    let gone = set(&edge, "5KiB", "1h").await;
    let stays = set(&edge, "4KiB", "1h").await;
    verb(&edge, &["unset", &gone]).await;

    let edge = edge.kill_and_start().await;

    assert_eq!(large_body(&edge).await, 413);
    let config = edge.config().await;
    assert_eq!(config["overlays"][0]["id"].to_string(), stays);
    assert_eq!(config["overlays"][1], Value::Null);
    let next = set(&edge, "6KiB", "1h").await;
    assert!(next.parse::<u64>().unwrap() > stays.parse().unwrap());
}

#[tokio::test]
async fn overlay_of_a_teams_route_is_in_force_and_survives_a_change_of_its_file() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    let arguments = ["set", "team.tv.route.all.timeout", "77ms", "--for", "1h", "--reason", "why"];
    let ended = verb(&edge, &arguments).await;
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let timeout = || async { edge.ask("/v1/routes").await.json()["routes"][0]["timeout"].clone() };
    assert_eq!(timeout().await, "77ms");

    let before = edge.config().await;
    let path = edge.folder().path().join("routes.d/tv/main.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let other = headgate_tests::route("other", "GET /other", "home", "");
    edge.folder().write("routes.d/tv/main.toml", format!("{text}\n{other}"));
    edge.config_changes(&before).await;

    let routes = edge.ask("/v1/routes").await.json();
    let all = routes["routes"].as_array().unwrap();
    let all = all.iter().find(|route| route["name"] == "all").unwrap();
    assert_eq!(all["timeout"], "77ms");
}

#[tokio::test]
async fn everything_that_is_wrong_with_an_overlay_is_told() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    let before = edge.config().await;
    for (key, value, lifetime, words) in [
        ("edge.max_bodi", "4KiB", "1h", "edge.max_bodi"),
        ("edge.max_body", "much", "1h", "much"),
        ("edge.listen", "[]", "1h", "edge.listen"),
        ("edge.max_body", "4KiB", "99d", "99d"),
        ("team.nobody.route.x.timeout", "1s", "1h", "nobody"),
    ] {
        let arguments = ["set", key, value, "--for", lifetime, "--reason", "why"];
        let ended = verb(&edge, &arguments).await;
        assert_eq!(ended.code(), 2, "{key}: {}", ended.stdout);
        assert!(ended.stderr.contains(words), "{key}: {}", ended.stderr);
        assert!(ended.stderr.contains("HG1103"), "{key}: {}", ended.stderr);
    }
    assert_eq!(edge.config().await["digest"], before["digest"]);
    assert_eq!(edge.config().await["overlays"], json!([]));
}

#[tokio::test]
async fn page_in_a_browser_cannot_set_an_overlay() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    let wish = json!({
        "key": "edge.max_body", "value": "4KiB", "for": "1h", "actor": "x", "reason": "y",
    });
    let mut admin = headgate_tests::Client::h1(edge.admin()).await;
    let call = || post("/v1/overlays", wish.to_string());

    let refused = admin.send(call().header("content-type", "text/plain")).await;
    assert_eq!(refused.status, 400);
    let taken = admin.send(call().header("content-type", "application/json")).await;
    assert_eq!(taken.status, 201);
}
