use proptest::prelude::*;

use super::*;

#[test]
fn parts_know_their_place() {
    let whole = Piece::whole("a|bc|");
    let parts: Vec<_> = whole.split('|').map(|part| (part.text, part.span())).collect();
    assert_eq!(parts, [("a", 0..1), ("bc", 2..4), ("", 5..5)]);
}

#[test]
fn a_quote_that_does_not_close_is_a_fault_at_the_quote() {
    let fault = quoted(&Piece::whole("'abc''").divide(0).1).unwrap_err();
    assert_eq!(fault.span(), 0..6);
}

proptest! {
    #[test]
    fn quoted_text_is_read_back(text in "[a-z' \\\\é]{0,12}", rest in "[^']{0,5}") {
        let written = quote(&text) + &rest;
        let read = quoted(&Piece::whole(&written)).unwrap();
        prop_assert_eq!(read.text.as_ref(), text);
        prop_assert_eq!(read.rest.text, rest);
    }
}
