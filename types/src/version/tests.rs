use super::Version;

fn leading(text: &str) -> String {
    match Version::leading(text.as_bytes()) {
        Some((version, bytes)) => format!("{version}+{}", text.len() - bytes),
        None => "none".to_owned(),
    }
}

#[test]
fn numbers_at_the_start_are_read_and_the_rest_is_counted() {
    for (text, expected) in [
        ("7", "7+0"),
        ("7.2.1", "7.2.1+0"),
        ("7.2.0", "7.2+0"),
        ("07.02", "7.2+0"),
        ("7.2-beta", "7.2+5"),
        ("7.2.", "7.2+1"),
        ("1.2.3.4", "1.2.3.4+0"),
        ("1.2.3.4.5", "1.2.3.4+2"),
        ("4294967295", "4294967295+0"),
        ("4294967296", "none"),
        ("", "none"),
        (".7", "none"),
        ("v7", "none"),
    ] {
        assert_eq!(leading(text), expected, "{text}");
    }
}

#[test]
fn only_whole_texts_are_versions() {
    assert!(Version::parse("7.2").is_some());
    assert!(["7.2.", "7.2-beta", "1.2.3.4.5", ""].map(Version::parse).iter().all(Option::is_none));
}

#[test]
fn versions_are_ordered_by_their_numbers() {
    let texts = ["0", "0.0.0.1", "7", "7.2", "7.2.1", "7.10", "10"];
    let versions = texts.map(|text| Version::parse(text).unwrap());
    assert!(versions.is_sorted());
    assert_eq!(Version::parse("7.0.0"), Version::parse("7"));
}

#[test]
fn next_is_the_least_above() {
    let next = |text| Version::parse(text).unwrap().next().map(|next| next.to_string());
    assert_eq!(next("7.2"), Some("7.2.0.1".to_owned()));
    assert_eq!(next("7.2.3.4294967295"), Some("7.2.4".to_owned()));
    assert_eq!(next("4294967295.4294967295.4294967295.4294967295"), None);
}
