use tokio::time::{Instant, interval};

use super::*;

const UNREAD: Duration = Duration::from_mins(1);

/// A stream that does the same at every look, one a second, for a while.
async fn lasts(did: impl Fn() -> Did, seconds: u64) -> Duration {
    let started = Instant::now();
    let mut looks = interval(Duration::from_secs(1));
    let stream = poll_fn(|cx| {
        while looks.poll_tick(cx).is_ready() {}
        DID.set(did());
        if started.elapsed().as_secs() < seconds { Poll::Pending } else { Poll::Ready(()) }
    });
    in_time(stream, UNREAD).await;
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn one_that_stands_still_is_ended() {
    let is_first = Cell::new(true);
    let did = || if is_first.replace(false) { Did::Moved } else { Did::Nothing };
    assert_eq!(lasts(did, 600).await, UNREAD);
}

#[tokio::test(start_paused = true)]
async fn one_that_never_asks_an_exchange_is_a_tunnels_and_is_not_ended() {
    assert_eq!(lasts(|| Did::Nothing, 600).await.as_secs(), 600);
}

#[tokio::test(start_paused = true)]
async fn one_that_moves_or_waits_for_its_exchange_is_not() {
    assert_eq!(lasts(|| Did::Moved, 600).await.as_secs(), 600);
    assert_eq!(lasts(|| Did::Waits, 600).await.as_secs(), 600);
}

#[tokio::test(start_paused = true)]
async fn the_time_counts_from_the_last_piece() {
    let started = Instant::now();
    let moves = || if started.elapsed() < UNREAD / 2 { Did::Moved } else { Did::Nothing };
    // The last piece came a second before.
    let second = Duration::from_secs(1);
    assert_eq!(lasts(moves, 600).await + second, UNREAD / 2 + UNREAD);
}
