//! What the edge speaks, and where.

use std::sync::Arc;

use headgate_tests::{Bff, Client, Edge, Raw, Site, eventually, get, tls::Authority, within};
use http::Version;
use rustls::{NamedGroup, crypto::aws_lc_rs, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[tokio::test]
async fn both_protocols_are_spoken_on_both_kinds_of_listener() {
    let (bff, authority) = (Bff::ok().await, Authority::default());
    let edge = Site::to(&bff).tls(&authority, &["localhost"]).start().await;

    for (mut client, version, scheme) in [
        (edge.h1().await, Version::HTTP_11, "http"),
        (edge.h2().await, Version::HTTP_2, "http"),
        (edge.tls_h1(&authority, "localhost").await, Version::HTTP_11, "https"),
        (edge.tls_h2(&authority, "localhost").await, Version::HTTP_2, "https"),
    ] {
        for _ in 0..2 {
            let reply = client.send(get("/tv/x")).await;
            assert_eq!((reply.status, reply.version), (200, version));
            let line = edge.access_line(reply.trace_id()).await;
            let kind = if scheme == "https" { "tls" } else { "plain" };
            assert_eq!(line["listener"], kind);
            assert_eq!(
                line["protocol"],
                if version == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" }
            );
        }
        let seen = bff.requests().pop().unwrap();
        assert_eq!(seen.header("x-forwarded-proto"), Some(scheme));
    }
}

#[tokio::test]
async fn h2_is_preferred_where_both_are_offered() {
    let (bff, authority) = (Bff::ok().await, Authority::default());
    let edge = Site::to(&bff).tls(&authority, &["localhost"]).start().await;

    for (offered, chosen) in [
        (&["http/1.1", "h2"][..], Some("h2")),
        (&["h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let stream = authority.connect(edge.tls(), "localhost", offered).await;
        let found = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(found, chosen.map(|name| name.as_bytes().to_vec()), "{offered:?}");
    }
}

#[tokio::test]
async fn client_without_alpn_speaks_http_1_1() {
    let (bff, authority) = (Bff::ok().await, Authority::default());
    let edge = Site::to(&bff).tls(&authority, &["localhost"]).start().await;

    let mut raw = Raw::connect_tls(edge.tls(), &authority, "localhost", &[]).await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost: localhost\r\n\r\n").await;

    assert_eq!(raw.answer().await.status, 200);
}

#[tokio::test]
async fn server_name_picks_the_certificate() {
    let (bff, authority) = (Bff::ok().await, Authority::default());
    let names = ["first.example", "second.example", "*.wild.example"];
    let edge = Site::to(&bff).tls(&authority, &names).start().await;

    // The handshake fails unless the certificate is for the name.
    for name in ["first.example", "second.example", "any.wild.example"] {
        let mut client = Client::tls_h2(edge.tls(), &authority, name).await;
        assert_eq!(client.send(get("/tv/x")).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn unknown_server_name_gets_the_first_certificate() {
    let (bff, authority) = (Bff::ok().await, Authority::default());
    let edge = Site::to(&bff).tls(&authority, &["first.example", "second.example"]).start().await;

    let config = authority.client(&[], aws_lc_rs::default_provider());
    let tcp = TcpStream::connect(edge.tls()).await.unwrap();
    let name = ServerName::try_from("unknown.example").unwrap();
    let failed = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap_err();

    // It answers, with a certificate that is not for this name but for the first one.
    let text = format!("{failed:?}");
    assert!(text.contains("NotValidForName"), "{text}");
    assert!(!text.contains("second"), "{text}");
}

#[tokio::test]
async fn post_quantum_key_exchange_is_there() {
    let (bff, authority) = (Bff::ok().await, Authority::default());
    let edge = Site::to(&bff).tls(&authority, &["localhost"]).start().await;
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups.retain(|group| group.name() == NamedGroup::X25519MLKEM768);
    assert_eq!(provider.kx_groups.len(), 1);

    let config = authority.client(&[], provider);
    let tcp = TcpStream::connect(edge.tls()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = within("handshake", TlsConnector::from(Arc::new(config)).connect(name, tcp)).await;

    // Only aws-lc-rs has it: another provider's installation would show here.
    let group = stream.unwrap().get_ref().1.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
}

#[tokio::test]
async fn a_handshake_that_stalls_is_cut_off() {
    let (bff, authority) = (Bff::ok().await, Authority::default());
    let site = Site::to(&bff).tls(&authority, &["localhost"]).edge("header_timeout = \"300ms\"");
    let edge = site.start().await;

    // Nothing at all, and a first record that never ends.
    for begun in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut raw = Raw::connect(edge.tls()).await;
        raw.send(begun).await;
        assert_eq!(raw.rest().await, b"");
    }
}

#[tokio::test]
async fn garbage_on_the_tls_listener_harms_nobody() {
    let (bff, authority) = (Bff::ok().await, Authority::default());
    let edge = Site::to(&bff)
        .tls(&authority, &["localhost"])
        .edge("header_timeout = \"1s\"")
        .start()
        .await;

    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 100], b"\x16\x03\x01\xff\xff", b""] {
        let mut raw = Raw::connect(edge.tls()).await;
        raw.send(bytes).await;
        raw.half_close().await;
        raw.rest().await;
    }

    assert_eq!(edge.tls_h1(&authority, "localhost").await.send(get("/tv/x")).await.status, 200);
}

#[tokio::test]
async fn every_listener_serves() {
    let bff = Bff::ok().await;
    let edge =
        Site::to(&bff).listen("[\"127.0.0.1:0\", \"127.0.0.1:0\", \"[::1]:0\"]").start().await;

    assert_eq!(edge.plain_all().len(), 3);
    for address in edge.plain_all() {
        assert_ne!(address.port(), 0);
        assert_eq!(Client::h1(*address).await.send(get("/tv/x")).await.status, 200);
    }
    assert_eq!(bff.saw(3).await[2].header("x-forwarded-for"), Some("::1"));
}

#[tokio::test]
async fn many_streams_share_a_connection() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;
    let client = edge.h2().await;

    let mut running = tokio::task::JoinSet::new();
    for _ in 0..80 {
        let mut client = client.another();
        running.spawn(async move { client.send(get("/tv/x")).await.status });
    }

    while let Some(status) = within("the answers", running.join_next()).await {
        assert_eq!(status.unwrap(), 200);
    }
    let metrics = edge.metrics().await;
    assert_eq!(
        metrics.sum("headgate_gateway_accepted_connections_total", &[("listener", "plain")]),
        1
    );
}

async fn shows(edge: &Edge, authority: &Authority) -> bool {
    let config = authority.client(&["http/1.1"], aws_lc_rs::default_provider());
    let tcp = TcpStream::connect(edge.tls()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    within("TLS handshake", TlsConnector::from(Arc::new(config)).connect(name, tcp)).await.is_ok()
}

#[tokio::test]
async fn certificate_that_changes_is_shown_to_who_connects_and_nobody_is_cut_off() {
    let (bff, authority, next) = (Bff::ok().await, Authority::default(), Authority::default());
    let edge = Site::to(&bff).tls(&authority, &["localhost"]).start().await;
    let mut connected = edge.tls_h1(&authority, "localhost").await;
    assert_eq!(connected.send(get("/tv/x")).await.status, 200);
    let before = edge.config().await;

    // Files change one after the other: in between the two do not fit, and the old pair stays.
    let issued = next.issue("localhost");
    edge.folder().write("localhost.pem", &issued.cert_pem);
    let held = edge.config_shows("a held pair", |config| config["loaded"] == "degraded").await;
    assert_eq!(held["parts"][0]["faults"][0]["code"], "HG1060", "{held:#}");
    assert_eq!(
        (&held["parts"][0]["state"], &held["digest"]),
        (&"current".into(), &before["digest"])
    );
    assert!(shows(&edge, &authority).await);
    let told = || edge.told().contains("the last good one stays").then_some(());
    eventually("it is told", told).await;

    edge.folder().write("localhost.key", &issued.key_pem);
    let whole = edge.config_shows("the new pair", |config| config["loaded"] == "applied").await;
    assert_eq!(whole["waits_for_hand_over"], serde_json::json!([]));
    assert!(shows(&edge, &next).await);
    assert!(!shows(&edge, &authority).await);
    assert_eq!(connected.send(get("/tv/x")).await.status, 200);
}
