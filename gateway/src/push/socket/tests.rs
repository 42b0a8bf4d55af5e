use super::*;

/// The key and the answer to it that RFC 6455, 1.3 shows.
#[test]
fn handshake_is_answered_as_the_standard_has_it() {
    assert_eq!(accept_value(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn frames_say_their_length_in_the_shortest_form() {
    for (length, head) in [
        (0, vec![0x81, 0]),
        (125, vec![0x81, 125]),
        (126, vec![0x81, 126, 0, 126]),
        (65_535, vec![0x81, 126, 0xff, 0xff]),
        (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let frame = frame(TEXT, &vec![b'x'; length]);
        assert_eq!(&frame[..head.len()], head, "{length}");
        assert_eq!(frame.len(), head.len() + length, "{length}");
    }
}
