use std::future::poll_fn;

use headgate_types::UnixTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

/// Follows tokio's clock, which these tests pause.
#[derive(Debug)]
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Moment {
        Moment::from(self.0.elapsed())
    }

    fn unix_time(&self) -> UnixTime {
        UnixTime::default()
    }
}

const HEAD: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_mins(1);
const UNREAD: Duration = Duration::from_secs(20);

struct Pair {
    client: DuplexStream,
    edge: EdgeStream<DuplexStream>,
    activity: Arc<Activity>,
}

fn activity(share: &Arc<IdleShare>) -> Arc<Activity> {
    Activity::new(Arc::new(PausedClock(Instant::now())), share)
}

fn pair(reads_heads: bool) -> Pair {
    let (client, io) = duplex(1_024);
    let activity = activity(&Arc::default());
    let patience = Patience { head: HEAD, idle: IDLE, unread: UNREAD, reads_heads };
    let edge = EdgeStream::new(io, Bytes::new(), Arc::clone(&activity), patience);
    Pair { client, edge, activity }
}

async fn read(edge: &mut EdgeStream<DuplexStream>) -> io::Result<usize> {
    edge.read(&mut [0; 64]).await
}

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_ends_at_its_total_deadline() {
    let Pair { mut client, mut edge, activity } = pair(true);
    let started = Instant::now();
    let drip = async {
        for _ in 0..100 {
            if client.write_all(b"x").await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        client
    };
    let reading = async {
        let error = loop {
            if let Err(error) = read(&mut edge).await {
                break error;
            }
        };
        drop(edge);
        (error, started.elapsed())
    };
    let (mut client, (error, after)) = tokio::join!(drip, reading);
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    // tokio's timers count in milliseconds.
    assert!((HEAD..HEAD + Duration::from_millis(2)).contains(&after), "{after:?}");
    assert!(activity.head_timed_out());
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn an_exchange_in_progress_is_given_its_time() {
    let Pair { client: _client, mut edge, activity } = pair(true);
    let _busy = activity.begin();
    let waited = tokio::time::timeout(IDLE * 10, read(&mut edge)).await;
    assert!(waited.is_err(), "nothing was read and nothing ended");
}

/// How long it took until the connection was to be closed.
async fn told(activity: &Activity, started: Instant) -> Duration {
    poll_fn(|_| if activity.has_idled() { Poll::Ready(started.elapsed()) } else { Poll::Pending })
        .await
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_told_first_and_cut_off_later() {
    let Pair { client: _client, mut edge, activity } = pair(false);
    let started = Instant::now();
    let told = told(&activity, started);
    let (error, told) = tokio::join!(biased; read(&mut edge), told);
    assert_eq!(told, IDLE);
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(started.elapsed(), IDLE + HEAD);
}

#[tokio::test(start_paused = true)]
async fn the_idle_limit_counts_from_the_last_exchange() {
    let Pair { client: _client, mut edge, activity } = pair(true);
    let started = Instant::now();
    let busy = activity.begin();
    let exchange = async {
        tokio::time::sleep(IDLE * 2).await;
        drop(busy);
    };
    exchange.await;
    let told = told(&activity, started);
    let (_error, told) = tokio::join!(biased; read(&mut edge), told);
    assert_eq!(told, IDLE * 3);
}

#[tokio::test(start_paused = true)]
async fn those_that_idle_already_end_sooner_while_memory_runs_out() {
    for reads_heads in [true, false] {
        let (_client, io) = duplex(1_024);
        let share = Arc::default();
        let activity = activity(&share);
        // Its first request has been answered.
        drop(activity.begin());
        let patience = Patience { head: HEAD, idle: IDLE, unread: UNREAD, reads_heads };
        let mut edge = EdgeStream::new(io, Bytes::new(), Arc::clone(&activity), patience);
        let started = Instant::now();
        let pressed = async {
            tokio::time::sleep(IDLE / 4).await;
            share.set(0.1);
        };
        let (_error, told, ()) =
            tokio::join!(biased; read(&mut edge), told(&activity, started), pressed);
        // At the next look.
        assert!((IDLE / 4..=IDLE / 4 + IDLE / LOOKS).contains(&told), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_given_up() {
    let Pair { client, mut edge, activity: _activity } = pair(true);
    let started = Instant::now();

    // More than the pipe holds.
    let error = edge.write_all(&[0; 4_096]).await.unwrap_err();

    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(started.elapsed(), UNREAD);
    drop(client);
}

#[tokio::test]
async fn bytes_read_ahead_come_first() {
    let (mut client, io) = duplex(64);
    let activity = activity(&Arc::default());
    let patience = Patience { head: HEAD, idle: IDLE, unread: UNREAD, reads_heads: true };
    let mut edge = EdgeStream::new(io, Bytes::from_static(b"GE"), activity, patience);
    client.write_all(b"T /").await.unwrap();
    drop(client);
    let mut all = String::new();
    edge.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "GET /");
}
