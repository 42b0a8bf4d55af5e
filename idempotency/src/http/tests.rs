use ::http::StatusCode;
use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// The key that a header's value names, or what is wrong.
fn read(value: &str) -> Result<String, KeyFault> {
    Key::parse(value.as_bytes()).map(|key| String::from_utf8(key.0).unwrap())
}

#[test]
fn quoted_and_plain_spellings_name_the_same_key() {
    for (value, key) in [
        ("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ("  \"a\"  ", "a"),
        ("\"two words, and a comma; and more\"", "two words, and a comma; and more"),
        (r#""a \"quoted\" \\ word""#, r#"a "quoted" \ word"#),
        ("order:4711/1=+~", "order:4711/1=+~"),
    ] {
        assert_eq!(read(value).as_deref(), Ok(key), "{value}");
    }
}

#[test]
fn what_is_no_key_is_refused() {
    for value in [
        "\"",
        "\"open",
        "\"a\"b",
        "\"a\";p=1",
        "\"a\", \"b\"",
        "a, b",
        "a b",
        "a;b",
        "a\"b",
        "\"\\n\"",
        "\"\\\"",
        "\"\u{e9}\"",
        "\u{e9}",
        "\"a\tb\"",
        "\"a\u{7f}\"",
    ] {
        assert_eq!(read(value), Err(KeyFault::Malformed), "{value:?}");
    }
    assert_eq!(read(""), Err(KeyFault::Empty));
    assert_eq!(read("\"\""), Err(KeyFault::Empty));
    let (most, more) = ("k".repeat(255), "k".repeat(256));
    assert_eq!(read(&most), Ok(most.clone()));
    assert_eq!(read(&format!("\"{most}\"")), Ok(most));
    assert_eq!(read(&more), Err(KeyFault::TooLong));
    assert_eq!(read(&format!("\"{more}\"")), Err(KeyFault::TooLong));
}

#[test]
fn a_header_that_comes_twice_is_no_key() {
    let mut headers = HeaderMap::new();
    assert_eq!(Key::of(&headers), Ok(None));
    headers.append(HEADER, HeaderValue::from_static("a"));
    assert_eq!(Key::of(&headers).unwrap().unwrap().as_bytes(), b"a");
    headers.append(HEADER, HeaderValue::from_static("a"));
    assert_eq!(Key::of(&headers), Err(KeyFault::Several));
}

fn record(scope: &Scope, caller: Option<(&str, &str)>, key: &str) -> RecordKey {
    let caller = caller.map(|(source, subject)| Caller { source, subject });
    record_key(scope, caller, &Key::parse(key.as_bytes()).unwrap()).unwrap()
}

#[test]
fn route_source_and_subject_keep_keys_apart() {
    let (order, cart) = (scope("tv", "order").unwrap(), scope("tv", "cart").unwrap());
    let long = "r".repeat(64);
    let all = [
        record(&order, None, "k"),
        record(&order, None, "K"),
        record(&cart, None, "k"),
        record(&order, Some(("accounts", "ada")), "k"),
        record(&order, Some(("accounts", "bob")), "k"),
        record(&order, Some(("partners", "ada")), "k"),
        record(&scope("tv2", "order").unwrap(), None, "k"),
        record(&scope(&long, &long).unwrap(), None, "k"),
        record(&scope(&long, &"s".repeat(64)).unwrap(), None, "k"),
    ];
    for (at, one) in all.iter().enumerate() {
        for other in &all[at + 1..] {
            assert_ne!(one.item(), other.item());
            assert!(one.raw() != other.raw() || one.item() != other.item());
        }
    }
    assert_eq!(all[3].item(), record(&order, Some(("accounts", "ada")), "\"k\"").item());
}

#[test]
fn a_key_can_not_be_written_so_that_it_is_anothers() {
    let order = scope("tv", "order").unwrap();
    let ada = record(&order, Some(("accounts", "ada")), "k");
    let raw = String::from_utf8(ada.raw().to_vec()).unwrap();
    let forged = record(&order, None, raw.split_once(':').unwrap().0);
    assert_ne!(forged.raw(), ada.raw());
    assert_ne!(record(&order, None, &raw).raw(), ada.raw());
    assert!(!raw.contains("ada"), "the subject is kept as it is: {raw}");
}

fn of(method: &str, target: &str, kind: &'static str, body: &str) -> Fingerprint {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    fingerprint(&method.parse().unwrap(), target, &headers, body.as_bytes())
}

#[test]
fn method_target_and_body_make_a_request() {
    let one = of("POST", "/tv/orders?a=1", "text/plain", "body");
    assert_eq!(one, of("POST", "/tv/orders?a=1", "text/plain", "body"));
    for other in [
        of("PUT", "/tv/orders?a=1", "text/plain", "body"),
        of("POST", "/tv/orders?a=2", "text/plain", "body"),
        of("POST", "/tv/orders", "text/plain", "body"),
        of("POST", "/tv/orders?a=1", "text/plain", "body "),
        of("POST", "/tv/orders?a=1", "text/plain", ""),
    ] {
        assert_ne!(one, other);
    }
}

#[test]
fn a_json_body_counts_by_what_it_says() {
    for kind in ["application/json", "Application/JSON; charset=utf-8", "application/cart+json"] {
        let one = of("POST", "/", kind, r#"{"a": 1, "b": [true]}"#);
        assert_eq!(one, of("POST", "/", kind, r#"{"b":[true],"a":1}"#), "{kind}");
        assert_ne!(one, of("POST", "/", kind, r#"{"b":[true],"a":2}"#), "{kind}");
    }
    let one = of("POST", "/", "text/plain", "{ }");
    assert_ne!(one, of("POST", "/", "text/plain", "{}"));
}

#[test]
fn wishes_to_wait_are_read_in_seconds() {
    for (value, seconds) in [
        ("wait=10", Some(10)),
        ("respond-async, Wait = 5; foo=bar", Some(5)),
        ("wait=0", Some(0)),
        ("wait", None),
        ("wait=soon", None),
        ("wait=-1", None),
        ("wait=1234567", None),
        ("return=minimal", None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(PREFER, HeaderValue::from_static(value));
        assert_eq!(wish_to_wait(&headers), seconds.map(Duration::from_secs), "{value}");
    }
}

#[test]
fn headers_of_one_message_and_secrets_are_not_kept() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/json"),
        ("location", "/tv/orders/1"),
        ("x-order", "1"),
        ("x-order", "2"),
        ("set-cookie", "session=secret"),
        ("date", "Sat, 21 Nov 2026 10:00:00 GMT"),
        ("content-length", "2"),
    ] {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let kept = kept_headers(&headers);
    let names: Vec<_> = kept.keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["content-type", "location", "x-order"]);
    assert_eq!(kept.get_all("x-order").iter().count(), 2);
}

#[test]
fn an_answer_with_too_large_a_head_is_not_kept() {
    let mut headers = HeaderMap::new();
    let value = "v".repeat(HEAD_BYTES_MAX);
    headers.insert("x-large", HeaderValue::from_str(&value).unwrap());
    let status = StatusCode::CREATED;
    let answer = Answer::Kept { status, headers, body: Bytes::from_static(b"body") };
    assert_eq!(Answer::decode(answer.encode()), Ok(Answer::NotKept { status }));
}

fn answers() -> impl Strategy<Value = Answer> {
    let header = ("[a-z][a-z0-9-]{0,20}", "[ -~]{0,40}");
    let headers = proptest::collection::vec(header, 0..8);
    let body = proptest::collection::vec(any::<u8>(), 0..2_000);
    let kept = (200_u16..600, headers, body).prop_map(|(status, list, body)| {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(&value).unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Answer::Kept { status, headers, body: body.into() }
    });
    let not_kept = (200_u16..600)
        .prop_map(|status| Answer::NotKept { status: StatusCode::from_u16(status).unwrap() });
    prop_oneof![kept, not_kept]
}

proptest! {
    #[test]
    fn answers_come_back_as_they_were(answer in answers()) {
        prop_assert_eq!(Answer::decode(answer.encode()), Ok(answer));
    }

    #[test]
    fn what_is_cut_off_in_its_head_is_never_an_answer(answer in answers(), cut in 0_usize..4) {
        let bytes = answer.encode();
        prop_assert_eq!(Answer::decode(bytes.slice(..cut)), Err(Unreadable));
    }

    #[test]
    fn no_bytes_bring_the_reader_down(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(Answer::decode(bytes.into()));
    }

    #[test]
    fn every_string_that_is_quoted_is_read_back(key in "[ -~]{1,255}") {
        let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
        prop_assert_eq!(read(&quoted), Ok(key));
    }

    #[test]
    fn no_header_brings_the_reader_down(value in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(Key::parse(&value));
    }
}
