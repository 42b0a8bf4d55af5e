use std::time::Duration;

use super::*;

#[test]
fn event_stream_names_the_place_to_go_on_from() {
    assert_eq!(
        event_stream(&Said::Ready(7)),
        "id: 7\nevent: ready\ndata: {\"event\":\"ready\",\"position\":7}\n\n"
    );
    assert_eq!(
        event_stream(&Said::Gap(9)),
        "id: 9\nevent: gap\ndata: {\"event\":\"gap\",\"position\":9}\n\n"
    );
}

#[test]
fn goodbye_says_when_to_come_back_and_leaves_the_place_alone() {
    assert_eq!(
        event_stream(&Said::GoAway(Duration::from_millis(1500))),
        "event: goaway\nretry: 1500\ndata: {\"event\":\"goaway\",\"back_after_ms\":1500}\n\n"
    );
}

#[test]
fn beat_is_a_comment_and_no_message() {
    assert_eq!(event_stream(&Said::Beat), ":\n\n");
    assert_eq!(json(&Said::Beat), None);
}

#[test]
fn data_over_several_lines_becomes_one() {
    let data = Bytes::from_static(b"{\r\n \"a\\nb\": [1,\n2]}");
    let line = one_line(&data);
    assert_eq!(line, "{   \"a\\nb\": [1, 2]}");
    let value = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
    assert_eq!(value(line.as_bytes()), value(&data));
}
