//! What the files say is what the edge does: every key has its effect.

use std::{collections::BTreeMap, fs, path::Path};

use headgate_tests::{Bff, Folder, Site, edge, get, post, route, upstream};
use serde_json::Value;

/// Each key of the documents with a test that sets it and sees the difference.
const EFFECTS: &str = include_str!("../effects.toml");

/// The leaves of a schema, with `*` for a name that people choose.
fn leaves(schema: &Value, path: &str, found: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    if let Some(properties) = schema["properties"].as_object() {
        for (key, schema) in properties {
            leaves(schema, &below(key), found);
        }
    } else if schema["additionalProperties"].is_object() {
        leaves(&schema["additionalProperties"], &below("*"), found);
    } else if schema["items"]["properties"].is_object() {
        leaves(&schema["items"], path, found);
    } else if let Some(table) = ["anyOf", "oneOf"]
        .iter()
        .filter_map(|any| schema[any].as_array())
        .flatten()
        .find(|one| one["properties"].is_object() || one["items"]["properties"].is_object())
    {
        leaves(table, path, found);
    } else {
        found.push(path.to_owned());
    }
}

#[tokio::test]
async fn every_key_has_a_test_of_its_effect() {
    let folder = Folder::default();
    let mut keys = Vec::new();
    for (document, arguments) in [
        ("headgate", &["schema"][..]),
        ("team", &["schema", "--team"]),
        ("api_keys", &["schema", "--api-keys"]),
    ] {
        let printed = edge::run(arguments, &folder).await.stdout;
        leaves(&serde_json::from_str(&printed).unwrap(), document, &mut keys);
    }
    assert!(keys.len() > 60, "only {} keys in the schemas", keys.len());
    let lines = EFFECTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let effects: BTreeMap<&str, &str> = lines
        .map(|line| {
            let (key, test) = line.split_once(" = ").unwrap();
            (key.trim_matches('"'), test.trim_matches('"'))
        })
        .collect();

    let without: Vec<_> = keys.iter().filter(|key| !effects.contains_key(key.as_str())).collect();
    assert!(without.is_empty(), "no test shows the effect of {without:#?}");
    let gone: Vec<_> =
        effects.keys().filter(|named| !keys.iter().any(|key| key == *named)).collect();
    assert!(gone.is_empty(), "no such keys: {gone:#?}");
    for (key, test) in effects {
        let (module, name) = test.split_once("::").unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("it/{module}.rs"));
        let text = fs::read_to_string(&path).unwrap();
        let begin = format!("async fn {name}(");
        assert!(text.contains(&begin), "{key}: there is no test {test}");
    }
}

#[tokio::test]
async fn teams_files_are_where_the_platform_says() {
    let bff = Bff::ok().await;
    let tables =
        [upstream("home", &[&bff.endpoint()], ""), route("x", "GET /x", "home", "")].concat();
    let edge = Site::new()
        .platform(
            "[routes]\ndir = \"teams\"\n[team.tv]\nclaims = [{ host = \"*\", prefix = \"/\" }]",
        )
        .file("teams/tv/any-name.toml", format!("team = \"tv\"\n{tables}"))
        .start()
        .await;

    assert_eq!(edge.send(get("/x")).await.status, 200);
}

#[tokio::test]
async fn team_has_several_files() {
    let bff = Bff::ok().await;
    let edge = Site::new()
        .platform("[team.tv]\nclaims = [{ host = \"*\", prefix = \"/\" }]")
        .file("routes.d/tv/upstreams.toml", {
            format!("team = \"tv\"\n{}", upstream("home", &[&bff.endpoint()], ""))
        })
        .file("routes.d/tv/routes.toml", {
            format!("team = \"tv\"\n{}", route("x", "GET /x", "home", ""))
        })
        .start()
        .await;

    assert_eq!(edge.send(get("/x")).await.status, 200);
}

#[tokio::test]
async fn environment_overrides_the_file() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff)
        .edge("max_body = \"1MiB\"")
        .environment("HEADGATE_EDGE__MAX_BODY", "10B")
        .start()
        .await;

    assert_eq!(edge.send(post("/tv/x", vec![0; 10])).await.status, 200);
    assert_eq!(edge.send(post("/tv/x", vec![0; 11])).await.status, 413);
}

#[tokio::test]
async fn route_outside_its_teams_hosts_is_refused() {
    let bff = Bff::ok().await;
    let site = |host: &str| {
        Site::new()
            .platform("[team.tv]\nclaims = [{ host = \"tv.example\", prefix = \"/\" }]")
            .team(
                "tv",
                &[
                    upstream("home", &[&bff.endpoint()], ""),
                    route("x", &format!("GET {host}/x"), "home", ""),
                ],
            )
    };

    for host in ["web.example", ""] {
        let ended = site(host).run().await;
        assert_eq!(ended.code(), 2, "{host}: {}", ended.stderr);
        assert!(ended.stderr.contains("tv.example"), "{}", ended.stderr);
    }
    let edge = site("tv.example").start().await;
    let mut client = edge.h1().await.host("tv.example");
    assert_eq!(client.send(get("/x")).await.status, 200);
}

#[tokio::test]
async fn route_above_its_teams_ceiling_is_refused() {
    let bff = Bff::ok().await;
    let site = |route: &str| {
        Site::with_route(&bff, "", route).platform(
            "[team.tv]\nclaims = [{ host = \"*\", prefix = \"/\" }]\n\
             ceiling = { priority = \"standard\", timeout = \"2s\" }",
        )
    };

    for line in ["priority = \"critical\"", "timeout = \"3s\""] {
        let ended = site(line).run().await;
        assert_eq!(ended.code(), 2, "{line}: {}", ended.stderr);
        assert!(ended.stderr.contains("ceiling"), "{line}: {}", ended.stderr);
    }
    let edge = site("priority = \"standard\"\ntimeout = \"2s\"").start().await;
    assert_eq!(edge.send(get("/tv/x")).await.status, 200);
}

#[tokio::test]
async fn file_of_another_team_is_refused() {
    let bff = Bff::ok().await;
    let tables =
        [upstream("home", &[&bff.endpoint()], ""), route("x", "GET /x", "home", "")].concat();
    let ended = Site::new()
        .platform("[team.tv]\nclaims = [{ host = \"*\", prefix = \"/\" }]\n[team.web]\n")
        .file("routes.d/web/main.toml", format!("team = \"tv\"\n{tables}"))
        .run()
        .await;

    assert_eq!(ended.code(), 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("routes.d/web/main.toml"), "{}", ended.stderr);
}

#[tokio::test]
async fn unknown_keys_are_refused_with_the_nearest_known() {
    let bff = Bff::ok().await;
    for (key, nearest) in
        [("max_bodi = \"1MiB\"", "max_body"), ("keepalive = \"1s\"", "keep_alive")]
    {
        let ended = Site::to(&bff).edge(key).run().await;
        assert_eq!(ended.code(), 2, "{}", ended.stderr);
        assert!(ended.stderr.contains(nearest), "{key}: {}", ended.stderr);
    }
}
