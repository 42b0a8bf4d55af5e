use serde_json::json;

use super::*;

#[test]
fn line_for_people_says_what_was_asked_and_what_became_of_it() {
    let line = json!({
        "time": "2026-11-18T11:06:40.123Z", "status": 502, "outcome": "origin_reset",
        "code": "HG0013", "method": "GET", "host": "api.example", "path": "/tv/home", "team": "tv",
        "route": "home", "device": "tv", "duration_us": 12_345, "trace_id": "4bf9",
        "attempts": [{ "endpoint": "127.0.0.1:7001" }, { "endpoint": "127.0.0.1:7002" }],
    });
    let expected = "2026-11-18T11:06:40.123Z 502 origin_reset HG0013 GET api.example/tv/home \
                    tv/home device=tv by 127.0.0.1:7002 12.3ms 4bf9";
    assert_eq!(text(&line), expected);
}

#[test]
fn what_is_not_known_is_left_out() {
    let line = json!({
        "time": "2026-11-18T11:06:40.123Z", "outcome": "client_cancelled", "method": "GET",
        "path": "/", "duration_us": 7, "trace_id": "4bf9", "attempts": [],
    });
    let expected = "2026-11-18T11:06:40.123Z - client_cancelled GET / 0.0ms 4bf9";
    assert_eq!(text(&line), expected);
    assert_eq!(text(&json!({ "dropped": 7 })), "… 7 more had no room");
}
