//! The way to a server that tests cut.

#![expect(clippy::unwrap_used, reason = "helpers of a test are tests too")]

use std::{io::ErrorKind, time::Duration};

use headgate_idempotency::testing::{Link, Weather};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// A server that says everything twice, behind a link.
async fn behind() -> Link {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = Link::to(listener.local_addr().unwrap()).await;
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                while let Ok(byte) = connection.read_u8().await {
                    connection.write_all(&[byte, byte]).await.unwrap();
                }
            });
        }
    });
    link
}

async fn twice(connection: &mut TcpStream, byte: u8) {
    connection.write_u8(byte).await.unwrap();
    assert_eq!(connection.read_u16().await.unwrap(), u16::from_be_bytes([byte, byte]));
}

#[tokio::test]
async fn what_is_cut_goes_on_where_it_was() {
    let link = behind().await;
    let mut connection = TcpStream::connect(link.address()).await.unwrap();
    twice(&mut connection, 1).await;
    link.set(Weather::Cut);
    connection.write_u8(2).await.unwrap();
    let early = timeout(Duration::from_millis(50), connection.read_u16()).await;
    assert!(early.is_err(), "{early:?}");
    link.set(Weather::Slow(Duration::from_millis(1)));
    assert_eq!(connection.read_u16().await.unwrap(), 0x0202);
    twice(&mut connection, 3).await;
}

#[tokio::test]
async fn what_is_reset_can_be_opened_again() {
    let link = behind().await;
    let mut connection = TcpStream::connect(link.address()).await.unwrap();
    twice(&mut connection, 1).await;
    link.reset();
    let error = connection.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    twice(&mut TcpStream::connect(link.address()).await.unwrap(), 2).await;
}
