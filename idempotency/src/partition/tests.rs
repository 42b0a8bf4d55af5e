use super::*;

/// Values from Kafka's own tests of `Utils.murmur2`.
#[test]
fn keys_hash_as_in_kafka() {
    let cases: [(&str, i32); 7] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
        ("", 275_646_681),
    ];
    for (key, expected) in cases {
        assert_eq!(murmur2(key.as_bytes()), expected.cast_unsigned(), "{key:?}");
    }
}

#[test]
fn a_partition_is_one_of_those_there_are() {
    for key in ["", "a", "customer-7", "foobar"] {
        assert!(partition_of(key, 8) < 8);
        assert_eq!(partition_of(key, 1), 0);
        assert_eq!(partition_of(key, 0), 0);
    }
}
