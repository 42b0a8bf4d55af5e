//! What a change would do, told before it is made.

use headgate_tests::{
    Bff, Edge, Ended, Folder, Site, client::call, edge, get, identity::sha256, route, upstream,
};
use serde_json::Value;

use crate::readme;

const DEVICES: &str = "[[device]]\nname = \"tv\"\nwhen = [\"header x-app ~ '^tv/'\"]\n\
    [[device]]\nname = \"web\"\nwhen = [\"*\"]\n";
const KEY: &str = "s3cr3t-key";

fn platform() -> String {
    format!(
        "{DEVICES}[data]\ndir = \"data\"\n\
         [identity.partners]\napi_keys = [{{ sha256 = \"{}\", subject = \"ada\" }}]\n",
        sha256(KEY)
    )
}

fn site(bff: &Bff, platform: &str) -> Site {
    Site::new().platform(platform).team(
        "tv",
        &[
            upstream("home", &[&bff.endpoint()], ""),
            upstream("next", &[&bff.endpoint()], ""),
            route("home", "GET /tv/home/{profile} device=tv", "home", ""),
            route("mine", "GET /tv/mine", "home", "auth = \"partners\""),
            route("rest", "* /tv/{*rest}", "home", "priority = \"bulk\""),
        ],
    )
}

/// Writes the edge's files to a folder of their own, changed, and plans them against the edge.
async fn plan(edge: &Edge, changes: &[(&str, &str)], more: &[&str]) -> Ended {
    let folder = edge.folder();
    for file in ["headgate.toml", "routes.d/tv/main.toml"] {
        let mut text = std::fs::read_to_string(folder.path().join(file)).unwrap();
        for (from, to) in changes {
            text = text.replace(from, to);
        }
        folder.write(&format!("new/{file}"), text);
    }
    let admin = format!("http://{}", edge.admin());
    let arguments = ["plan", "--config", "new/headgate.toml", "--admin", &admin];
    edge::run(&[&arguments, more].concat(), folder).await
}

fn json(ended: &Ended) -> Value {
    let text = &ended.stdout;
    serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}\n{}", ended.stderr))
}

/// Waits until so many facts are kept, and returns them.
async fn facts(edge: &Edge, count: usize) -> Vec<Value> {
    let ends = tokio::time::Instant::now() + headgate_tests::PATIENCE;
    loop {
        let page: Value = edge.ask("/v1/facts?since=15m").await.json();
        let facts = page["facts"].as_array().unwrap();
        if facts.len() >= count {
            return facts.clone();
        }
        assert!(tokio::time::Instant::now() < ends, "only {facts:?}");
    }
}

#[tokio::test]
async fn same_configuration_changes_nothing() {
    let bff = Bff::ok().await;
    let edge = site(&bff, &platform()).start().await;

    let ended = plan(&edge, &[], &[]).await;

    assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.starts_with("no changes"), "{}", ended.stdout);
}

#[tokio::test]
async fn each_change_has_its_class() {
    let bff = Bff::ok().await;
    let edge = site(&bff, &platform()).start().await;
    let changes = [
        ("[edge]", "[edge]\ntimeout = \"20s\"\nthreads = 3"),
        ("[route.mine]", "[route.my]"),
        ("to = \"home\"\npriority", "to = \"next\"\npriority"),
    ];

    let ended = plan(&edge, &changes, &["--json"]).await;

    assert_eq!(ended.code(), 1, "{}{}", ended.stdout, ended.stderr);
    let plan = json(&ended);
    let found: Vec<_> = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            format!("{} {}", change["class"].as_str().unwrap(), change["what"].as_str().unwrap())
        })
        .collect();
    let expected = [
        "hand-over edge.threads",
        "hot edge.timeout",
        "drain team.tv.route.mine",
        "hot team.tv.route.my",
        "drain team.tv.route.rest.to",
    ];
    assert_eq!(found, expected, "{plan}");
    assert_ne!(plan["old"], plan["new"]);
}

#[tokio::test]
async fn replay_tells_which_requests_notice() {
    let bff = Bff::ok().await;
    let edge = site(&bff, &platform()).start().await;
    for profile in ["ada", "bob", "eve"] {
        edge.send(get(&format!("/tv/home/{profile}")).header("x-app", "tv/7")).await;
        edge.send(get(&format!("/tv/home/{profile}")).header("x-app", "ios/7")).await;
    }
    edge.send(get("/tv/mine").header("x-api-key", KEY)).await;
    edge.send(get("/away")).await;
    facts(&edge, 8).await;
    let changes = [
        ("device=tv\"\nto = \"home\"", "device=tv\"\nto = \"next\""),
        ("auth = \"partners\"", "auth = \"none\""),
    ];

    let ended = plan(&edge, &changes, &["--replay", "15m"]).await;
    assert_eq!(ended.code(), 1, "{}{}", ended.stdout, ended.stderr);
    let told = "replay of 15m: 4 of 8 requests change: 3 tv/home: upstream home → next, \
        1 tv/mine: authentication partners → none; 1 lose authentication\n";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);

    let ended = plan(&edge, &changes, &["--replay", "15m", "--json"]).await;
    let replay = &json(&ended)["replay"];
    assert_eq!((&replay["requests"], &replay["changed"]), (&8.into(), &4.into()), "{replay}");
    assert_eq!(replay["authentication"]["lost"], 1, "{replay}");
    assert_eq!(replay["groups"][0]["requests"], 3, "{replay}");
    let example = replay["groups"][0]["examples"][0].as_str().unwrap();
    assert!(example.ends_with("/tv/home/ada"), "{example}");
    assert_eq!(replay["routed_otherwise"], 0, "{replay}");
}

#[tokio::test]
async fn replay_says_what_it_cannot_tell() {
    let bff = Bff::ok().await;
    let edge = site(&bff, &platform()).start().await;
    edge.send(get("/tv/home/ada").header("x-app", "tv/7")).await;
    edge.send(get("/tv/list")).await;
    facts(&edge, 2).await;
    let changes = [("device=tv", "device=tv header.x-beta")];

    let ended = plan(&edge, &changes, &["--replay", "15m"]).await;

    assert_eq!(ended.code(), 1, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("1 can't be told"), "{}", ended.stdout);
    assert!(ended.stdout.contains("header x-beta"), "{}", ended.stdout);
}

#[tokio::test]
async fn facts_and_explain_and_the_edge_agree() {
    let bff = Bff::ok().await;
    let edge = site(&bff, &platform()).start().await;
    for (method, path, app) in [
        ("GET", "/tv/home/ada", "tv/7"),
        ("GET", "/tv/home/ada", "ios/7"),
        ("POST", "/tv/home/ada", "tv/7"),
        ("GET", "/tv/mine", "tv/7"),
        ("GET", "/away", "tv/7"),
    ] {
        let reply = edge.send(call(method, path).header("x-app", app)).await;
        edge.access_line(reply.trace_id()).await;
    }
    for fact in facts(&edge, 5).await {
        let (method, path) = (fact["method"].as_str().unwrap(), fact["path"].as_str().unwrap());
        let header = format!("x-app: {}", fact["read"]["header x-app"].as_str().unwrap());
        let url = format!("http://{}{path}", fact["host"].as_str().unwrap());
        let arguments =
            ["explain", "--config", "headgate.toml", method, &url, "-H", &header, "--json"];
        let explained = json(&edge::run(&arguments, edge.folder()).await);
        assert_eq!(explained["device"]["value"], fact["device"], "{fact}");
        let route = explained["route"]["value"].as_str().map(|route| format!("tv/{route}"));
        assert_eq!(route.as_deref(), fact["route"].as_str(), "{fact}");
        let lines = edge.access_lines();
        let line = lines.iter().find(|line| {
            line["path"] == path && line["method"] == method && line["device"] == fact["device"]
        });
        let line = line.unwrap_or_else(|| panic!("{fact} in {lines:?}"));
        let live = line["route"].as_str().map(|route| format!("tv/{route}"));
        assert_eq!(live, route, "{line}");
    }
}

#[tokio::test]
async fn facts_hold_no_credential_and_outlast_the_process() {
    let bff = Bff::ok().await;
    let mut edge = site(&bff, &platform()).start().await;
    edge.send(get("/tv/mine").header("x-api-key", KEY).header("cookie", "session=s3cr3t")).await;
    let kept = facts(&edge, 1).await;
    let text = Value::from(kept).to_string();
    assert!(!text.contains("s3cr3t"), "{text}");
    assert!(text.contains("\"caller\":\"verified\""), "{text}");

    edge.terminate();
    edge.ended().await;
    let mut command = std::process::Command::new(edge::binary());
    command.args(["run", "--config", "headgate.toml"]).current_dir(edge.folder().path());
    let again = edge::start_command(command, Folder::default()).await;
    facts(&again, 1).await;
}

#[tokio::test]
async fn facts_are_kept_where_they_are_wanted() {
    let bff = Bff::ok().await;
    let kept_for = async |platform: &str| {
        let edge = site(&bff, platform).start().await;
        edge.send(get("/tv/list")).await;
        let page: Value = edge.ask("/v1/facts?since=15m").await.json();
        (page["kept_for"].clone(), plan(&edge, &[], &["--replay", "15m"]).await.stdout)
    };

    let (length, told) = kept_for(&platform()).await;
    assert_eq!(length, "15m", "{told}");
    let longer = platform().replace("[data]", "[data]\nfacts = \"1h\"");
    assert_eq!(kept_for(&longer).await.0, "1h");
    let none = platform().replace("[data]", "[data]\nfacts = \"0s\"");
    let (length, told) = kept_for(&none).await;
    assert_eq!(length, Value::Null);
    assert!(told.contains("keeps no facts"), "{told}");

    let too_long = platform().replace("[data]", "[data]\nfacts = \"2h\"");
    let ended = site(&bff, &too_long).run().await;
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr.contains("facts = \"2h\""), "{}", ended.stderr);
    assert!(ended.stderr.contains("longer than 1h"), "{}", ended.stderr);
}

#[tokio::test]
async fn plan_against_a_file_needs_no_edge() {
    let bff = Bff::ok().await;
    let site = site(&bff, &platform());
    let folder = site.write();
    let arguments = ["plan", "--config", "headgate.toml", "--against", "headgate.toml"];

    assert_eq!(edge::run(&arguments, folder).await.code(), 0);
    let text = std::fs::read_to_string(folder.path().join("headgate.toml")).unwrap();
    folder.write("next.toml", text.replace("[edge]", "[edge]\ntimeout = \"7s\""));
    let arguments = ["plan", "--config", "next.toml", "--against", "headgate.toml"];
    let ended = edge::run(&arguments, folder).await;
    assert_eq!(ended.code(), 1, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("edge.timeout"), "{}", ended.stdout);
}

#[tokio::test]
async fn invalid_plan_is_2_and_one_for_nobody_is_3() {
    let bff = Bff::ok().await;
    let edge = site(&bff, &platform()).start().await;
    let ended = plan(&edge, &[("to = \"home\"", "to = \"nowhere\"")], &[]).await;
    assert_eq!(ended.code(), 2, "{}", ended.stdout);
    assert!(ended.stderr.contains("nowhere"), "{}", ended.stderr);

    let gone = format!("http://{}", headgate_tests::bff::refusing());
    let arguments = ["plan", "--config", "headgate.toml", "--admin", &gone];
    let ended = edge::run(&arguments, edge.folder()).await;
    assert_eq!(ended.code(), 3, "{}{}", ended.stdout, ended.stderr);
}

#[tokio::test]
async fn guide_leads_to_a_reviewed_change() {
    let script = readme::blocks(&readme::page("docs/guides/review-a-plan.md"), "sh").concat();
    assert!(script.contains("headgate plan"), "the guide has lost its commands");

    let printed = readme::run(readme::on_free_ports(script), &Folder::default()).await;

    for told in [
        "no changes",
        "drain",
        "upstream home → home-next",
        "20 of 30 requests change",
        "0 lose authentication",
        "hot",
    ] {
        assert!(printed.contains(told), "{told} was never seen:\n{printed}");
    }
}
