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
        node: Some("edge-1:9900".to_owned()),
        ..HistoryEntry::default()
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
fn node_is_told_where_there_are_several() {
    let entry = |node: &str| HistoryEntry {
        time: "12:00".to_owned(),
        node: Some(node.to_owned()),
        kind: "start".to_owned(),
        what: "edge".to_owned(),
        reason: "the process began".to_owned(),
        ..HistoryEntry::default()
    };
    let expected = "\
12:00  a:9900  start  edge    the process began
12:00  b:9900  start  edge    the process began
";
    assert_eq!(text(&[entry("a:9900"), entry("b:9900")]), expected);
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

#[test]
fn version_is_told_in_a_line() {
    let version = VersionStatus {
        version: 7,
        action: "rollback".to_owned(),
        to: Some(3),
        actor: "ada".to_owned(),
        reason: "INC-7".to_owned(),
        time: "2026-11-21T14:03:00.000Z".to_owned(),
        node: "edge-1:9900".to_owned(),
        ..VersionStatus::default()
    };
    assert_eq!(
        head(&version),
        "version 7 at 2026-11-21T14:03:00.000Z, rollback to version 3 by ada on edge-1:9900: INC-7"
    );
}
