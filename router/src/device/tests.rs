use http::{HeaderMap, HeaderName, HeaderValue, Method, header::USER_AGENT};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn condition(text: &str) -> Condition {
    text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

/// Whether a condition holds for a request with these headers, in the words `name: value`.
fn holds_with(text: &str, headers: &[&str], claims: Option<&Value>) -> bool {
    let headers = headers.iter().map(|header| {
        let (name, value) = header.split_once(": ").unwrap();
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    });
    let headers: HeaderMap = headers.collect();
    with(&headers, claims.and_then(Value::as_object), |facts| condition(text).holds(facts))
}

fn with<T>(
    headers: &HeaderMap,
    claims: Option<&Map<String, Value>>,
    read: impl FnOnce(&Facts<'_>) -> T,
) -> T {
    let method = Method::GET;
    let (host, path, query, device) = ("", "/", None, "");
    read(&Facts { method: &method, host, path, query, headers, claims, device, version: None })
}

#[track_caller]
fn holds(text: &str, header: &str) {
    assert!(holds_with(text, &[header], None), "{text} {header}");
}

#[track_caller]
fn fails(text: &str, header: &str) {
    assert!(!holds_with(text, &[header], None), "{text} {header}");
}

#[test]
fn headers_are_tested_for_presence_equality_parts_and_expressions() {
    holds("header x-app", "x-app: anything");
    fails("header x-app", "x-other: anything");
    holds("header X-App == 'tv'", "x-app: tv");
    fails("header x-app == 'tv'", "x-app: tv/7");
    holds("header x-app ~ '^tv/'", "x-app: tv/7.3");
    fails("header x-app ~ '^tv/'", "x-app: mytv/7");
    holds("header x-app contains 'v/7'", "x-app: tv/7.3");
    holds("header x-app == 'it''s'", "x-app: it's");
    holds("ua ~ 'Tizen'", "user-agent: Mozilla/5.0 (SMART-TV; Tizen 6.0)");
    holds("ua contains 'Tizen'", "user-agent: Mozilla/5.0 (SMART-TV; Tizen 6.0)");
    fails("ua contains 'tizen'", "user-agent: Mozilla/5.0 (SMART-TV; Tizen 6.0)");
    holds("ua", "user-agent: x");
    holds("*", "user-agent: x");
}

#[test]
fn client_hints_are_read_without_their_quotes() {
    holds("hint platform == 'iOS'", "sec-ch-ua-platform: \"iOS\"");
    holds("hint platform == 'iOS'", "sec-ch-ua-platform: iOS");
    fails("hint platform == 'iOS'", "sec-ch-ua-platform: \"Android\"");
    holds("hint model contains 'Pixel'", "sec-ch-ua-model: \"Pixel 9\"");
    holds("hint mobile", "sec-ch-ua-mobile: ?1");
    fails("hint mobile", "sec-ch-ua-mobile: ?0");
    holds("hint mobile == '?0'", "sec-ch-ua-mobile: ?0");
}

#[test]
fn any_one_brand_suffices_and_decoys_hide_none() {
    let brands = "sec-ch-ua: \"Not;A, =Brand\";v=\"24\", \"Chromium\";v=\"124\", \"Google Chrome\";v=\"124\"";
    for (text, expected) in [
        ("hint brand == 'Chromium'", true),
        ("hint brand == 'Google Chrome'", true),
        ("hint brand == 'Not;A, =Brand'", true),
        ("hint brand == 'A'", false),
        ("hint brand == '124'", false),
        ("hint brand contains 'Chrome'", true),
        ("hint brand", true),
    ] {
        assert_eq!(holds_with(text, &[brands], None), expected, "{text}");
    }
    let escaped = "sec-ch-ua: \"a\\\",b\", \"Opera\"";
    assert!(holds_with("hint brand == 'Opera'", &[escaped], None));
    assert!(!holds_with("hint brand == 'b'", &[escaped], None));
}

#[test]
fn claims_are_compared_by_their_value_or_any_of_their_elements() {
    let claims = json!({
        "device_type": "tv", "level": 3, "big": u64::MAX, "beta": true, "none": null,
        "roles": ["a", "b"], "address": {"x": 1}, "ratio": 1.5, "https://x.example/device": "tv",
    });
    for (text, expected) in [
        ("claim device_type == 'tv'", true),
        ("claim device_type == 'ios'", false),
        ("claim device_type ~ '^t'", true),
        ("claim level == '3'", true),
        ("claim level == '33'", false),
        ("claim big == '18446744073709551615'", true),
        ("claim beta == 'true'", true),
        ("claim none", false),
        ("claim roles == 'b'", true),
        ("claim roles == 'c'", false),
        ("claim roles", true),
        ("claim address", true),
        ("claim address == '1'", false),
        ("claim ratio == '1.5'", false),
        ("claim missing", false),
        ("claim https://x.example/device == 'tv'", true),
    ] {
        assert_eq!(holds_with(text, &[], Some(&claims)), expected, "{text}");
        assert!(!holds_with(text, &[], None), "{text} of nobody");
    }
}

#[test]
fn conditions_have_one_canonical_text() {
    for (text, canonical) in [
        ("*", "*"),
        ("  header  X-App   ~'^tv/'  ", "header x-app ~ '^tv/'"),
        ("ua contains'Tizen'", "ua contains 'Tizen'"),
        ("header a =='it''s'", "header a == 'it''s'"),
        ("claim device_type", "claim device_type"),
    ] {
        assert_eq!(condition(text).to_string(), canonical);
        assert_eq!(condition(canonical), condition(text), "the canonical text reads the same");
    }
}

#[track_caller]
fn refused(text: &str, at: &str, what: &str) {
    let fault = text.parse::<Condition>().expect_err(text);
    let pointed_at = text.get(fault.span()).expect("the place is inside the text");
    assert_eq!((pointed_at, fault.what()), (at, what), "{text}");
}

#[test]
fn a_fault_is_pointed_at() {
    refused("", "", "an empty condition");
    refused("esn ~ '^NFTV'", "esn", "no condition");
    refused("header", "", "header without a name");
    refused("header ~ 'x'", "~", "header without a name");
    refused("header a b", "b", "no test");
    refused("header a(", "a(", "no header name");
    refused("header a == tv", "tv", "no quoted text behind the test");
    refused("header a = 'tv'", "=", "no test");
    refused("header a ~ 'x", "'x", "the quote is not closed");
    refused("header a ~ 'x(y'", "(", "unclosed group");
    refused("header a == 'x' or ua", "or ua", "text behind the condition");
    refused("header a contains ''", "''", "every value contains nothing");
    refused("hint colour == 'red'", "colour", "no client hint");
    refused("* == 'x'", "== 'x'", "a test of everything");
    let long = format!("ua == '{}'", "x".repeat(300));
    refused(&long, &format!("'{}'", "x".repeat(300)), "300 bytes are too long");
    let longer = format!("ua == '{}'", "x".repeat(2000));
    refused(&longer, &longer, "the condition is too long");
}

fn classifier(rules: &[(&str, &[&str])]) -> Classifier {
    Classifier::new(rules.iter().map(|(name, when)| Rule {
        name: (*name).into(),
        when: when.iter().map(|text| condition(text)).collect(),
    }))
}

const RULES: [(&str, &[&str]); 3] = [
    ("tv", &["header x-app ~ '^tv/'", "ua ~ 'Tizen'"]),
    ("ios", &["hint platform == 'iOS'"]),
    ("web", &["ua"]),
];

#[track_caller]
fn classified(headers: &[(&'static str, &'static str)], class: &str, reason: &str) {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    let device = with(&headers, None, |facts| classifier(&RULES).classify(facts));
    assert_eq!((device.class.as_ref(), device.reason.as_ref()), (class, reason));
}

#[test]
fn the_first_rule_with_a_condition_that_holds_tells_the_class() {
    classified(&[("x-app", "tv/7"), ("user-agent", "x")], "tv", "header x-app ~ '^tv/'");
    classified(&[("user-agent", "Tizen")], "tv", "ua ~ 'Tizen'");
    classified(
        &[("sec-ch-ua-platform", "\"iOS\""), ("user-agent", "x")],
        "ios",
        "hint platform == 'iOS'",
    );
    classified(&[("user-agent", "curl")], "web", "ua");
}

#[test]
fn a_request_that_no_rule_tells_is_unknown() {
    classified(&[], UNKNOWN, "no rule matched");
}

#[test]
fn claims_are_needed_only_where_a_rule_reads_them() {
    assert!(!classifier(&RULES).needs_claims());
    assert!(classifier(&[("tv", &["ua", "claim device_type == 'tv'"])]).needs_claims());
}

#[test]
fn an_explanation_tells_what_was_tried_until_one_held() {
    let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static("Tizen"))]);
    let explanation = with(&headers, None, |facts| classifier(&RULES).explain(facts));
    assert_eq!(
        serde_json::to_value(explanation).unwrap(),
        json!({
            "class": "tv",
            "reason": "ua ~ 'Tizen'",
            "tried": [
                {"class": "tv", "condition": "header x-app ~ '^tv/'", "held": false},
                {"class": "tv", "condition": "ua ~ 'Tizen'", "held": true},
            ],
        })
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_a_place_inside(text in "\\PC{0,40}") {
        if let Err(fault) = text.parse::<Condition>() {
            prop_assert!(text.get(fault.span()).is_some(), "{:?}", fault);
        }
    }

    #[test]
    fn text_of_the_right_pieces_is_read_back_or_refused_with_a_place_inside(
        pieces in prop::collection::vec(prop_oneof![
            Just("header"), Just(" "), Just("x-app"), Just("ua"), Just("hint"), Just("brand"),
            Just("claim"), Just("=="), Just("~"), Just("contains"), Just("'"), Just("tv"),
            Just("*"), Just("("), Just("\u{e9}"), Just("\\"), Just("''"),
        ], 0..10)
    ) {
        let text = pieces.concat();
        match text.parse::<Condition>() {
            Ok(condition) => prop_assert_eq!(condition.to_string().parse::<Condition>(), Ok(condition)),
            Err(fault) => prop_assert!(text.get(fault.span()).is_some(), "{:?}", fault),
        }
    }

    #[test]
    fn classify_and_explain_agree(agent in "(Tizen|curl|x)?", app in "(tv/7|web)?") {
        let headers: HeaderMap = [("user-agent", agent), ("x-app", app)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap())
            })
            .collect();
        let classifier = classifier(&RULES);
        let device = with(&headers, None, |facts| classifier.classify(facts));
        let explanation = with(&headers, None, |facts| classifier.explain(facts));
        prop_assert_eq!(device.class.as_ref(), explanation.class);
        prop_assert_eq!(device.reason.as_ref(), explanation.reason);
    }

    #[test]
    fn any_header_value_is_tested_without_a_panic(value in prop::collection::vec(any::<u8>(), 0..40)) {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let headers: HeaderMap = ["sec-ch-ua", "sec-ch-ua-platform", "sec-ch-ua-mobile"]
            .map(|name| (HeaderName::from_static(name), value.clone()))
            .into_iter()
            .collect();
        for text in ["hint brand == 'x'", "hint platform ~ '.'", "hint mobile", "hint brand"] {
            let _: bool = with(&headers, None, |facts| condition(text).holds(facts));
        }
    }
}

#[test]
fn group_of_an_expression_finds_the_version_of_the_app() {
    let rules: [(&str, &[&str]); 3] = [
        ("tv", &["header x-app ~ '^tv/(?<ver>[0-9.]+)'"]),
        ("ios", &["claim app ~ 'ios (?<ver>.*)'"]),
        ("web", &["header x-app"]),
    ];
    let version = |app: &'static str, claims: Value| {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("x-app"),
            HeaderValue::from_static(app),
        )]);
        let Value::Object(claims) = claims else { unreachable!() };
        let device = with(&headers, Some(&claims), |facts| classifier(&rules).classify(facts));
        (device.class.to_string(), device.version.map(|version| version.to_string()))
    };
    let told = |class: &str, version: Option<&str>| (class.to_owned(), version.map(str::to_owned));
    assert_eq!(version("tv/7.2.1-rc1", json!({})), told("tv", Some("7.2.1")));
    assert_eq!(version("tv/...", json!({})), told("tv", None));
    assert_eq!(version("web/7.2", json!({})), told("web", None));
    assert_eq!(version("", json!({ "app": "ios 9.1" })), told("ios", Some("9.1")));
    // Only a text has a place where a version can be.
    assert_eq!(version("", json!({ "app": ["ios 9.1"] })), told("ios", None));
}
