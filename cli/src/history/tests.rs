use super::*;

#[test]
fn change_its_reason_and_its_author_are_told() {
    let entry = |from: Option<&str>, to: Option<&str>| HistoryEntry {
        time: "12:00".to_owned(),
        kind: "limit".to_owned(),
        what: "upstream tv/home".to_owned(),
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
        reason: "queueing".to_owned(),
        actor: to.is_none().then(|| "ada".to_owned()),
    };
    let text =
        text(&[entry(Some("20"), Some("30")), entry(None, Some("2s")), entry(Some("2s"), None)]);
    let expected = "\
12:00  limit  upstream tv/home  20 to 30    queueing
12:00  limit  upstream tv/home  2s          queueing
12:00  limit  upstream tv/home  no more 2s  queueing (by ada)
";
    assert_eq!(text, expected);
}

#[test]
fn quiet_time_is_told_as_such() {
    assert_eq!(text(&[]), "nothing has moved or changed in that time\n");
}

#[test]
fn digests_are_told_by_their_beginnings() {
    let digest = "314307e9661203303bc95e1aca27318bb48725968b65f7553a6ee4f02887febb";
    assert_eq!(short(digest), "314307e96612");
    assert_eq!(short("20"), "20");
}
