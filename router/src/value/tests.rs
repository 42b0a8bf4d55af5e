use proptest::prelude::*;

use super::*;
use crate::text::quoted;

fn expression(text: &str) -> Result<Expression, ParseError> {
    let written = text::quote(text);
    let whole = Piece::whole(&written);
    let quoted = quoted(&whole)?;
    Expression::parse(&quoted.piece, quoted.text.as_ref().into())
}

#[test]
fn contains_finds_a_part_anywhere() {
    let test = Test::Contains("Tizen".into());
    assert!(test.accepts(b"Mozilla (Tizen 6)"));
    assert!(test.accepts(b"Tizen"));
    assert!(!test.accepts(b"Tize"));
    assert!(!test.accepts(b""));
}

#[test]
fn an_expression_works_on_bytes_that_are_no_utf8() {
    assert!(expression("^tv/.$").unwrap().is_match(b"tv/\xff"));
}

#[test]
fn a_fault_in_an_expression_is_pointed_at() {
    let fault = expression("ab(c").unwrap_err();
    assert_eq!((fault.what(), fault.span()), ("unclosed group", 3..4));
}

#[test]
fn a_fault_behind_a_doubled_quote_points_at_the_whole() {
    let fault = expression("a'b(c").unwrap_err();
    assert_eq!(fault.span(), 0..8);
}

#[test]
fn an_expression_that_compiles_too_large_is_refused() {
    let fault = expression("(?:[a-z]{1000}){100}").unwrap_err();
    assert!(fault.what().contains("too large"), "{fault}");
    assert!(expression(&"(".repeat(100)).is_err());
    assert!(expression(&format!("{}a{}", "(".repeat(60), ")".repeat(60))).is_err());
}

#[test]
fn samples_match() {
    for text in ["^tv/7", "[0-9]{3}", "a|b", "x*", "(?i)Tizen", "^[^a-z]+$", r"\d+\.\d+", "."] {
        let expression = expression(text).unwrap();
        assert!(expression.is_match(expression.sample().unwrap().as_bytes()), "{text}");
    }
}

#[test]
fn an_expression_without_a_printable_value_has_no_sample() {
    for text in [r"\x00", r"a\bb", "[a&&b]", r"^ $"] {
        assert_eq!(expression(text).unwrap().sample(), None, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_compiles_or_is_refused_with_a_place_inside(text in "\\PC{0,30}") {
        if let Err(fault) = expression(&text) {
            prop_assert!(fault.span().end <= text::quote(&text).len());
            prop_assert!(text::quote(&text).get(fault.span()).is_some());
        }
    }
}
