use axum::serve::Listener as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time::{sleep, timeout},
};

use super::*;

fn pair(bytes: usize) -> (Connection<DuplexStream>, DuplexStream) {
    let (server, client) = duplex(bytes);
    (Connection::new(server, None), client)
}

#[tokio::test(start_paused = true)]
async fn silent_client_is_cut_off() {
    let (mut connection, _client) = pair(64);
    let begin = Instant::now();
    let error = connection.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(begin.elapsed().as_secs(), REQUEST_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn dripping_client_is_cut_off() {
    let (mut connection, mut client) = pair(64);
    let drip = async {
        loop {
            client.write_u8(b'x').await.unwrap();
            sleep(REQUEST_TIMEOUT / 4).await;
        }
    };
    let read = async { while connection.read_u8().await.is_ok() {} };
    let begin = Instant::now();
    tokio::select! {
        () = drip => {}
        () = read => {}
    }
    assert_eq!(begin.elapsed().as_secs(), REQUEST_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn answered_client_may_idle_longer() {
    let (mut connection, mut client) = pair(64);
    client.write_u8(b'x').await.unwrap();
    connection.read_u8().await.unwrap();
    connection.write_u8(b'y').await.unwrap();
    let begin = Instant::now();
    let error = connection.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(begin.elapsed().as_secs(), IDLE_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn client_that_reads_no_answer_is_cut_off() {
    let (mut connection, mut client) = pair(4);
    client.write_u8(b'x').await.unwrap();
    connection.read_u8().await.unwrap();
    let error = connection.write_all(&[0; 64]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn large_request_is_cut_off() {
    let (mut connection, mut client) = pair(2 * REQUEST_BYTES_MAX);
    client.write_all(&vec![b'x'; REQUEST_BYTES_MAX]).await.unwrap();
    connection.read_exact(&mut vec![0; REQUEST_BYTES_MAX]).await.unwrap();
    client.write_u8(b'x').await.unwrap();
    let error = connection.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn clients_above_the_limit_wait_for_a_place() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let mut listener = Listener::new(socket, Box::pin(std::future::pending()));
    let mut clients = Vec::new();
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        clients.push(TcpStream::connect(address).await.unwrap());
        connections.push(listener.accept().await.0);
    }
    clients.push(TcpStream::connect(address).await.unwrap());
    assert!(timeout(Duration::ZERO, listener.accept()).await.is_err());
    connections.pop();
    listener.accept().await;
}
