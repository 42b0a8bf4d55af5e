//! What keeps an edge from starting is one line that says what and where, and exit code 2.

use headgate_tests::{Bff, Ended, Site, identity::ACCOUNTS, tls::Authority, upstream};
use tokio::net::TcpListener;

/// Exit code 2, and every word is said.
fn refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code(), 2, "{}\n{}", ended.stdout, ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "{word:?} is not in:\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert!(!ended.stdout.contains("headgate ready"), "{}", ended.stdout);
}

fn one_line(ended: &Ended) {
    assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{}", ended.stderr);
}

#[tokio::test]
async fn busy_port_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let bff = Bff::ok().await;

    let ended = Site::to(&bff).listen(&format!("[\"127.0.0.1:0\", \"{address}\"]")).run().await;

    refused(&ended, &[&address, "edge.listen"]);
    one_line(&ended);
}

#[tokio::test]
async fn busy_admin_port_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let bff = Bff::ok().await;

    let ended = Site::to(&bff).admin(&address).run().await;

    refused(&ended, &[&address, "admin.listen"]);
    one_line(&ended);
}

fn with_tls(cert: &str, key: &str) -> String {
    format!(
        "[edge]\nlisten = [\"127.0.0.1:0\"]\n\
         tls = {{ listen = [\"127.0.0.1:0\"], cert = \"{cert}\", key = \"{key}\" }}\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n"
    )
}

#[tokio::test]
async fn certificate_that_cannot_be_used_names_its_key() {
    let authority = Authority::default();
    let (one, two) = (authority.issue("one.example"), authority.issue("two.example"));
    let site = || {
        Site::new()
            .file("one.pem", &one.cert_pem)
            .file("one.key", &one.key_pem)
            .file("two.key", &two.key_pem)
            .file("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            .file("text.pem", "no certificate at all\n")
            .file("empty.pem", "")
    };
    for (cert, key, words) in [
        ("missing.pem", "one.key", ["cert", "missing.pem"]),
        ("one.pem", "missing.key", ["key", "missing.key"]),
        ("garbage.pem", "one.key", ["cert", "garbage.pem"]),
        ("text.pem", "one.key", ["cert", "text.pem"]),
        ("empty.pem", "one.key", ["cert", "empty.pem"]),
        ("one.pem", "text.pem", ["key", "text.pem"]),
        ("one.pem", "two.key", ["key", "two.key"]),
    ] {
        let ended = site().headgate_toml(&with_tls(cert, key)).run().await;
        refused(&ended, &words);
        assert!(!ended.stderr.contains("PRIVATE"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn key_set_that_cannot_be_used_names_its_key() {
    for (what, text) in [
        ("garbage", "no JSON"),
        ("other JSON", "[1, 2]"),
        ("no keys", "{\"keys\": []}"),
        ("unusable keys", "{\"keys\": [{\"kty\": \"oct\", \"k\": \"c2VjcmV0\"}]}"),
    ] {
        let ended = Site::new().platform(ACCOUNTS).file("jwks.json", text).run().await;
        refused(&ended, &["jwks_file", "jwks.json", "headgate.toml"]);
        assert!(!ended.stderr.contains("c2VjcmV0"), "{what}: {}", ended.stderr);
    }
    let ended = Site::new().platform(ACCOUNTS).run().await;
    refused(&ended, &["jwks_file", "jwks.json"]);
}

#[tokio::test]
async fn faults_are_found_before_a_socket_is_opened() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let bff = Bff::ok().await;

    let ended = Site::to(&bff)
        .listen(&format!("[\"{address}\"]"))
        .edge("max_bodies = \"1MiB\"")
        .run()
        .await;

    refused(&ended, &["max_bodies", "headgate.toml"]);
    assert!(!ended.stderr.contains("can't listen"), "{}", ended.stderr);
}

#[tokio::test]
async fn all_faults_are_told_at_once_with_their_places() {
    let bff = Bff::ok().await;
    let ended = Site::to(&bff)
        .edge("max_body = \"one\"\nthreads = 0")
        .team(
            "tv",
            &[
                "[route.lost]\nmatch = \"GET /tv/lost\"\nto = \"nowhere\"\n".to_owned(),
                "[route.slow]\nmatch = \"GET /tv/slow\"\nto = \"home\"\ntimeout = \"soon\"\n"
                    .to_owned(),
            ],
        )
        .run()
        .await;

    refused(
        &ended,
        &["headgate.toml", "max_body", "threads", "main.toml", "nowhere", "timeout", "soon", "^"],
    );
}

#[tokio::test]
async fn routes_that_tie_are_refused_with_both_places() {
    let bff = Bff::ok().await;
    let routes = |name: &str| {
        vec![
            upstream("home", &[&bff.endpoint()], ""),
            headgate_tests::route(name, "GET /x/{id}", "home", ""),
        ]
    };
    let ended = Site::new().team("tv", &routes("one")).team("web", &routes("two")).run().await;

    refused(&ended, &["routes.d/tv/main.toml", "routes.d/web/main.toml", "/x/{id}"]);
}

#[tokio::test]
async fn route_outside_its_teams_claim_is_refused() {
    let bff = Bff::ok().await;
    let ended = Site::new()
        .platform("[team.tv]\nclaims = [{ host = \"*\", prefix = \"/tv/\" }]")
        .team(
            "tv",
            &[
                upstream("home", &[&bff.endpoint()], ""),
                headgate_tests::route("greedy", "GET /web/x", "home", ""),
            ],
        )
        .run()
        .await;

    refused(&ended, &["routes.d/tv/main.toml", "/web/x", "/tv/"]);
}

#[tokio::test]
async fn paths_of_the_edge_cannot_be_claimed() {
    let bff = Bff::ok().await;
    let ended = Site::new()
        .team(
            "tv",
            &[
                upstream("home", &[&bff.endpoint()], ""),
                headgate_tests::route("own", "GET /_headgate/whoami", "home", ""),
            ],
        )
        .run()
        .await;

    refused(&ended, &["/_headgate/"]);
}

#[tokio::test]
async fn nothing_is_opened_but_the_listeners() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    // Pingora's own defaults are a socket and a file in the system's temporary folder, which a
    // second edge on the machine would share.
    let fds = std::fs::read_dir(format!("/proc/{}/fd", edge.pid())).unwrap();
    let open: Vec<_> = fds
        .filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok())
        .map(|target| target.display().to_string())
        .collect();
    let unix = std::fs::read_to_string(format!("/proc/{}/net/unix", edge.pid())).unwrap();
    for line in unix.lines().filter(|line| line.contains('/')) {
        let inode = line.split_whitespace().nth(6).unwrap();
        assert!(!open.contains(&format!("socket:[{inode}]")), "{line}");
    }
    assert!(!open.iter().any(|path| path.contains("pingora")), "{open:?}");
}

#[tokio::test]
async fn missing_file_is_named() {
    let folder = headgate_tests::Folder::default();
    let ended = headgate_tests::edge::run(&["run", "--config", "elsewhere.toml"], &folder).await;

    refused(&ended, &["elsewhere.toml"]);
}
