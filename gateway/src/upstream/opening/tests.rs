use tokio::task::JoinSet;

use super::*;

fn pair(count: usize) -> (Opener, Vec<Waiting>) {
    let opening = Arc::<Opening>::default();
    let waiting = (0..count).filter_map(|_| opening.join(3)).collect();
    (Opener(opening), waiting)
}

async fn ends(waiting: Vec<Waiting>) -> Vec<Result<(), String>> {
    let mut tasks = JoinSet::new();
    for one in waiting {
        tasks.spawn(one.end());
    }
    tasks.join_all().await.into_iter().map(|end| end.map_err(|error| error.to_string())).collect()
}

#[tokio::test]
async fn those_who_wait_hear_of_its_end() {
    let (opener, waiting) = pair(2);
    opener.ended(&Ok(()));
    assert_eq!(ends(waiting).await, [Ok(()), Ok(())]);
}

#[tokio::test]
async fn failure_is_everybodys() {
    let (opener, waiting) = pair(2);
    opener.ended(&Err::<(), _>(ConnectError::TimedOut));
    let failed = || Err("connect timed out".to_owned());
    assert_eq!(ends(waiting).await, [failed(), failed()]);
}

#[tokio::test]
async fn whoever_opens_and_leaves_keeps_nobody() {
    let (opener, waiting) = pair(1);
    let waits = tokio::spawn(ends(waiting));
    tokio::task::yield_now().await;
    drop(opener);
    assert_eq!(waits.await.unwrap(), [Ok(())]);
}

#[test]
fn no_more_wait_than_can_share_it_and_none_after_its_end() {
    let (opener, waiting) = pair(4);
    assert_eq!(waiting.len(), 3);
    let opening = Arc::clone(&opener.0);
    drop(opener);
    assert!(opening.join(9).is_none());
}
