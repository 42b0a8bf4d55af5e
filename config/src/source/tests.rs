use super::*;

/// Marks the part of a document's first value that stands for `part` of its text.
fn marked(document: &str, part: &str) -> String {
    let mut report = Report::default();
    let source = report.source(Source::new("x", document));
    let parsed = parse(&mut report, source);
    assert!(parsed.is_whole, "{document}");
    let node = parsed.root.get("a").unwrap();
    let start = node.as_text().unwrap().find(part).unwrap();
    let place = inside(&report, &node.at, start..start + part.len());
    document.get(place.span()).unwrap().to_owned()
}

#[test]
fn a_part_of_a_text_is_found_in_the_file() {
    assert_eq!(marked("a = 'one two'", "two"), "two");
    assert_eq!(marked(r#"a = "one two""#, "two"), "two");
}

#[test]
fn escapes_before_a_part_are_stepped_over() {
    assert_eq!(marked(r#"a = "\t\u00e9\x41\U0001F600 two""#, "two"), "two");
    assert_eq!(marked(r#"a = "one \u0074wo""#, "two"), r"\u0074wo");
    assert_eq!(marked(r"a = 'one \t two'", "two"), "two");
}

#[test]
fn lines_of_a_multi_line_text_are_stepped_over() {
    assert_eq!(marked("a = \"\"\"\none\n\\\n   two\"\"\"", "two"), "two");
    assert_eq!(marked("a = '''\none\ntwo'''", "two"), "two");
}

#[test]
fn places_are_counted_in_characters() {
    let source = Source::new("x", "a\nüü b");
    let location = source.locate(&Place::new(SourceId::default(), 7..8));
    assert_eq!((location.line, location.column), (2, 4));
}

#[test]
fn places_beyond_the_text_are_its_end() {
    let source = Source::new("x", "ü");
    assert_eq!(
        source.locate(&Place::new(SourceId::default(), 1..9)),
        source.locate(&Place::new(SourceId::default(), 0..2))
    );
}

#[test]
fn paths_are_spelt_as_in_toml() {
    assert_eq!(key_path(&["device".into(), 1.into(), "name".into()]), "device[1].name");
}
