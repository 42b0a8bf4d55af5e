//! The other verbs of the command line.

use headgate_tests::{Bff, Edge, Ended, Folder, Site, edge, get, route, upstream};
use serde_json::Value;

const DEVICES: &str = "[[device]]\nname = \"tv\"\nwhen = [\"header x-app ~ '^tv/'\"]\n\
    [[device]]\nname = \"web\"\nwhen = [\"*\"]";

async fn run(arguments: &[&str], folder: &Folder) -> Ended {
    edge::run(arguments, folder).await
}

fn json(ended: &Ended) -> Value {
    let text = &ended.stdout;
    serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}\n{}", ended.stderr))
}

fn site(bff: &Bff) -> Site {
    Site::new().platform(DEVICES).team(
        "tv",
        &[
            upstream("home", &[&bff.endpoint()], ""),
            upstream("other", &[&bff.endpoint()], ""),
            route("home", "GET /tv/home/{profile} device=tv", "home", "priority = \"critical\""),
            route("web", "GET /tv/home/{profile} device=web", "other", ""),
            route("rest", "* /tv/{*rest}", "other", "priority = \"bulk\""),
        ],
    )
}

#[tokio::test]
async fn check_passes_a_good_configuration() {
    let bff = Bff::ok().await;
    let site = site(&bff);

    let ended = run(&["check", "--config", "headgate.toml"], site.write()).await;
    assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);

    let ended = run(&["check", "--config", "headgate.toml", "--json"], site.write()).await;
    assert_eq!(ended.code(), 0);
    json(&ended);
}

#[tokio::test]
async fn check_tells_every_fault() {
    let bff = Bff::ok().await;
    let site = site(&bff)
        .edge("threads = \"many\"\nmax_bodies = 1")
        .team("tv", &["[route.lost]\nmatch = \"GET /tv/lost\"\nto = \"nowhere\"\n".to_owned()]);

    let ended = run(&["check", "--config", "headgate.toml"], site.write()).await;
    assert_eq!(ended.code(), 2);
    let told = format!("{}{}", ended.stdout, ended.stderr);
    for word in ["threads", "max_bodies", "nowhere", "headgate.toml", "main.toml", "HG10"] {
        assert!(told.contains(word), "{word} is not in:\n{told}");
    }

    let ended = run(&["check", "--config", "headgate.toml", "--json"], site.write()).await;
    assert_eq!(ended.code(), 2);
    let text = json(&ended).to_string();
    for word in ["threads", "max_bodies", "nowhere"] {
        assert!(text.contains(word), "{word} is not in:\n{text}");
    }
}

#[tokio::test]
async fn explain_decides_as_the_edge_does() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;

    for (method, path, app) in [
        ("GET", "/tv/home/ada", "tv/7.2"),
        ("GET", "/tv/home/ada", "ios/1"),
        ("POST", "/tv/home/ada", "tv/7.2"),
        ("GET", "/tv/other", "tv/7.2"),
        ("GET", "/elsewhere", "tv/7.2"),
    ] {
        let header = format!("x-app: {app}");
        let url = format!("http://localhost{path}");
        let arguments =
            ["explain", "--config", "headgate.toml", method, &url, "-H", &header, "--json"];
        let explained = run(&arguments, edge.folder()).await;
        let explained = json(&explained);
        let reply =
            edge.send(headgate_tests::client::call(method, path).header("x-app", app)).await;
        let line = edge.access_line(reply.trace_id()).await;

        let what = format!("{method} {path} {app}: {explained}\n{line}");
        for key in ["route", "upstream", "device", "priority"] {
            assert!(explained.get(key).is_some(), "{key}: {what}");
        }
        for key in ["route", "upstream", "device", "priority"] {
            let told = &explained[key];
            let told = if told.is_object() { &told["value"] } else { told };
            match line[key].as_str() {
                Some(live) => assert_eq!(told.as_str().map(last), Some(live), "{key}: {what}"),
                None => assert!(told.is_null(), "{key}: {what}"),
            }
        }
    }
}

/// The name in `team/name`.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn routes_are_listed_as_they_are_tried() {
    let bff = Bff::ok().await;
    let site = site(&bff);

    let ended = run(&["routes", "--config", "headgate.toml"], site.write()).await;
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    for name in ["home", "web", "rest"] {
        assert!(ended.stdout.contains(name), "{}", ended.stdout);
    }

    let ended = run(&["routes", "--config", "headgate.toml", "--json"], site.write()).await;
    let text = json(&ended).to_string();
    assert!(text.contains("/tv/home/{profile}"), "{text}");
}

fn admin(edge: &Edge) -> String {
    format!("http://{}", edge.admin())
}

#[tokio::test]
async fn status_tells_the_running_edge() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    edge.send(get("/tv/other")).await;
    let folder = Folder::default();

    let ended = run(&["status", "--admin", &admin(&edge)], &folder).await;
    assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);

    let ended = run(&["status", "--admin", &admin(&edge), "--json"], &folder).await;
    let text = json(&ended).to_string();
    assert!(text.contains(&edge.plain().port().to_string()), "its address: {text}");
    assert_eq!(edge.ask("/v1/status").await.status, 200);
    assert_eq!(edge.ask("/v1/routes").await.status, 200);
}

#[tokio::test]
async fn status_of_nobody_is_unreachable() {
    let gone = headgate_tests::bff::refusing();

    let ended = run(&["status", "--admin", &format!("http://{gone}")], &Folder::default()).await;

    assert_eq!(ended.code(), 3, "{}{}", ended.stdout, ended.stderr);
}

#[tokio::test]
async fn schema_describes_every_file() {
    let ended = run(&["schema"], &Folder::default()).await;

    assert_eq!(ended.code(), 0);
    let text = json(&ended).to_string();
    for key in ["listen", "max_body", "claims", "jwks_file"] {
        assert!(text.contains(key), "{key}");
    }
}

#[tokio::test]
async fn completions_are_written_for_a_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = run(&["completions", shell], &Folder::default()).await;
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        assert!(ended.stdout.contains("explain"), "{shell}");
    }
}

#[tokio::test]
async fn unknown_verb_is_2() {
    let ended = run(&["frobnicate"], &Folder::default()).await;
    assert_eq!(ended.code(), 2);
}
