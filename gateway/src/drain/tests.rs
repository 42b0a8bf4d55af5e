use super::*;

const SETTINGS: settings::Drain =
    settings::Drain { accept_for: Duration::from_millis(500), deadline: Duration::from_secs(10) };

#[tokio::test(start_paused = true)]
async fn an_edge_without_work_ends_once_its_load_balancer_could_notice() {
    let lifecycle = Lifecycle::default();
    let started = Instant::now();
    assert_eq!(lifecycle.drain(&SETTINGS, || 0).await, Drained::Whole);
    assert_eq!(started.elapsed(), SETTINGS.accept_for);
    assert_eq!(lifecycle.phase(), Phase::Closed);
}

#[tokio::test(start_paused = true)]
async fn work_in_flight_is_waited_for() {
    let lifecycle = Lifecycle::default();
    lifecycle.begin();
    let started = Instant::now();
    let work = async {
        sleep(Duration::from_secs(3)).await;
        assert_eq!(lifecycle.phase(), Phase::Closing);
        lifecycle.end();
    };
    let (drained, ()) = tokio::join!(lifecycle.drain(&SETTINGS, || 0), work);
    assert_eq!(drained, Drained::Whole);
    assert!(started.elapsed() < Duration::from_millis(3_100));
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_yet_gets_the_time_for_one() {
    let lifecycle = Lifecycle::default();
    lifecycle.connected();
    let started = Instant::now();
    assert_eq!(lifecycle.drain(&SETTINGS, || 0).await, Drained::Whole);
    let least = SETTINGS.accept_for + FIRST_REQUEST_FOR;
    let waited = started.elapsed();
    assert!((least..least + LOOK_EVERY * 2).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_end_is_cut_off_at_the_deadline() {
    let lifecycle = Lifecycle::default();
    lifecycle.begin();
    let started = Instant::now();
    let drained = lifecycle.drain(&SETTINGS, || 1).await;
    assert_eq!(drained, Drained::CutOff { exchanges: 1 });
    assert_eq!(started.elapsed(), SETTINGS.deadline + FLUSH_FOR);
}
