use super::*;

#[test]
fn level_that_cannot_be_read_is_refused() {
    let error = init(Format::Text, "headgate=info=debug").unwrap_err();
    assert_eq!(error.to_string(), "log level \"headgate=info=debug\" is not valid");
}

#[test]
fn logging_begins_once() {
    init(Format::Json, "off").unwrap();
    assert!(matches!(init(Format::Text, "off"), Err(Error::Begun(_))));
}
