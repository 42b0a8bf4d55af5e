use super::*;

fn map(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    headers
}

fn check(before: &[(&str, &str)], after: &[(&str, &str)]) {
    let mut headers = map(before);
    strip_hop(&mut headers).unwrap();
    assert_eq!(headers, map(after));
}

#[test]
fn hop_headers_and_nominated_ones_are_dropped() {
    check(
        &[
            ("connection", "close, X-Secret"),
            ("connection", "keep-alive"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("x-secret", "1"),
            ("x-kept", "2"),
        ],
        &[("x-kept", "2")],
    );
}

#[test]
fn coding_overrides_the_length() {
    check(&[("transfer-encoding", "chunked"), ("content-length", "3")], &[]);
    check(&[("content-length", "3")], &[("content-length", "3")]);
}

#[test]
fn only_trailers_stay_of_te() {
    check(&[("te", "gzip")], &[]);
    check(&[("te", "Trailers"), ("connection", "TE")], &[("te", "trailers")]);
}

#[test]
fn upgrades_other_than_websocket_are_dropped() {
    let mut headers = map(&[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c")]);
    assert_eq!(strip_hop(&mut headers), Ok(Hop { upgrades_to_websocket: false }));
    assert!(headers.is_empty());
    let mut headers = map(&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")]);
    assert_eq!(strip_hop(&mut headers), Ok(Hop { upgrades_to_websocket: true }));
}

#[test]
fn framing_headers_cannot_be_nominated_away() {
    for name in ["Host", "content-length", "Transfer-Encoding"] {
        assert!(strip_hop(&mut map(&[("connection", name)])).is_err(), "{name}");
    }
    assert!(strip_hop(&mut map(&[("connection", "a b")])).is_err());
    let many = vec!["x"; NOMINATED_MAX + 1].join(",");
    assert!(strip_hop(&mut map(&[("connection", &many)])).is_err());
}

#[test]
fn our_headers_never_come_from_outside() {
    let mut headers = map(&[
        ("headgate-passport", "forged"),
        ("headgate-passport", "twice"),
        ("Headgate-Anything", "x"),
        ("headgate_passport", "forged"),
        ("x-headgate", "kept"),
    ]);
    strip_ours(&mut headers);
    assert_eq!(headers, map(&[("x-headgate", "kept")]));
}

#[test]
fn cookie_crumbs_become_one_header() {
    let mut headers = map(&[("cookie", "a=1"), ("cookie", "b=2")]);
    join_cookies(&mut headers);
    assert_eq!(headers, map(&[("cookie", "a=1; b=2")]));
}
