//! Files that change are in force a moment later, and a mistake in one harms nobody else.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use headgate_tests::{
    Bff, Client, Edge, Site, edge, get, post, route, upstream,
    websocket::{CLOSE, TEXT, echo, handshake, masked, read_frame},
};
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::time::Instant;

/// A change is in force within this time.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(1);
/// A started edge is ready within this time, even after a kill.
const READY_WITHIN: Duration = Duration::from_secs(20);

const TV: &str = "routes.d/tv/main.toml";
const WEB: &str = "routes.d/web/main.toml";

fn team(name: &str, bff: &Bff, routes: &[(&str, &str)]) -> String {
    let mut text = format!("team = \"{name}\"\n{}", upstream("home", &[&bff.endpoint()], ""));
    for (name, path) in routes {
        text.push_str(&route(name, &format!("GET {path}"), "home", ""));
    }
    text
}

/// Two teams with a route each, and a folder for what lasts.
fn site(bff: &Bff) -> Site {
    let home =
        |name| [upstream("home", &[&bff.endpoint()], ""), route(name, "GET /NAME", "home", "")];
    let tables = |name: &str| home("a").map(|table| table.replace("/NAME", &format!("/{name}/a")));
    Site::new()
        .platform("[data]\ndir = \"data\"")
        .team("tv", &tables("tv"))
        .team("web", &tables("web"))
}

async fn status(edge: &Edge, path: &str) -> u16 {
    edge.send(get(path)).await.status
}

/// State and first fault of a part.
fn part<'c>(config: &'c Value, name: &str) -> (&'c str, &'c str) {
    let parts = config["parts"].as_array().unwrap();
    let part = parts.iter().find(|part| part["name"] == name).unwrap_or(&Value::Null);
    let fault = part["faults"][0]["at"].as_str().unwrap_or_default();
    (part["state"].as_str().unwrap_or_default(), fault)
}

#[tokio::test]
async fn file_that_changes_is_in_force_within_its_time() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    assert_eq!(status(&edge, "/tv/new").await, 404);
    // Warms up whatever the first change has to.
    let before = edge.config().await;
    edge.folder().write(TV, team("tv", &bff, &[("a", "/tv/a"), ("b", "/tv/b")]));
    let before = edge.config_changes(&before).await;

    let began = Instant::now();
    edge.folder().write(TV, team("tv", &bff, &[("a", "/tv/a"), ("new", "/tv/new")]));
    let config = edge.config_changes(&before).await;
    let took = began.elapsed();

    assert_eq!(status(&edge, "/tv/new").await, 200);
    assert_eq!(status(&edge, "/tv/b").await, 404);
    assert!(took < IN_FORCE_WITHIN, "{took:?}");
    assert_eq!(config["loaded"], "applied");
    assert_eq!(config["watching"], "events");
    edge.metrics_show("the digest in force", |metrics| {
        metrics.values("digest") == [config["digest"].as_str().unwrap()]
    })
    .await;
}

#[tokio::test]
async fn file_that_is_deleted_takes_its_routes_along() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    let before = edge.config().await;

    fs::remove_file(edge.folder().path().join(TV)).unwrap();
    edge.config_changes(&before).await;

    assert_eq!((status(&edge, "/tv/a").await, status(&edge, "/web/a").await), (404, 200));
}

#[tokio::test]
async fn folder_of_a_new_team_is_followed() {
    let bff = Bff::ok().await;
    let edge = site(&bff).platform("[team.ios]\nclaims = [{ host = \"*\", prefix = \"/ios/\" }]");
    let edge = edge.start().await;
    let before = edge.config().await;
    let main = "routes.d/ios/main.toml";
    edge.folder().write(main, team("ios", &bff, &[("a", "/ios/a")]));
    let before = edge.config_changes(&before).await;
    assert_eq!(status(&edge, "/ios/a").await, 200);

    edge.folder().write(main, team("ios", &bff, &[("b", "/ios/b")]));
    edge.config_changes(&before).await;

    assert_eq!(status(&edge, "/ios/b").await, 200);
}

#[tokio::test]
async fn bad_team_file_leaves_that_team_on_its_last_good_version() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    for bad in ["", "team = \"tv\"\n[upstream.ho", "odd = 1", "team = \"tv\"\nodd = 1\n"] {
        edge.folder().write(TV, bad);
        let config =
            edge.config_shows("tv at fault", |config| part(config, "tv").0 == "last_good").await;
        assert!(part(&config, "tv").1.contains("routes.d/tv/main.toml"), "{config:#}");
        assert_eq!(part(&config, "web"), ("current", ""));
        assert_eq!(config["loaded"], "degraded");
        assert_eq!((status(&edge, "/tv/a").await, status(&edge, "/web/a").await), (200, 200));
        edge.metrics_show("tv at fault", |metrics| {
            let is_ok = |team| metrics.sum("headgate_config_part_ok_flag", &[("team", team)]);
            (is_ok("tv"), is_ok("web")) == (0, 1)
        })
        .await;

        // Others go on changing theirs.
        let before = edge.config().await;
        let path = format!("/web/{}", bad.len());
        edge.folder().write(WEB, team("web", &bff, &[("a", "/web/a"), ("b", &path)]));
        edge.config_changes(&before).await;
        assert_eq!((status(&edge, &path).await, status(&edge, "/tv/a").await), (200, 200));
        assert!(edge.told().contains("team's files have faults"), "{}", edge.told());

        edge.folder().write(TV, team("tv", &bff, &[("a", "/tv/a")]));
        edge.config_shows("tv mended", |config| part(config, "tv").0 == "current").await;
    }
}

#[tokio::test]
async fn bad_platform_file_changes_nothing() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    let before = edge.config().await;
    let good = fs::read_to_string(edge.folder().path().join("headgate.toml")).unwrap();
    for bad in [format!("{good}\n[edge"), format!("{good}\n[odd]\n"), String::new()] {
        edge.folder().write("headgate.toml", &bad);
        let config = edge.config_shows("rejected", |config| config["loaded"] == "rejected").await;
        assert_eq!(config["digest"], before["digest"]);
        assert_eq!(config["since"], before["since"]);
        assert_eq!(part(&config, "_platform").0, "last_good");
        assert_eq!((status(&edge, "/tv/a").await, status(&edge, "/web/a").await), (200, 200));

        edge.folder().write("headgate.toml", &good);
        edge.config_shows("mended", |config| part(config, "_platform").0 == "current").await;
    }
    let metrics = edge.metrics().await;
    let rejected = metrics.sum("headgate_config_ended_reloads_total", &[("result", "rejected")]);
    assert!(rejected >= 3, "{rejected}");
}

#[tokio::test]
async fn sighup_loads_the_files() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    let loads = |config: &Value| config["loaded_at"].clone();
    let before = edge.config().await;

    edge.signal(Signal::SIGHUP);

    edge.config_shows("a later load", |config| loads(config) != loads(&before)).await;
    assert_eq!(status(&edge, "/tv/a").await, 200);
}

#[tokio::test]
async fn value_of_the_edge_itself_changes_without_a_restart() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("max_body = \"8KiB\"").start().await;
    let before = edge.config().await;
    let path = edge.folder().path().join("headgate.toml");
    let text = fs::read_to_string(&path).unwrap();
    let large = || post("/tv/a", vec![0; 6_000]);
    assert_eq!(edge.send(large()).await.status, 200);

    edge.folder().write(
        "headgate.toml",
        text.replace("8KiB", "4KiB").replace("[edge]", "[edge]\nthreads = 3"),
    );
    let config = edge.config_changes(&before).await;

    assert_eq!(edge.send(large()).await.status, 413);
    assert_eq!(config["waits_for_hand_over"], serde_json::json!(["edge.threads"]));
}

#[tokio::test]
async fn broken_files_do_not_keep_an_edge_from_starting_again() {
    let bff = Bff::ok().await;
    let edge = site(&bff).start().await;
    edge.folder().write(TV, "team = \"tv\"\nodd = 1\n");
    edge.config_shows("tv at fault", |config| part(config, "tv").0 == "last_good").await;

    let began = Instant::now();
    let edge = edge.kill_and_start().await;
    assert!(began.elapsed() < READY_WITHIN);
    assert_eq!(edge.ask("/readyz").await.status, 200);
    assert_eq!((status(&edge, "/tv/a").await, status(&edge, "/web/a").await), (200, 200));
    assert_eq!(part(&edge.config().await, "tv").0, "last_good");

    let good = fs::read_to_string(edge.folder().path().join("headgate.toml")).unwrap();
    edge.folder().write("headgate.toml", format!("{good}\n[edge"));
    let edge = edge.kill_and_start().await;
    assert_eq!((status(&edge, "/tv/a").await, status(&edge, "/web/a").await), (200, 200));
    assert_eq!(part(&edge.config().await, "_platform").0, "last_good");
    assert!(edge.told().contains("platform's file has faults"), "{}", edge.told());
}

#[tokio::test]
async fn bad_team_file_at_the_first_start_is_that_teams_loss_alone() {
    let bff = Bff::ok().await;
    let tv = [route("lost", "GET /tv/lost", "nowhere", "")];
    let web = [upstream("home", &[&bff.endpoint()], ""), route("a", "GET /web/a", "home", "")];
    let edge = Site::new().team("tv", &tv).team("web", &web).start().await;

    assert_eq!((status(&edge, "/tv/lost").await, status(&edge, "/web/a").await), (404, 200));
    assert_eq!(part(&edge.config().await, "tv").0, "absent");
    assert!(edge.told().contains("nowhere"), "{}", edge.told());
}

#[tokio::test]
async fn strict_start_refuses_what_another_would_work_around() {
    let bff = Bff::ok().await;
    let tv = [route("lost", "GET /tv/lost", "nowhere", "")];
    let web = [upstream("home", &[&bff.endpoint()], ""), route("a", "GET /web/a", "home", "")];
    let site = Site::new().team("tv", &tv).team("web", &web);
    let arguments = ["run", "--strict", "--config", "headgate.toml"];

    let ended = edge::run(&arguments, site.write()).await;

    assert_eq!(ended.code(), 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("nowhere"), "{}", ended.stderr);
}

/// Reloads of the storm, good and bad mixed. The whole one is of a thousand.
fn storm_size() -> usize {
    let size = std::env::var("HEADGATE_STORM_RELOADS").ok();
    size.and_then(|size| size.parse().ok()).unwrap_or(60)
}

/// Opens a WebSocket and says something on it.
async fn socket(edge: &Edge, path: &str) -> headgate_tests::Raw {
    let mut raw = edge.raw().await;
    raw.send(handshake(path)).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 101 "));
    raw.send(masked(TEXT, b"hello")).await;
    assert_eq!(read_frame(&mut raw).await, (TEXT, b"hello".to_vec()));
    raw
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storm_of_reloads_fails_no_request_and_keeps_every_socket_that_has_a_route() {
    let (bff, sockets) = (Bff::ok().await, Bff::raw(echo).await);
    let files = |extra: &str| {
        let far = upstream("far", &[&sockets.endpoint()], "");
        let mut text = team("tv", &bff, &[("a", "/tv/a")]);
        text.push_str(&far);
        text.push_str(&route("stays", "GET /tv/stays", "far", ""));
        text.push_str(extra);
        text
    };
    let goes = route("goes", "GET /tv/goes", "far", "");
    let edge = site(&bff).edge("drain = { deadline = \"8s\" }").start().await;
    let before = edge.config().await;
    edge.folder().write(TV, files(&goes));
    edge.config_changes(&before).await;
    let (mut stays, mut goes) = (socket(&edge, "/tv/stays").await, socket(&edge, "/tv/goes").await);

    let is_over = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let mut callers = Vec::new();
    for path in ["/tv/a", "/web/a", "/tv/a", "/web/a"] {
        let (is_over, served, address) = (Arc::clone(&is_over), Arc::clone(&served), edge.plain());
        callers.push(tokio::spawn(async move {
            let mut client = Client::h1(address).await;
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(client.send(get(path)).await.status, 200, "{path}");
                served.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let good = fs::read_to_string(edge.folder().path().join("headgate.toml")).unwrap();
    for number in 0..storm_size() {
        let before = edge.config().await;
        let loads = |config: &Value| config["loaded_at"].clone();
        match number % 5 {
            0 => edge.folder().write(TV, "team = \"tv\"\n[upstream.ho"),
            1 => edge.folder().write("headgate.toml", format!("{good}\n[edge")),
            2 => edge.folder().write("headgate.toml", &good),
            3 => edge.folder().write(
                WEB,
                team("web", &bff, &[("a", "/web/a"), ("n", &format!("/web/{number}"))]),
            ),
            _ => edge
                .folder()
                .write(TV, files(&route("n", &format!("GET /tv/{number}"), "home", ""))),
        };
        edge.signal(Signal::SIGHUP);
        edge.config_shows("a later load", |config| loads(config) != loads(&before)).await;
        if number % 5 == 4 {
            let path = format!("/tv/{number}");
            let last = path.clone();
            headgate_tests::within("the route in force", async {
                while status(&edge, &last).await != 200 {}
            })
            .await;
            assert_eq!(status(&edge, &path).await, 200);
        }
    }
    is_over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }

    assert!(served.load(Ordering::Relaxed) > storm_size());
    assert_eq!(read_frame(&mut goes).await, (CLOSE, 1001_u16.to_be_bytes().to_vec()));
    stays.send(masked(TEXT, b"still here")).await;
    assert_eq!(read_frame(&mut stays).await, (TEXT, b"still here".to_vec()));
}
