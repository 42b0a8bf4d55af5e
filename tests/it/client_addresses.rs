//! Who calls, as those proxies tell it that are trusted to, and nobody else.

use headgate_tests::{Bff, Client, Edge, Raw, Site, get, tls::Authority};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

const CLIENT: &str = "203.0.113.7";

/// An edge that counts two requests of each client address.
async fn edge(bff: &Bff, trusted: &str, source: &str) -> Edge {
    Site::with_route(bff, "", "rate = [{ per = \"user\", rate = \"2/h\" }]")
        .edge(&format!("trusted_peers = [{trusted:?}]\nclient_address = \"{source}\""))
        .start()
        .await
}

#[tokio::test]
async fn address_is_the_one_that_a_trusted_proxy_tells() {
    for (source, name, value) in [
        ("x-forwarded-for", "x-forwarded-for", format!("198.51.100.1, {CLIENT}, 127.0.0.9")),
        ("forwarded", "forwarded", format!("for=198.51.100.1, for={CLIENT};proto=https")),
    ] {
        let bff = Bff::ok().await;
        let edge = edge(&bff, "127.0.0.0/8", source).await;

        let reply = edge.send(get("/tv/x").header(name, &value)).await;

        assert_eq!(reply.status, 200, "{source}");
        assert_eq!(edge.access_line(reply.trace_id()).await["client"], CLIENT, "{source}");
        // Each address has its own rate, on one connection.
        let mut client = edge.h1().await;
        let mut of = async |address: &str| {
            let told =
                if source == "forwarded" { format!("for={address}") } else { address.into() };
            client.send(get("/tv/x").header(name, &told)).await.status
        };
        assert_eq!([of(CLIENT).await, of(CLIENT).await], [200, 429], "{source}");
        assert_eq!(of("203.0.113.8").await, 200, "{source}");
    }
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let bff = Bff::ok().await;
    let edge = edge(&bff, "10.0.0.0/8", "x-forwarded-for").await;

    for (address, status) in [("203.0.113.1", 200), ("203.0.113.2", 200), ("203.0.113.3", 429)] {
        let reply = edge.send(get("/tv/x").header("x-forwarded-for", address)).await;
        assert_eq!(reply.status, status, "{address}");
        assert_eq!(edge.access_line(reply.trace_id()).await["client"], "127.0.0.1");
    }
    assert_eq!(bff.first().await.headers("x-forwarded-for"), ["127.0.0.1"]);
}

/// An HTTP/1.1 client behind a balancer that says this first.
async fn behind(edge: &Edge, header: &[u8]) -> Client {
    let mut tcp = TcpStream::connect(edge.plain()).await.unwrap();
    tcp.write_all(header).await.unwrap();
    Client::h1_on(tcp).await
}

fn version_2() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([203, 0, 113, 7, 127, 0, 0, 1, 20, 0, 1, 187]);
    header
}

#[tokio::test]
async fn balancer_says_first_whose_the_connection_is() {
    let bff = Bff::ok().await;
    let edge = edge(&bff, "127.0.0.0/8", "proxy-protocol").await;
    let line = format!("PROXY TCP4 {CLIENT} 127.0.0.1 5120 443\r\n").into_bytes();

    for header in [line, version_2()] {
        let reply = behind(&edge, &header).await.send(get("/tv/x")).await;
        assert_eq!(reply.status, 200);
        assert_eq!(edge.access_line(reply.trace_id()).await["client"], CLIENT);
    }
    let third = behind(&edge, &version_2()).await.send(get("/tv/x")).await;
    assert_eq!(third.status, 429, "both versions name one client");
    let own = behind(&edge, b"PROXY UNKNOWN\r\n").await.send(get("/tv/x")).await;
    assert_eq!(edge.access_line(own.trace_id()).await["client"], "127.0.0.1");
    assert_eq!(bff.saw(3).await[0].headers("x-forwarded-for"), [CLIENT]);

    // The one who must say it and does not is nobody's client.
    let mut silent = Raw::connect(edge.plain()).await;
    silent.send("GET /tv/x HTTP/1.1\r\nhost: edge\r\n\r\n").await;
    assert_eq!(silent.rest().await, b"");
}

#[tokio::test]
async fn balancer_speaks_before_tls_begins() {
    let (bff, authority) = (Bff::ok().await, Authority::default());
    let edge = Site::to(&bff)
        .tls(&authority, &["edge.example"])
        .edge("trusted_peers = [\"127.0.0.0/8\"]\nclient_address = \"proxy-protocol\"")
        .start()
        .await;
    let mut tcp = TcpStream::connect(edge.tls()).await.unwrap();
    tcp.write_all(&version_2()).await.unwrap();
    let tls = authority.connect_over(tcp, "edge.example").await;
    let mut client = Client::h1_over_tls(tls, "edge.example").await;

    let reply = client.send(get("/tv/x")).await;

    assert_eq!(edge.access_line(reply.trace_id()).await["client"], CLIENT);
}

#[tokio::test]
async fn whoever_is_not_trusted_needs_no_header_and_may_send_none() {
    let bff = Bff::ok().await;
    let edge = edge(&bff, "10.0.0.0/8", "proxy-protocol").await;

    assert_eq!(edge.send(get("/tv/x")).await.status, 200);
    let mut liar = Raw::connect(edge.plain()).await;
    liar.send(format!("PROXY TCP4 {CLIENT} 127.0.0.1 5120 443\r\n\r\n")).await;
    assert!(liar.rest_text().await.starts_with("HTTP/1.1 400"));
    assert_eq!(bff.requests().len(), 1);
}
