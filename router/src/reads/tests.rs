use http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::{device::Classifier, table::Table};

fn rules(rules: &[(&str, &[&str])]) -> Vec<Rule> {
    let rule = |(name, when): &(&str, &[&str])| Rule {
        name: (*name).into(),
        when: when.iter().map(|text| text.parse().unwrap()).collect(),
    };
    rules.iter().map(rule).collect()
}

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[track_caller]
fn reads(rules_: &[(&str, &[&str])], routes: &[&str], expected: &[(&str, Need, &[&str])]) {
    let found = Reads::of(&rules(rules_), &patterns(routes));
    let found: Vec<_> = found
        .iter()
        .map(|read| {
            let texts = read.texts.iter().map(AsRef::as_ref).collect::<Vec<&str>>();
            (read.subject.to_string(), read.need, texts)
        })
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(subject, need, texts)| ((*subject).to_owned(), *need, texts.to_vec()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn each_subject_is_needed_as_far_as_its_most_curious_test() {
    reads(
        &[("tv", &["header x-app ~ '^tv/'", "claim kind == 'tv'"]), ("web", &["ua", "*"])],
        &[
            "GET /a header.x-app",
            "GET /b cookie.arm=b query.lang=en",
            "GET /c cookie.arm=a query.beta",
        ],
        &[
            ("header user-agent", Need::Presence, &[]),
            ("header x-app", Need::Text, &[]),
            ("cookie arm", Need::Equality, &["a", "b"]),
            ("query beta", Need::Presence, &[]),
            ("query lang", Need::Equality, &["en"]),
            ("claim kind", Need::Equality, &["tv"]),
        ],
    );
}

#[test]
fn client_hints_are_needed_as_they_were_sent() {
    reads(
        &[("ios", &["hint platform == 'iOS'", "hint mobile"]), ("web", &["hint model"])],
        &[],
        &[
            ("header sec-ch-ua-mobile", Need::Text, &[]),
            ("header sec-ch-ua-model", Need::Presence, &[]),
            ("header sec-ch-ua-platform", Need::Text, &[]),
        ],
    );
}

#[test]
fn what_reads_nothing_needs_nothing() {
    reads(&[("web", &["*"])], &["GET /a device=web", "* /{*rest}"], &[]);
}

#[test]
fn names_are_bounded() {
    let routes: Vec<String> = (0..80).map(|n| format!("GET /{n} header.x-{n}")).collect();
    let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
    assert_eq!(Reads::of(&[], &patterns(&routes)).iter().count(), SUBJECTS_MAX);
}

#[test]
fn values_are_what_the_tests_see() {
    let headers: HeaderMap = [
        ("x-app", "tv/7"),
        ("x-app", "second"),
        ("sec-ch-ua", "\"A\""),
        ("sec-ch-ua", "\"B\""),
        ("cookie", "arm=\"b\"; arm=c"),
    ]
    .into_iter()
    .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
    .collect();
    let claims: Map<_, _> =
        serde_json::from_value(json!({ "roles": ["a", 3, null], "none": null, "one": true }))
            .unwrap();
    let facts = Facts {
        method: &Method::GET,
        host: "edge",
        path: "/",
        query: Some("lang=e%6E&b"),
        headers: &headers,
        claims: Some(&claims),
        device: "",
        version: None,
    };
    for (subject, expected) in [
        (header(&HeaderName::from_static("x-app")), &["tv/7"][..]),
        (header(&HeaderName::from_static("sec-ch-ua")), &["\"A\", \"B\""]),
        (header(&HeaderName::from_static("x-none")), &[]),
        (Subject::Cookie("arm".into()), &["b"]),
        (Subject::Query("lang".into()), &["en"]),
        (Subject::Query("b".into()), &[""]),
        (Subject::Claim("roles".into()), &["a", "\u{0}3"]),
        (Subject::Claim("none".into()), &[]),
        (Subject::Claim("one".into()), &["true"]),
    ] {
        let found = values(&facts, &subject);
        let found: Vec<_> = found.iter().map(|value| String::from_utf8_lossy(value)).collect();
        assert_eq!(found, expected, "{subject}");
    }
}

#[test]
fn numbers_are_no_texts_of_their_own() {
    assert_eq!(number("03"), Some(b"\x003".to_vec()));
    assert_eq!(number("18446744073709551615"), Some(b"\x0018446744073709551615".to_vec()));
    assert_eq!(number("1.5"), None);
}

const ROUTES: [&str; 4] = [
    "GET /a header.x-app=tv query.lang=en cookie.arm",
    "GET /a header.x-app=tv query.lang=en",
    "GET /a query.lang=en",
    "GET /a",
];

proptest! {
    /// What is not known never makes a wrong answer, only none; what is known makes the live one.
    #[test]
    fn knowing_less_is_never_wrong(
        app in "(tv|web)?", lang in "(en|de)?", arm in "(x)?", knows in prop::array::uniform3(any::<bool>()),
    ) {
        let rules = rules(&[("tv", &["header x-app == 'tv'"]), ("web", &["*"])]);
        let patterns = patterns(&ROUTES);
        let mut headers = HeaderMap::new();
        if !app.is_empty() {
            headers.insert("x-app", app.parse().unwrap());
        }
        if !arm.is_empty() {
            headers.insert("cookie", format!("arm={arm}").parse().unwrap());
        }
        let query = format!("lang={lang}");
        let facts = Facts {
            method: &Method::GET,
            host: "edge",
            path: "/a",
            query: (!lang.is_empty()).then_some(query.as_str()),
            headers: &headers,
            claims: None,
            device: "",
            version: None,
        };
        let knows = |subject: &Subject, _: Need| match subject {
            Subject::Header(_) => knows[0],
            Subject::Query(_) => knows[1],
            _ => knows[2],
        };
        let live = Classifier::new(rules.clone()).classify(&facts);
        if let Some(class) = class_knowing(&rules, &facts, knows) {
            prop_assert_eq!(class, live.class.as_ref());
        }
        prop_assert_eq!(class_knowing(&rules, &facts, |_, _| true), Some(live.class.as_ref()));
        let table = Table::build(patterns.iter().cloned().enumerate()).unwrap();
        for (id, pattern) in patterns.iter().enumerate() {
            let told = predicates_knowing(pattern, &facts, knows);
            if let Some(told) = told {
                prop_assert_eq!(told, pattern.matches(&facts));
            }
            if told == Some(false) {
                prop_assert_ne!(table.find(&facts), Some(id));
            }
        }
    }
}
