use super::encode;

#[test]
fn text_is_that_of_rfc_4648_in_lowercase() {
    let vectors =
        [("", ""), ("f", "my"), ("fo", "mzxq"), ("foob", "mzxw6yq"), ("foobar", "mzxw6ytboi")];
    for (bytes, text) in vectors {
        assert_eq!(encode(bytes.as_bytes()), text);
    }
}

#[test]
fn twenty_bytes_become_thirty_two_digits() {
    assert_eq!(encode(&[0xff; 20]), "7".repeat(32));
}
