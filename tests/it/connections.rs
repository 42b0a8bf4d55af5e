//! Connections have a limit in all and one for each client.

use headgate_tests::{Bff, Edge, Site, get};

/// Opens a connection on which an exchange has been answered, so that it is counted.
async fn open(edge: &Edge) -> headgate_tests::Client {
    let mut client = edge.h1().await;
    assert_eq!(client.send(get("/tv/x")).await.status, 200);
    client
}

#[tokio::test]
async fn connections_above_the_limit_are_refused() {
    for (limit, reason) in
        [("max_connections", "in_all"), ("max_connections_per_client", "per_client")]
    {
        let bff = Bff::ok().await;
        let edge = Site::to(&bff).edge(&format!("{limit} = 2")).start().await;
        let (one, _two) = (open(&edge).await, open(&edge).await);

        let mut third = edge.raw().await;
        third.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;
        let answer = third.answer().await;
        assert_eq!(answer.status, 503);
        assert!(answer.header("proxy-status").contains("HG0018"), "{}", answer.head);
        third.rest().await;
        assert_eq!(bff.requests().len(), 2);
        let metrics = edge.metrics().await;
        let refused = "headgate_gateway_refused_connections_total";
        assert_eq!(metrics.sum(refused, &[("reason", reason)]), 1);

        one.abort();
        // The place is free again once the edge has seen the end.
        edge.metrics_show("a free place", |metrics| {
            metrics.sum("headgate_gateway_open_connections", &[]) <= 1
        })
        .await;
        open(&edge).await;
    }
}

#[tokio::test]
async fn other_clients_have_their_own_share() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("max_connections_per_client = 1").start().await;
    let _one = open(&edge).await;

    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = headgate_tests::Raw::over(socket.connect(edge.plain()).await.unwrap());
    other.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;

    assert_eq!(other.answer().await.status, 200);
    assert_eq!(bff.saw(2).await[1].header("x-forwarded-for"), Some("127.0.0.2"));
}
