use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn every_id_reads_back_from_its_digits(bytes in any::<[u8; 16]>()) {
        prop_assume!(bytes != [0; 16]);
        let id = TraceId::from_bytes(bytes).unwrap();
        prop_assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,40}") {
        let read = TraceId::from_hex(text.as_bytes());
        prop_assert!(read.is_err() || read.unwrap().to_string() == text);
    }
}

#[test]
fn zeros_uppercase_and_other_lengths_are_refused() {
    for text in ["0000000000000000", "00000000000000AB", "ab", "000000000000000g"] {
        assert_eq!(text.parse::<SpanId>(), Err(ParseIdError { digits: 16 }));
    }
}
