use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    os::fd::AsFd as _,
};

use super::*;

const SOON: Duration = Duration::from_secs(5);

fn lines() -> (Line, Line) {
    let (one, other) = UnixStream::pair().unwrap();
    (Line::new(one).unwrap(), Line::new(other).unwrap())
}

#[test]
fn sockets_come_along_with_their_message() {
    let (mut old, mut new) = lines();
    let listeners = [(); SOCKETS_MAX].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let wanted = "127.0.0.1:0".parse().unwrap();
    let sockets = vec![Offer { kind: Role::Tls, wanted }; SOCKETS_MAX];
    let welcome = Message::Welcome { version: "1".to_owned(), pid: 7, sockets, has_store: true };
    let descriptors: Vec<_> = listeners.iter().map(|listener| listener.as_fd()).collect();
    old.send_with(&welcome, &descriptors).unwrap();
    old.send(&Message::Released).unwrap();

    let (message, received) = new.receive(SOON).unwrap();

    assert_eq!(message, welcome);
    let at = |listener: &TcpListener| listener.local_addr().unwrap();
    let received: Vec<_> = received.into_iter().map(TcpListener::from).collect();
    assert_eq!(
        received.iter().map(at).collect::<Vec<_>>(),
        listeners.iter().map(at).collect::<Vec<_>>()
    );
    let (message, received) = new.receive(SOON).unwrap();
    assert_eq!((message, received.len()), (Message::Released, 0));
}

#[test]
fn an_end_that_is_gone_or_silent_is_an_error() {
    let (old, mut new) = lines();
    let silent = new.receive(Duration::from_millis(1)).unwrap_err();
    assert_eq!(silent.kind(), io::ErrorKind::WouldBlock);
    drop(old);
    assert_eq!(new.receive(SOON).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert!(new.send(&Message::Serving).is_err());
}

#[test]
fn what_is_no_message_is_refused() {
    for frame in [b"\xff\xff\xff\xff".as_slice(), b"\0\0\0\x02{}", b"\0\0"] {
        let (mut old, new) = UnixStream::pair().unwrap();
        old.write_all(frame).unwrap();
        drop(old);
        assert!(Line::new(new).unwrap().receive(SOON).is_err(), "{frame:?}");
    }
}

#[test]
fn a_message_is_its_length_and_json() {
    let (mut old, new) = UnixStream::pair().unwrap();
    Line::new(new).unwrap().send(&Message::Refused(Refusal::Protocol(2))).unwrap();
    let mut text = String::new();
    old.read_to_string(&mut text).unwrap();
    assert_eq!(text, "\0\0\0\x1a{\"Refused\":{\"Protocol\":2}}");
}
