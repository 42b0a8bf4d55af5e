use super::*;

#[test]
fn query_is_read_in_pairs() {
    let read = pairs("topic=orders&after=0%3A7,1%3a2").unwrap();
    let expected = [("topic", "orders"), ("after", "0:7,1:2")];
    assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(pairs("").unwrap(), []);
    for bad in ["topic", "a=%", "a=%2", "a=%zz", "a=%ff"] {
        assert!(pairs(bad).is_err(), "{bad}");
    }
}
