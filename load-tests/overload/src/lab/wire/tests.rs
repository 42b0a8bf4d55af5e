use super::*;

#[test]
fn request_says_its_service_and_attempt() {
    let head = "GET /load/r0/1 HTTP/1.1\r\nhost: a\r\nheadgate-attempt: 2\r\n\
                x-load-expires: 77\r\n\r\n";
    let read = request(head.as_bytes()).unwrap().unwrap();
    assert_eq!((read.service, read.attempt, read.expires), (1, 2, Some(77)));
    assert!(read.stream_answer().is_none());
}

#[test]
fn stream_is_answered_without_an_end() {
    let head = "GET /load/r0/events HTTP/1.1\r\nhost: a\r\n\r\n";
    let answer = request(head.as_bytes()).unwrap().unwrap().stream_answer().unwrap();
    assert!(answer.contains("text/event-stream"), "{answer}");
    assert!(request(b"GET /load/r0/ev").unwrap().is_none());
}

#[test]
fn refusal_of_the_edge_is_told_from_the_origins() {
    let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\
                proxy-status: headgate; error=connection_limit_reached\r\n\r\n";
    let read = answer(head.as_bytes()).unwrap().unwrap();
    assert!(read.is_edges && !read.closes);
    assert_eq!((read.status, read.body_bytes, read.head_bytes), (503, Some(2), head.len()));
    assert!(!answer(answer_head(503, 2).as_bytes()).unwrap().unwrap().is_edges);
}
