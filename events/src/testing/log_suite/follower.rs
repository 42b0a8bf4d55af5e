//! Facts about whoever follows a topic without a group.

use std::sync::Arc;

use super::{PARTITIONS, event, ids, made, soon};
use crate::Log;

pub(super) async fn is_given_what_stands_and_what_comes(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    subject.append((0..4).map(|number| event("a", number))).await;
    let at = subject.partition("a");
    let from: Vec<u64> = (0..PARTITIONS).map(|it| if it == at { 2 } else { 0 }).collect();
    let following = subject.log.follow(&subject.topic.name, &from).await;
    let mut follower = following.expect("a topic is followed");
    let mut given = Vec::new();
    for (count, expected) in [(2, "a-2 a-3"), (4, "a-2 a-3 a-4 b-5")] {
        let coming = async {
            while given.len() < count {
                given.extend(ids(&follower.next().await.expect("entries come")));
            }
        };
        soon("entries come", coming).await;
        given.sort_unstable();
        assert_eq!(given.join(" "), expected);
        subject.append([event("a", 4), event("b", 5)]).await;
    }
}
