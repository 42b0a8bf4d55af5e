use std::net::TcpStream;

use super::*;

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn socket(kind: Kind) -> (Shared, SocketAddr) {
    let listener = TcpListener::bind(any()).unwrap();
    let address = listener.local_addr().unwrap();
    (Shared { kind, wanted: any(), listener }, address)
}

#[test]
fn sockets_are_found_by_what_was_asked_for_and_then_by_where_they_are() {
    let ((plain, plain_at), (tls, tls_at), (admin, admin_at)) =
        (socket(Kind::Plain), socket(Kind::Tls), socket(Kind::Admin));
    let mut inherited = Inherited::new(vec![admin, tls, plain]);

    let at = |socket: Option<TcpListener>| socket.map(|socket| socket.local_addr().unwrap());
    assert_eq!(at(inherited.take(Kind::Plain, any())), Some(plain_at));
    assert_eq!(at(inherited.take(Kind::Plain, any())), None, "given once");
    // A listener that speaks TLS from now on is the same socket.
    assert_eq!(at(inherited.take(Kind::Plain, tls_at)), Some(tls_at));
    assert_eq!(inherited.left(), [admin_at]);
}

#[test]
fn what_another_process_accepts_is_closed_without_its_backlog() {
    let hand_over = HandOver::default();
    let ((taken, taken_at), (left, left_at)) = (socket(Kind::Plain), socket(Kind::Tls));
    for one in [&taken, &left] {
        hand_over.add(one.kind, one.wanted, &one.listener);
    }
    let given = hand_over.sockets().unwrap();
    assert_eq!(given.len(), 2);
    let waiting = [taken_at, left_at].map(|at| TcpStream::connect(at).unwrap());
    drop((taken, left));

    hand_over.complete(vec![left_at]);

    let closed = hand_over.close();
    let at: Vec<_> = closed.iter().map(|one| one.listener.local_addr().unwrap()).collect();
    assert_eq!(at, [left_at]);
    assert!(hand_over.sockets().is_none());
    // The other process finds the connection that waits.
    let accepted = given[0].listener.accept().unwrap().1;
    assert_eq!(accepted, waiting[0].local_addr().unwrap());
}
