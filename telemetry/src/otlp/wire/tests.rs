use super::*;

/// The examples of protobuf.dev's page on the encoding.
#[test]
fn values_are_written_as_the_format_has_them() {
    let written = |write: fn(&mut Message)| {
        let mut message = Message::default();
        write(&mut message);
        message.into_bytes()
    };
    assert_eq!(written(|it| it.integer(1, 150)), [0x08, 0x96, 0x01]);
    assert!(written(|it| it.integer(1, 0)).is_empty());
    assert_eq!(written(|it| it.member(3, 0)), [0x18, 0x00]);
    assert_eq!(
        written(|it| it.text(2, "testing")),
        [0x12, 0x07, b't', b'e', b's', b't', b'i', b'n', b'g']
    );
    assert_eq!(
        written(|it| it.message(3, |inner| inner.integer(1, 150))),
        [0x1a, 0x03, 0x08, 0x96, 0x01]
    );
    assert_eq!(written(|it| it.fixed64(1, 1)), [0x09, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(written(|it| it.fixed32(16, 1)), [0x85, 0x01, 1, 0, 0, 0]);
    let largest = written(|it| it.integer(1, u64::MAX));
    assert_eq!(largest, [0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
}
