use std::future::{pending, ready};

use tokio::time::sleep;

use super::*;

const LIMIT: Duration = Duration::from_secs(2);

async fn took(timer: &SpareTimer, limit: Duration) -> Duration {
    let started = Instant::now();
    assert_eq!(timer.within(limit, pending::<()>()).await, None);
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn what_ends_in_time_is_told() {
    let timer = SpareTimer::default();
    assert_eq!(timer.within(LIMIT, ready(7)).await, Some(7));
    let slow = async {
        sleep(LIMIT / 2).await;
        8
    };
    assert_eq!(timer.within(LIMIT, slow).await, Some(8));
}

#[tokio::test(start_paused = true)]
async fn every_use_has_its_own_limit() {
    let timer = SpareTimer::default();
    // Longer, shorter and the same again; after one that fired, and after one that did not.
    for limit in [LIMIT, LIMIT * 3, LIMIT / 4, LIMIT] {
        assert_eq!(took(&timer, limit).await, limit);
        assert!(timer.within(limit, sleep(limit / 2)).await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn two_at_once_do_not_share() {
    let timer = SpareTimer::default();
    let both = tokio::join!(took(&timer, LIMIT), took(&timer, LIMIT * 2));
    assert_eq!(both, (LIMIT, LIMIT * 2));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_leaves_its_timer() {
    let timer = SpareTimer::default();
    assert!(tokio::time::timeout(LIMIT, timer.within(LIMIT * 9, pending::<()>())).await.is_err());
    assert!(timer.0.lock().is_some());
    assert_eq!(took(&timer, LIMIT * 2).await, LIMIT * 2);
}
