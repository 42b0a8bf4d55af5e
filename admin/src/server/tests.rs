use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};

use super::*;
use crate::{connection::REQUEST_TIMEOUT, testing};

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

fn run() -> Running {
    let (_change, state) = testing::state();
    run_with(state)
}

fn run_with(state: State) -> Running {
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { stopped.await.unwrap_or_default() };
    let server = tokio::spawn(Server::new(listener, state).run(std::future::pending(), stopped));
    Running { address, stop, server }
}

#[tokio::test]
async fn requests_on_one_connection_are_answered() {
    let Running { address, stop, server } = run();
    let mut client = TcpStream::connect(address).await.unwrap();
    for _ in 0..2 {
        client.write_all(b"GET /healthz HTTP/1.1\r\nhost: edge\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"ok\n") {
            assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
    drop(client);
    drop(stop);
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn whoever_was_accepted_is_served_when_nobody_is_any_more() {
    let (_change, state) = testing::state();
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, other) = (listener.local_addr().unwrap(), listener.try_clone().unwrap());
    let (no_more, ended) = oneshot::channel::<()>();
    let ended = async { ended.await.unwrap_or_default() };
    let server = Server::new(listener, state).run(ended, std::future::pending());
    let server = tokio::spawn(server);
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /healthz HTTP/1.1\r\nhost: edge\r\n\r\n").await.unwrap();
    client.read_u8().await.unwrap();

    drop(no_more);

    // Another process accepts from the same socket.
    let waiting = TcpStream::connect(address).await.unwrap();
    other.set_nonblocking(true).unwrap();
    let other = TcpListener::from_std(other).unwrap();
    assert_eq!(other.accept().await.unwrap().1, waiting.local_addr().unwrap());
    client.write_all(b"GET /healthz HTTP/1.1\r\nhost: edge\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while answer.windows(3).filter(|piece| piece == b"ok\n").count() < 2 {
        assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0);
    }
    server.abort();
}

#[tokio::test]
async fn idle_connection_ends_with_the_server() {
    let Running { address, stop, server } = run();
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /healthz HTTP/1.1\r\nhost: edge\r\n\r\n").await.unwrap();
    client.read_u8().await.unwrap();
    drop(stop);
    server.await.unwrap().unwrap();
    client.read_to_end(&mut Vec::new()).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn client_in_the_middle_of_a_request_does_not_hold_up_the_end() {
    let Running { address, stop, server } = run();
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /healthz HTTP/1.1\r\nhost: edge\r\n\r\n").await.unwrap();
    client.read_u8().await.unwrap();
    client.write_all(b"GET /healthz HTTP/1.1\r\nho").await.unwrap();
    drop(stop);
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn large_head_closes_the_connection() {
    let Running { address, stop, server } = run();
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(128 * 1024));
    let mut answer = Vec::new();
    // The server may close before it has read everything, which fails the write or the read.
    let exchange = async {
        let sent = client.write_all(head.as_bytes()).await;
        (sent.is_ok(), client.read_to_end(&mut answer).await.is_ok())
    };
    timeout(REQUEST_TIMEOUT / 2, exchange).await.expect("its size ends it, long before its time");
    assert!(!answer.starts_with(b"HTTP/1.1 2"));
    drop(stop);
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn client_that_does_not_read_its_answer_is_cut_off_at_the_end() {
    let (_change, mut state) = testing::state();
    // More than the sockets between them hold.
    state.passport_keys = Arc::new(testing::Keys("x".repeat(32 * 1024 * 1024)));
    let Running { address, stop, server } = run_with(state);
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = b"GET /v1/passport/jwks.json HTTP/1.1\r\nhost: edge\r\n\r\n";
    client.write_all(request).await.unwrap();
    client.read_u8().await.unwrap();
    drop(stop);
    server.await.unwrap().unwrap();
}
