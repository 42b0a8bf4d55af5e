//! Teams route what is theirs, or was given to them.

use std::{fs, time::SystemTime};

use headgate_tests::{Bff, Site, edge, get, route, upstream};
use headgate_types::UnixTime;
use serde_json::Value;

const TV: &str = "[[device]]\nname = \"tv\"\nwhen = [\"header x-app ~ '^tv/'\"]\n";

/// A team's upstream and one route to it.
fn tables(bff: &Bff, pattern: &str, more: &str) -> [String; 2] {
    [upstream("home", &[&bff.endpoint()], ""), route("r", pattern, "home", more)]
}

#[tokio::test]
async fn route_for_other_devices_than_claimed_is_refused() {
    let bff = Bff::ok().await;
    let site = |pattern: &str| {
        let claims = "[team.tv]\nclaims = [{ prefix = \"/\", devices = [\"tv\"] }]";
        Site::new().platform(TV).platform(claims).team("tv", &tables(&bff, pattern, ""))
    };

    let ended = site("GET /x").run().await;
    assert_eq!(ended.code(), 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("device=tv"), "{}", ended.stderr);
    let edge = site("GET /x device=tv").start().await;
    assert_eq!(edge.send(get("/x").header("x-app", "tv/7")).await.status, 200);
}

#[tokio::test]
async fn claims_of_two_teams_on_one_request_are_refused_with_both_owners() {
    let site = |other: &str| {
        Site::new().platform(&format!(
            "[team.tv]\nclaims = [{{ prefix = \"/tv/\" }}]\n\
             [team.ads]\nclaims = [{{ host = \"a.example\", prefix = \"{other}\" }}]"
        ))
    };

    for other in ["/tv/", "/tv/ads/", "/"] {
        let ended = site(other).run().await;
        assert_eq!(ended.code(), 2, "{other}: {}", ended.stderr);
        for words in ["HG1021", "\"tv\"", "\"ads\"", "a.example"] {
            assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
        }
    }
    site("/ads/").start().await;
}

/// Team `tv` claims `/tv/` and delegates; team `ads` has one route.
fn delegating(bffs: [&Bff; 2], delegation: &str, pattern: &str) -> Site {
    Site::new()
        .platform(&format!(
            "[team.tv]\nclaims = [{{ prefix = \"/tv/\" }}]\ndelegate = [{{ {delegation} }}]\n\
             [team.ads]\n[team.web]"
        ))
        .team("tv", &tables(bffs[0], "GET /tv/{*rest}", ""))
        .team("ads", &tables(bffs[1], pattern, ""))
}

#[tokio::test]
async fn delegated_part_is_routed_by_the_other_team() {
    let (tv, ads) = (Bff::saying("tv").await, Bff::saying("ads").await);
    let site = |delegation: &str| delegating([&tv, &ads], delegation, "GET /tv/ads/{*rest}");

    let edge = site("prefix = \"/tv/ads/\", to = \"ads\"").start().await;
    assert_eq!(edge.send(get("/tv/ads/1")).await.text(), "ads");
    assert_eq!(edge.send(get("/tv/home")).await.text(), "tv");
    for delegation in
        ["prefix = \"/tv/ads/\", to = \"web\"", "prefix = \"/tv/other/\", to = \"ads\""]
    {
        let ended = site(delegation).run().await;
        assert_eq!(ended.code(), 2, "{delegation}: {}", ended.stderr);
        assert!(ended.stderr.contains("HG1010"), "{delegation}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn delegated_part_is_on_its_host_alone() {
    let (tv, ads) = (Bff::saying("tv").await, Bff::saying("ads").await);
    let site = |host: &str| {
        let delegation = format!("host = \"{host}\", prefix = \"/tv/ads/\", to = \"ads\"");
        delegating([&tv, &ads], &delegation, "GET a.example/tv/ads/{*rest}")
    };

    assert_eq!(site("b.example").run().await.code(), 2);
    let edge = site("a.example").start().await;
    for (host, expected) in [("a.example", "ads"), ("b.example", "tv")] {
        let mut client = edge.h1().await.host(host);
        assert_eq!(client.send(get("/tv/ads/1")).await.text(), expected, "{host}");
    }
}

#[tokio::test]
async fn delegation_that_is_over_is_a_fault_of_its_routes() {
    let (tv, ads) = (Bff::saying("tv").await, Bff::saying("ads").await);
    let check = async |until: &str| {
        let delegation = format!("prefix = \"/tv/ads/\", to = \"ads\", until = {until}");
        let site = delegating([&tv, &ads], &delegation, "GET /tv/ads/{*rest}");
        edge::run(&["check", "--config", "headgate.toml"], site.write()).await
    };

    let over = check("2020-01-01").await;
    assert_eq!(over.code(), 2, "{}", over.stderr);
    for words in ["HG1022", "routes.d/ads/main.toml", "\"tv\""] {
        assert!(over.stderr.contains(words), "{words}: {}", over.stderr);
    }
    assert_eq!(check("2999-01-01").await.code(), 0);
}

#[tokio::test]
async fn delegation_that_ends_ends_in_a_running_edge_too() {
    let (tv, ads) = (Bff::saying("tv").await, Bff::saying("ads").await);
    let delegation = "prefix = \"/tv/ads/\", to = \"ads\", until = 2999-01-01";
    let edge = delegating([&tv, &ads], delegation, "GET /tv/ads/{*rest}").start().await;

    let soon = UnixTime::from_duration(SystemTime::UNIX_EPOCH.elapsed().unwrap()).as_secs() + 2;
    let soon = UnixTime::from_secs(soon).to_string();
    let file = edge.folder().path().join("headgate.toml");
    let ending = fs::read_to_string(file).unwrap().replace("2999-01-01", &format!("{soon:?}"));
    edge.folder().write("headgate.toml", ending);

    let ads_is_out = |config: &Value| {
        let part = config["parts"].as_array().unwrap().iter().find(|part| part["name"] == "ads");
        part.is_some_and(|part| part["state"] == "absent" && part.to_string().contains("HG1022"))
    };
    let config = edge.config_shows("the delegation is over", ads_is_out).await;
    assert!(config["loaded_at"].as_str() >= Some(soon.as_str()), "{config}");
    assert_eq!(edge.send(get("/tv/ads/1")).await.text(), "tv");
}

#[tokio::test]
async fn public_route_needs_its_teams_leave() {
    let bff = Bff::ok().await;
    let site = |public: bool| {
        let ceiling = format!("ceiling = {{ public = {public} }}");
        let claims = "[team.tv]\nclaims = [{ prefix = \"/\" }]";
        Site::new()
            .platform(&format!("{claims}\n{ceiling}"))
            .team("tv", &tables(&bff, "GET /x", "auth = \"none\""))
    };

    let ended = site(false).run().await;
    assert_eq!(ended.code(), 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("HG1011"), "{}", ended.stderr);
    assert_eq!(site(true).start().await.send(get("/x")).await.status, 200);
}
