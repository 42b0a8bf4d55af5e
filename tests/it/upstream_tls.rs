//! Endpoints are spoken to by TLS, and only if they are who they should be.

use headgate_tests::{
    Bff, Edge, Reply, Site,
    bff::{self, Handled, respond},
    eventually, get,
    tls::{Authority, Issued},
};
use http::Request;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::net::TcpListener;

const TV: &str = "routes.d/tv";

/// Says what the edge speaks.
async fn answer(request: Request<Incoming>) -> Handled {
    let scheme = request.uri().scheme_str().unwrap_or("none").to_owned();
    respond(200, format!("{:?} {scheme}", request.version()))
}

async fn bff(authority: &Authority, alpn: &[&str]) -> Bff {
    Bff::https(Authority::server(&authority.issue("127.0.0.1"), alpn, None), answer).await
}

/// A site whose team has the authority's certificate as `ca.pem`.
fn site(bff: &Bff, authority: &Authority, lines: &str) -> Site {
    Site::with_route(bff, lines, "").file(&format!("{TV}/ca.pem"), authority.root_pem())
}

async fn fails(edge: &Edge, code: &str, proxy_status: &str, result: &str) -> Reply {
    let reply = edge.send(get("/tv/x")).await;
    assert_eq!((reply.status, reply.outcome().as_str()), (502, "origin_connect"));
    assert_eq!(reply.problem()["code"], code, "{}", reply.text());
    assert!(reply.header("proxy-status").contains(proxy_status), "{reply:?}");
    let line = edge.access_line(reply.trace_id()).await;
    assert_eq!(line["attempts"][0]["result"], result, "{line:#}");
    reply
}

#[tokio::test]
async fn http_1_1_is_spoken_by_tls() {
    let authority = Authority::default();
    for alpn in [&["http/1.1"][..], &[], &["h2", "http/1.1"]] {
        let bff = bff(&authority, alpn).await;
        let edge = site(&bff, &authority, "tls = { ca = \"ca.pem\" }").start().await;
        assert_eq!(edge.send(get("/tv/x")).await.text(), "HTTP/1.1 none", "{alpn:?}");
    }
}

#[tokio::test]
async fn http_2_is_agreed_on_by_alpn() {
    let authority = Authority::default();
    let lines = "protocol = \"h2\"\ntls = { ca = \"ca.pem\" }";
    let good = bff(&authority, &["h2"]).await;
    let edge = site(&good, &authority, lines).start().await;
    assert_eq!(edge.send(get("/tv/x")).await.text(), "HTTP/2.0 https");

    for alpn in [&["http/1.1"][..], &[]] {
        let bff = bff(&authority, alpn).await;
        let edge = site(&bff, &authority, lines).start().await;
        fails(&edge, "HG0086", "tls_protocol_error", "tls").await;
    }
}

#[tokio::test]
async fn stranger_is_not_trusted() {
    let (authority, stranger) = (Authority::default(), Authority::default());
    let expired = authority.issue_expired("127.0.0.1");
    for issued in [stranger.issue("127.0.0.1"), authority.issue("other.example"), expired] {
        let bff = Bff::https(Authority::server(&issued, &[], None), answer).await;
        let edge = site(&bff, &authority, "tls = { ca = \"ca.pem\" }").start().await;
        fails(&edge, "HG0087", "tls_certificate_error", "untrusted").await;
    }
}

#[tokio::test]
async fn only_the_machines_authorities_are_trusted_unless_others_are_named() {
    let authority = Authority::default();
    let bff = bff(&authority, &[]).await;
    let store = |name: &str| {
        let site = Site::with_route(&bff, "tls = true", "").file(name, authority.root_pem());
        let path = site.write().path().join(name);
        site.environment("SSL_CERT_FILE", path.to_str().unwrap())
    };

    let edge = store("machine.pem").start().await;
    assert_eq!(edge.send(get("/tv/x")).await.status, 200);
    let other = Authority::default().root_pem().to_owned();
    let edge = store("machine.pem").file("machine.pem", other).start().await;
    fails(&edge, "HG0087", "tls_certificate_error", "untrusted").await;
}

#[tokio::test]
async fn another_name_may_be_expected() {
    let authority = Authority::default();
    let issued = authority.issue("home.internal");
    let bff = Bff::https(Authority::server(&issued, &[], None), answer).await;
    let lines = "tls = { ca = \"ca.pem\", server_name = \"home.internal\" }";
    let edge = site(&bff, &authority, lines).start().await;
    assert_eq!(edge.send(get("/tv/x")).await.status, 200);
}

#[tokio::test]
async fn nothing_is_verified_where_that_is_wanted() {
    let authority = Authority::default();
    let issued = authority.issue("other.example");
    let bff = Bff::https(Authority::server(&issued, &[], None), answer).await;
    let edge = site(&bff, &authority, "tls = { verify = false }").start().await;
    assert_eq!(edge.send(get("/tv/x")).await.status, 200);
}

async fn asking_bff(authority: &Authority, alpn: &[&str]) -> Bff {
    let issued = authority.issue("127.0.0.1");
    Bff::https(Authority::server(&issued, alpn, Some(authority)), answer).await
}

fn with_client(site: Site, issued: &Issued) -> Site {
    site.file(&format!("{TV}/edge.pem"), &issued.cert_pem)
        .file(&format!("{TV}/edge.key"), &issued.key_pem)
}

const MUTUAL: &str = "tls = { ca = \"ca.pem\", cert = \"edge.pem\", key = \"edge.key\" }";

#[tokio::test]
async fn edge_shows_its_certificate_to_endpoints_that_ask() {
    let authority = Authority::default();
    for (alpn, protocol) in [("http/1.1", ""), ("h2", "protocol = \"h2\"\n")] {
        let bff = asking_bff(&authority, &[alpn]).await;
        let lines = format!("{protocol}{MUTUAL}");
        let edge =
            with_client(site(&bff, &authority, &lines), &authority.issue("edge")).start().await;
        assert_eq!(edge.send(get("/tv/x")).await.status, 200, "{alpn}");

        let lines = format!("{protocol}tls = {{ ca = \"ca.pem\" }}");
        let edge = site(&bff, &authority, &lines).start().await;
        let reply = edge.send(get("/tv/x")).await;
        assert_eq!(reply.status, 502);
        // By TLS 1.3 the endpoint tells only after the handshake, and may break off first.
        let code = reply.problem()["code"].clone();
        assert!(code == "HG0086" || code == "HG0013", "{code}");
    }
}

#[tokio::test]
async fn endpoint_without_tls_is_told_apart_from_one_that_is_gone() {
    let authority = Authority::default();
    let plain = Bff::raw(|mut connection| async move {
        connection.piece().await;
        connection.write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    let edge = site(&plain, &authority, "tls = { ca = \"ca.pem\" }").start().await;
    fails(&edge, "HG0086", "tls_protocol_error", "tls").await;

    let gone = bff::refusing();
    let edge = Site::to_endpoints(&[&gone], "tls = { ca = \"ca.pem\" }", "")
        .file(&format!("{TV}/ca.pem"), authority.root_pem())
        .start()
        .await;
    fails(&edge, "HG0012", "connection_refused", "connect").await;
}

#[tokio::test]
async fn half_a_handshake_ends_with_the_time_to_connect() {
    let authority = Authority::default();
    // Takes connections into its queue and never reads.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let lines = "connect_timeout = \"300ms\"\ntls = { ca = \"ca.pem\" }";
    let edge = Site::to_endpoints(&[&silent.local_addr().unwrap().to_string()], lines, "")
        .file(&format!("{TV}/ca.pem"), authority.root_pem())
        .start()
        .await;
    fails(&edge, "HG0012", "connection_refused", "connect").await;
}

fn team(status: &Value) -> &Value {
    &status["parts"][1]
}

#[tokio::test]
async fn files_that_change_are_read_again_and_a_bad_pair_keeps_the_old_one() {
    let (authority, next) = (Authority::default(), Authority::default());
    let bff = asking_bff(&authority, &[]).await;
    let edge = with_client(site(&bff, &authority, MUTUAL), &authority.issue("edge")).start().await;
    assert_eq!(edge.send(get("/tv/x")).await.status, 200);
    let before = edge.config().await;

    edge.folder().write(&format!("{TV}/edge.key"), "no key");
    let held = edge.config_shows("a held pair", |config| config["loaded"] == "degraded").await;
    assert_eq!(team(&held)["faults"][0]["code"], "HG1060", "{held:#}");
    assert_eq!((&team(&held)["state"], &held["digest"]), (&"current".into(), &before["digest"]));
    assert_eq!(edge.send(get("/tv/x")).await.status, 200);
    eventually("it is told", || edge.told().contains("the last good one stays").then_some(()))
        .await;
    edge.metrics_show("the part is not as its files", |metrics| {
        metrics.sum("headgate_config_part_ok_flag", &[("team", "tv")]) == 0
    })
    .await;

    let other = authority.issue("edge");
    edge.folder().write(&format!("{TV}/edge.pem"), &other.cert_pem);
    edge.folder().write(&format!("{TV}/edge.key"), &other.key_pem);
    let whole = edge.config_shows("the new pair", |config| config["loaded"] == "applied").await;
    assert_ne!(whole["digest"], before["digest"]);
    assert_eq!(edge.send(get("/tv/x")).await.status, 200);

    edge.folder().write(&format!("{TV}/ca.pem"), next.root_pem());
    edge.config_changes(&whole).await;
    fails(&edge, "HG0087", "tls_certificate_error", "untrusted").await;
}

#[tokio::test]
async fn files_of_a_team_lie_in_its_folder() {
    let authority = Authority::default();
    let issued = authority.issue("edge");
    for (line, words) in [
        ("tls = { ca = \"../../ca.pem\" }", "lies outside the folder"),
        ("tls = { ca = \"/etc/hostname\" }", "lies outside the folder"),
        ("tls = { ca = \"gone.pem\" }", "does not exist"),
        ("tls = { ca = \"edge.key\" }", "no authority"),
        ("tls = { cert = \"edge.pem\" }", "`cert` without `key`"),
        ("tls = { key = \"edge.key\" }", "`key` without `cert`"),
        ("tls = { ca = \"edge.pem\", verify = false }", "no effect"),
        ("protocol = \"h2\"", "there is no `tls`"),
        ("protocol = \"h2c\"\ntls = true", "without TLS"),
    ] {
        let site = with_client(Site::to_endpoints(&["127.0.0.1:1"], line, ""), &issued);
        let ended = site.file("ca.pem", authority.root_pem()).run().await;
        assert_eq!(ended.status.code(), Some(2), "{line}: {}", ended.stderr);
        assert!(ended.stderr.replace('\n', " ").contains(words), "{line}: {}", ended.stderr);
    }
}
