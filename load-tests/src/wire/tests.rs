use super::*;

fn read(received: &str) -> Option<Answer> {
    answer(received.as_bytes()).unwrap()
}

#[test]
fn head_and_body_are_counted() {
    let read = read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel").unwrap();
    assert_eq!(read, Answer { bytes: 43, is_success: true, closes: false });
}

#[test]
fn unfinished_head_waits_for_more() {
    assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Len"), None);
}

#[test]
fn refusal_is_no_success() {
    let head = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let read = read(head).unwrap();
    assert!(!read.is_success && read.closes);
}

#[test]
fn answer_without_length_is_a_fault() {
    assert!(answer(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
}

#[test]
fn garbage_is_a_fault() {
    assert!(answer(b"SSH-2.0-OpenSSH\r\n\r\n").is_err());
}

#[test]
fn request_carries_the_token() {
    let request = String::from_utf8(request("/a", Some("t0k"))).unwrap();
    assert!(request.starts_with("GET /a HTTP/1.1\r\n"));
    assert!(request.ends_with("\r\nauthorization: Bearer t0k\r\n\r\n"));
}
