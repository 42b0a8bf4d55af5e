use super::*;

fn check(name: &str, wanted: &str) {
    assert_eq!(kafka(name).unwrap(), wanted);
    assert_eq!(ours(wanted), name);
}

#[test]
fn what_kafka_takes_stands_as_it_is() {
    check("orders", "orders");
    check("hg.results", "hg.results");
    check("a_xyz_x4", "a_xyz_x4");
    check("a_x41", "a_x41");
}

#[test]
fn what_kafka_does_not_take_is_escaped() {
    check("hg.dlq.charge@1", "hg.dlq.charge_x401");
    check("größe~2", "gr_xc3_xb6_xc3_x9fe_x7e2");
}

#[test]
fn two_topics_never_have_one_name() {
    assert!(kafka("charge_x401").is_err(), "it reads as charge@1");
}

#[test]
fn names_that_kafka_keeps_for_itself_are_refused() {
    for name in ["", ".", "..", "__consumer_offsets", &"a".repeat(250)] {
        assert!(kafka(name).is_err(), "{name:?}");
    }
}
