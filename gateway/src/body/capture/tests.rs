use super::*;

fn kept(bytes_max: usize, pieces: &[&'static str]) -> Option<Bytes> {
    let mut capture = Capture::new(bytes_max);
    pieces.iter().for_each(|piece| capture.keep(&Bytes::from_static(piece.as_bytes())));
    capture.whole()
}

#[test]
fn pieces_become_the_whole() {
    assert_eq!(kept(4, &[]).as_deref(), Some(&b""[..]));
    assert_eq!(kept(4, &["abcd"]).as_deref(), Some(&b"abcd"[..]));
    assert_eq!(kept(4, &["a", "bc", "d"]).as_deref(), Some(&b"abcd"[..]));
}

#[test]
fn body_above_a_limit_is_let_go() {
    assert_eq!(kept(4, &["abc", "de"]), None);
    assert_eq!(kept(4, &["abcde", "f"]), None);
    assert_eq!(kept(usize::MAX, &["a"; PIECES_MAX]).map(|all| all.len()), Some(PIECES_MAX));
    assert_eq!(kept(usize::MAX, &["a"; PIECES_MAX + 1]), None);
}
