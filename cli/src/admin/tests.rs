use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread::{self, JoinHandle},
};

use super::*;

/// Answers one request with these bytes, and hands back what was asked.
fn answering(answer: &'static [u8]) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        stream.write_all(answer).unwrap();
        String::from_utf8(request).unwrap()
    });
    (address, served)
}

#[test]
fn the_body_of_an_answer_is_read_to_its_end() {
    let (address, served) = answering(b"HTTP/1.0 200 OK\r\na: b\r\n\r\n{}\r\n\r\n");
    let Answer::Ok(body) = Admin::called(address).get("/v1/status").unwrap() else {
        panic!("it is refused");
    };
    assert_eq!(body, b"{}\r\n\r\n");
    assert!(served.join().unwrap().starts_with("GET /v1/status HTTP/1.0\r\n"));
}

#[test]
fn whoever_does_not_answer_as_an_edge_is_unreachable() {
    for answer in [&b"HTTP/1.1 404 Not Found\r\n\r\n"[..], b"", b"220 smtp\r\n", b"HTTP/1.1 200"] {
        let (address, served) = answering(answer);
        let error = Admin::called(address).get("/").unwrap_err();
        assert!(error.to_string().contains("does not answer as an edge"), "{error}");
        served.join().unwrap();
    }
}

#[test]
fn nobody_at_the_address_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = Admin::called(free).get("/").unwrap_err();
    assert!(error.to_string().contains("does not answer"));
}

#[test]
fn an_address_that_is_listened_on_everywhere_is_asked_on_loopback() {
    assert_eq!(reachable("0.0.0.0:9900".parse().unwrap()), "127.0.0.1:9900".parse().unwrap());
    assert_eq!(reachable("[::]:9900".parse().unwrap()), "[::1]:9900".parse().unwrap());
    assert_eq!(reachable("10.0.0.1:1".parse().unwrap()), "10.0.0.1:1".parse().unwrap());
}

#[test]
fn the_url_of_an_admin_listener_becomes_its_address() {
    let address = |url: &str| address_of(&url.parse().unwrap()).map_err(|error| error.to_string());
    assert_eq!(address("http://127.0.0.1:9900"), Ok("127.0.0.1:9900".parse().unwrap()));
    assert_eq!(address("http://[::1]:9900/"), Ok("[::1]:9900".parse().unwrap()));
    assert_eq!(address("127.0.0.1:9900"), Ok("127.0.0.1:9900".parse().unwrap()));
    assert!(address("https://127.0.0.1:9900").is_err());
    assert!(address("/v1").is_err());
}

#[test]
fn a_refusal_is_told_with_its_code_and_its_detail() {
    let answer = b"HTTP/1.1 409 Conflict\r\n\r\n\
        {\"code\":\"HG1213\",\"title\":\"It moved\",\"detail\":\"by one\"}";
    let (address, served) = answering(answer);
    let Answer::Refused(refused) = Admin::called(address).get("/").unwrap() else {
        panic!("it is not refused");
    };
    served.join().unwrap();
    assert!(refused.is_conflict());
    assert_eq!(refused.error().to_string(), "It moved: by one (HG1213)");
}

#[test]
fn lines_are_followed_until_enough_were_seen() {
    let (address, served) = answering(b"HTTP/1.0 200 OK\r\na: b\r\n\r\none\n\ntwo\nthree\n");
    let mut seen = Vec::new();
    let followed = Admin::called(address).follow("/v1/tail", |line| {
        seen.push(line.to_owned());
        Ok(if line == "two" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    served.join().unwrap();
    followed.unwrap();
    assert_eq!(seen, ["one", "", "two"]);
}

#[test]
fn refusal_to_tell_lines_is_an_error_with_its_code() {
    let answer = b"HTTP/1.0 400 Bad Request\r\n\r\n{\"code\":\"HG1269\",\"title\":\"No\"}";
    let (address, served) = answering(answer);
    let error = Admin::called(address).follow("/", |_| Ok(ControlFlow::Continue(()))).unwrap_err();
    served.join().unwrap();
    assert_eq!(error.to_string(), "No (HG1269)");
}
