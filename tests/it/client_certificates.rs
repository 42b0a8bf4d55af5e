//! Clients that are known by their certificates.

use headgate_tests::{
    Bff, Client, Site, get,
    identity::verify_passport,
    route,
    tls::{Authority, Issued},
    upstream,
};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

const NAME: &str = "edge.example";

/// A site that knows devices by their certificates, where `lines` say how.
fn site(bff: &Bff, authority: &Authority, by: &str, members: &str) -> Site {
    Site::with_route(bff, "", "auth = \"devices\"")
        .tls(authority, &[NAME])
        .tls_members(&format!("client_ca = \"clients.pem\"{members}"))
        .file("clients.pem", authority.root_pem())
        .platform(&format!("[identity.devices]\nclient_cert = \"{by}\"\n"))
}

async fn client(edge: &headgate_tests::Edge, authority: &Authority, shown: &Issued) -> Client {
    let tls = authority.connect_as((edge.tls(), NAME), shown).await.unwrap();
    Client::h1_over_tls(tls, NAME).await
}

#[tokio::test]
async fn part_of_the_certificate_names_the_caller() {
    let authority = Authority::default();
    let shown = authority.issue_client("tv-9");
    for (by, subject) in [
        ("common_name", "tv-9"),
        ("san_uri", "urn:device:tv-9"),
        ("subject", "CN=tv-9, OU=devices"),
    ] {
        let bff = Bff::ok().await;
        let edge = site(&bff, &authority, by, "").start().await;
        let mut client = client(&edge, &authority, &shown).await;

        assert_eq!(client.send(get("/tv/x")).await.status, 200, "{by}");
        assert_eq!(client.send(get("/tv/x")).await.status, 200, "{by}: from memory");

        let passport = bff.first().await.header("headgate-passport").unwrap().to_owned();
        let keys = edge.ask("/.well-known/jwks.json").await.json();
        let told = verify_passport(&passport, &keys, "tv/home");
        assert_eq!(told["sub"], json!(subject), "{by}");
        assert_eq!(told["strength"], "client_certificate");
    }
}

#[tokio::test]
async fn client_without_a_certificate_gets_as_far_as_the_route() {
    let (bff, authority) = (Bff::ok().await, Authority::default());
    let edge = site(&bff, &authority, "fingerprint", "").start().await;

    let reply = edge.tls_h1(&authority, NAME).await.send(get("/tv/x")).await;
    assert_eq!((reply.status, reply.problem()["code"].as_str()), (401, Some("HG0002")));
    // Where no TLS is spoken there is no certificate either.
    assert_eq!(edge.send(get("/tv/x")).await.status, 401);
    assert!(bff.requests().is_empty());
}

#[tokio::test]
async fn client_that_must_show_one_gets_no_connection_without() {
    let (bff, authority, stranger) = (Bff::ok().await, Authority::default(), Authority::default());
    let members = ", client_auth = \"required\"";
    let edge = site(&bff, &authority, "common_name", members).start().await;

    let mut bare = authority.connect(edge.tls(), NAME, &["http/1.1"]).await;
    assert!(bare.read_u8().await.is_err(), "refused with the first read");
    let refused =
        match authority.connect_as((edge.tls(), NAME), &stranger.issue_client("tv-9")).await {
            Ok(mut tls) => tls.read_u8().await.is_err(),
            Err(_) => true,
        };
    assert!(refused, "another authority's certificate is none");
    let shown = authority.issue_client("tv-9");
    let mut known = client(&edge, &authority, &shown).await;
    assert_eq!(known.send(get("/tv/x")).await.status, 200);
}

#[tokio::test]
async fn certificate_tells_the_device_class() {
    let (bff, authority) = (Bff::ok().await, Authority::default());
    let device = "[[device]]\nname = \"tv\"\nwhen = [\"claim cn ~ '^tv-'\"]\n";
    let edge = Site::new()
        .tls(&authority, &[NAME])
        .tls_members("client_ca = \"clients.pem\"")
        .file("clients.pem", authority.root_pem())
        .platform(&format!("[identity.devices]\nclient_cert = \"subject\"\n{device}"))
        .team(
            "tv",
            &[
                upstream("home", &[&bff.endpoint()], ""),
                route("tv", "GET /home device=tv claim.ou=devices", "home", ""),
            ],
        )
        .start()
        .await;

    let mut tv = client(&edge, &authority, &authority.issue_client("tv-9")).await;
    assert_eq!(tv.send(get("/home")).await.status, 200);
    let mut other = client(&edge, &authority, &authority.issue_client("web-1")).await;
    assert_eq!(other.send(get("/home")).await.status, 404);
}
