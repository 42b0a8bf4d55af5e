use super::*;

#[test]
fn what_is_said_of_a_topic_counts() {
    let orders = Topic { partitions: 3, ..Topic::new("orders") };
    let topics = Topics::new([orders.clone()]);

    assert_eq!(topics.get("orders"), orders);
    assert_eq!(topics.partitions("orders"), 3);
    assert_eq!(topics.for_handlers().get("orders"), Some(3));
    assert_eq!(topics.for_handlers().get("others"), None);
}

#[test]
fn topic_of_which_nothing_is_said_has_the_defaults() {
    let topics = Topics::default();

    assert_eq!(topics.partitions("orders"), PARTITIONS_DEFAULT);
    assert_eq!(topics.partitions("hg.dlq.charge"), 1, "dead letters have one partition");
    assert_eq!(topics.get(AUDIT_TOPIC).retention.age, None, "decisions are kept");
    for fleet in [None, Some("blue")] {
        let topic = Topic::control(fleet);
        assert_eq!((topic.partitions, topic.retention.age), (1, None), "{}", topic.name);
    }
    assert_eq!(topics.partitions("hg.controls"), PARTITIONS_DEFAULT, "another one's name");
}
