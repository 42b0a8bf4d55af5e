use headgate_admin::FieldStatus;

use super::*;

#[test]
fn report_names_what_differs_and_where_to_look() {
    let field = |name: &str, different, last: Option<&str>| FieldStatus {
        field: name.to_owned(),
        same: 7,
        different,
        incomparable: 1,
        last_different: last.map(str::to_owned),
    };
    let told = text(&MirrorStatus {
        team: "tv".to_owned(),
        route: "home".to_owned(),
        to: "next".to_owned(),
        share: "2%".to_owned(),
        since: "2026-11-18T11:06:40.000Z".to_owned(),
        copies: [("different", 2), ("dropped", 0), ("same", 8)]
            .map(|(word, count)| (word.to_owned(), count))
            .into(),
        fields: vec![field("status", 0, None), field("json:/rows/*/id", 2, Some("0af7"))],
        pairs: 4,
        slower: 1,
        caller_ms: Some(1.25),
        mirror_ms: Some(2.0),
    });
    assert_eq!(
        told,
        "tv/home to next, 2%: 10 copies since 2026-11-18T11:06:40.000Z\n  \
           2 different, 8 same\n  \
           to the answer's head: caller 1.2 ms, mirror 2.0 ms on average; the mirror was slower in \
         25.0%\n  \
           FIELD            SAME  DIFFERENT  INCOMPARABLE  LAST DIFFERENT\n  \
           status           7     0          1             -\n  \
           json:/rows/*/id  7     2          1             0af7\n"
    );
}
